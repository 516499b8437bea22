/* The sandbox: what was given up is gone, and what was kept works. Each test confines a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/sandbox.h"

static char folder[] = "/tmp/authtape-sandbox.XXXXXX";

#define REFUSED_ALL 70 /* the build or the machine has no sandbox */

/* What `deed` does in the box: its status, or 128 and the signal that ended it. */
static int in_box(const struct at_sandbox *box, int (*deed)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct at_why why;
        if (at_sandbox_enter(box, &why))
            _exit(REFUSED_ALL);
        _exit(deed());
    }
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const char *const a_file[] = {"in"};
static const char *const an_output[] = {"out/tape"};
static const struct at_sandbox reader = {.mode = AT_SANDBOX_REQUIRE, .reads = a_file, .n_reads = 1};
static const struct at_sandbox writer = {
    .mode = AT_SANDBOX_REQUIRE, .reads = a_file, .n_reads = 1, .writes = an_output, .n_writes = 1};

static int nothing(void)
{
    return 0;
}

/* Skips a test where there is no sandbox to be had; a build with sanitizers has none, and says so when one is required.
 */
static void need_sandbox(void)
{
#ifdef AT_SANITIZED
    assert_int_equal(in_box(&reader, nothing), REFUSED_ALL);
    skip();
#endif
    if (in_box(&reader, nothing) == REFUSED_ALL)
        skip();
}

static int enter(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '.'), ".XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) || mkdir("out", 0700) || mkdir("other", 0700))
        return -1;
    int fd = open("in", O_WRONLY | O_CREAT, 0600), other = open("secret", O_WRONLY | O_CREAT, 0600);
    return close(fd) || close(other);
}

static int leave(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") || system(command);
}

/* ---- What ends the process */

static int runs_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}
static int forks(void)
{
    return fork() < 0 ? errno : 0;
}
static int forks_by_number(void)
{
    return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0) < 0 ? errno : 0;
}
static int traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
}
static int becomes_another(void)
{
    return setuid(0) ? errno : 0;
}
static int makes_a_ring(void)
{
    return syscall(425 /* io_uring_setup */, 1, NULL) < 0 ? errno : 0;
}

static void deadly_calls(void **state)
{
    static int (*const deeds[])(void) = {runs_a_program, forks_by_number, traces, becomes_another, makes_a_ring};
    (void)state;
    need_sandbox();
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        assert_int_equal(in_box(&reader, deeds[i]), 128 + SIGSYS);
    const int status = in_box(&reader, forks); /* by clone; a libc that uses clone3 is told that there is none */
    assert_true(status == 128 + SIGSYS || status == ENOSYS);
}

/* ---- What is refused */

static int opens_a_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}
static int makes_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}
static int signals_its_parent(void)
{
    return kill(getppid(), 0) ? errno : 0;
}
static int reads_a_secret(void)
{
    return open("secret", O_RDONLY) < 0 ? errno : 0;
}
static int writes_what_it_reads(void)
{
    return open("in", O_WRONLY) < 0 ? errno : 0;
}
static int makes_a_file_elsewhere(void)
{
    return open("other/new", O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
}
static int makes_a_file_beside(void)
{
    return open("out/new", O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0;
}
static int removes_its_input(void)
{
    return unlink("in") ? errno : 0;
}
static int changes_modes(void)
{
    return chmod("in", 0666) ? errno : 0;
}

static void refused_calls(void **state)
{
    (void)state;
    need_sandbox();
    assert_int_equal(in_box(&reader, opens_a_socket), EACCES);
    assert_int_equal(in_box(&reader, makes_code), EACCES);
    assert_int_equal(in_box(&reader, signals_its_parent), ENOSYS);
    assert_int_equal(in_box(&reader, changes_modes), ENOSYS);
    assert_int_equal(in_box(&reader, makes_a_file_beside), ENOSYS); /* a reader makes none anywhere */
    assert_int_equal(in_box(&reader, removes_its_input), ENOSYS);
}

static void other_files(void **state)
{
    (void)state;
    need_sandbox();
    assert_int_equal(in_box(&reader, reads_a_secret), EACCES);
    assert_int_equal(in_box(&writer, reads_a_secret), EACCES);
    assert_int_equal(in_box(&writer, writes_what_it_reads), EACCES);
    assert_int_equal(in_box(&writer, makes_a_file_elsewhere), EACCES);
    assert_int_equal(in_box(&writer, removes_its_input), EACCES);
}

/* ---- What works */

static int reads_its_input(void)
{
    char byte;
    int fd = open("in", O_RDONLY);
    return fd < 0 || read(fd, &byte, 1) != 0;
}
static int renames_into_place(void)
{
    struct at_output *o = NULL;
    struct at_why why;
    enum at_err err = at_output_open("out/tape", &o, &why);
    err = err ? err : at_output_write(o, "x", 1, &why);
    err = err ? err : at_output_commit(o, &why);
    at_output_close(&o);
    return (int)err;
}
static int puts_aside(void)
{
    return link("out/tape", "out/aside") || unlink("out/tape");
}
static void *adds(void *number)
{
    ++*(int *)number;
    return NULL;
}
static int starts_threads(void)
{
    pthread_t thread;
    int number = 41;
    return pthread_create(&thread, NULL, adds, &number) || pthread_join(thread, NULL) || number != 42;
}
static int gives_up(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}
static int has_no_capability(void)
{
    char line[200];
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long long effective = 1;
    while (f && fgets(line, sizeof line, f))
        (void)sscanf(line, "CapEff: %llx", &effective);
    return (effective & ~(1ull << 1 | 1ull << 2 | 1ull << 3)) != 0;
}

static void what_is_needed(void **state)
{
    static const char *const status[] = {"in", "/proc"};
    struct at_sandbox curious = reader;
    (void)state;
    need_sandbox();
    assert_int_equal(in_box(&reader, reads_its_input), 0);
    assert_int_equal(in_box(&writer, reads_its_input), 0);
    assert_int_equal(in_box(&writer, renames_into_place), 0);
    assert_int_equal(in_box(&writer, puts_aside), 0);
    assert_int_equal(in_box(&reader, starts_threads), 0);
    assert_int_equal(in_box(&reader, gives_up), 128 + SIGABRT);
    curious.reads = status;
    curious.n_reads = 2;
    assert_int_equal(in_box(&curious, has_no_capability), 0);
}

static int connects(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}
static int binds(void)
{
    struct sockaddr a = {.sa_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return bind(fd, &a, sizeof(struct sockaddr)) ? errno : 0;
}

static void connections(void **state)
{
    struct at_sandbox caller = reader;
    (void)state;
    need_sandbox();
    caller.may = AT_MAY_CONNECT;
    assert_int_equal(in_box(&caller, connects), 0);
    assert_int_equal(in_box(&caller, runs_a_program), 128 + SIGSYS);
    if (at_landlock_version() >= 4)
        assert_int_equal(in_box(&caller, binds), EACCES);
}

static void off_is_off(void **state)
{
    const struct at_sandbox none = {.mode = AT_SANDBOX_OFF};
    (void)state;
    assert_int_equal(in_box(&none, opens_a_socket), 0);
    assert_int_equal(in_box(&none, reads_a_secret), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deadly_calls, enter, leave),
        cmocka_unit_test_setup_teardown(refused_calls, enter, leave),
        cmocka_unit_test_setup_teardown(other_files, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_needed, enter, leave),
        cmocka_unit_test_setup_teardown(connections, enter, leave),
        cmocka_unit_test_setup_teardown(off_is_off, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
