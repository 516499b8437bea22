/*
 * limits.c: runs one command for each file and says which broke the rules for bad input.
 *
 *   limits [-t MS] [-m MB] COMMAND [ARG]... < FILES      FILES: one path a line; "{}" in an ARG becomes the path
 *
 * The rules: exit status 0 or 2; with 2, a last line "authtape: …" on standard error; at most MS milliseconds and MB
 * megabytes (no -t, no -m: 60 seconds, no bound). Prints one line for each file that broke them, and a summary.
 * Exit status: 0 none did, 1 some did, 2 trouble.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 32, SAID_BYTES = 8192, DEFAULT_MS = 60000 };

struct run {
    int status; /* as from wait */
    long ms, kb;
    char said[SAID_BYTES]; /* the end of standard error */
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void child(char **args, int err)
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(err, 2) < 0)
        _exit(127);
    alarm(DEFAULT_MS / 1000);
    execvp(args[0], args);
    _exit(127);
}

/* Keeps the last SAID_BYTES - 1 bytes of what `fd` gives. */
static void listen_to(int fd, char *said)
{
    size_t n = 0;
    for (;;) {
        if (n == SAID_BYTES - 1) {
            memmove(said, said + SAID_BYTES / 2, n - SAID_BYTES / 2);
            n -= SAID_BYTES / 2;
        }
        ssize_t got = read(fd, said + n, SAID_BYTES - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    said[n] = 0;
}

static bool run(char **args, struct run *r)
{
    int pipes[2];
    struct rusage usage;
    double begin = now_ms();
    if (pipe(pipes))
        return false;
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0) {
        close(pipes[0]);
        child(args, pipes[1]);
    }
    close(pipes[1]);
    listen_to(pipes[0], r->said);
    close(pipes[0]);
    if (wait4(pid, &r->status, 0, &usage) < 0)
        return false;
    r->ms = (long)(now_ms() - begin);
    r->kb = usage.ru_maxrss;
    return true;
}

/* NULL, or which rule was broken. */
static const char *broken(const struct run *r, long max_ms, long max_mb)
{
    if (WIFSIGNALED(r->status))
        return WTERMSIG(r->status) == SIGALRM ? "hangs" : "crashes";
    int status = WEXITSTATUS(r->status);
    if (status != 0 && status != 2)
        return "has another exit status than 0 and 2";
    const char *last = r->said;
    for (const char *p = r->said; *p; p++)
        if (*p == '\n' && p[1])
            last = p + 1;
    if (status == 2 && strncmp(last, "authtape: ", 10))
        return "does not say why";
    if (max_ms && r->ms > max_ms)
        return "takes too long";
    if (max_mb && r->kb > max_mb * 1024)
        return "takes too much memory";
    return NULL;
}

int main(int argc, char **argv)
{
    long max_ms = 0, max_mb = 0, files = 0, bad = 0, slowest_ms = 0, largest_kb = 0;
    int c;
    while ((c = getopt(argc, argv, "+t:m:")) != -1) {
        if (c == 't')
            max_ms = strtol(optarg, NULL, 10);
        else if (c == 'm')
            max_mb = strtol(optarg, NULL, 10);
        else
            return 2;
    }
    int n = argc - optind;
    if (n < 1 || n > MAX_ARGS) {
        fputs("usage: limits [-t MS] [-m MB] COMMAND [ARG]... < FILES\n", stderr);
        return 2;
    }
    char path[4096];
    while (fgets(path, sizeof path, stdin)) {
        char *args[MAX_ARGS + 1] = {0};
        struct run r = {0};
        path[strcspn(path, "\n")] = 0;
        for (int i = 0; i < n; i++)
            args[i] = strcmp(argv[optind + i], "{}") ? argv[optind + i] : path;
        if (!run(args, &r)) {
            perror("limits");
            return 2;
        }
        files++;
        slowest_ms = r.ms > slowest_ms ? r.ms : slowest_ms;
        largest_kb = r.kb > largest_kb ? r.kb : largest_kb;
        const char *what = broken(&r, max_ms, max_mb);
        if (what) {
            bad++;
            printf("%s: %s (wait status %d, %ld ms, %ld kB): %s\n", path, what, r.status, r.ms, r.kb, r.said);
        }
    }
    printf("%ld files, %ld broke the rules; slowest %ld ms, largest %ld kB\n", files, bad, slowest_ms, largest_kb);
    return files == 0 ? 2 : bad != 0;
}
