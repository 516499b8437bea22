/*
 * intruder.c: zlib taken over, by LD_PRELOAD: the first call of inflate or deflate does what AT_INTRUDER says, as code
 * would that came with a tape. What becomes of it is written to standard error.
 *   run      starts a program            socket   opens a socket            read:FILE   opens a file
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int intrude(void)
{
    const char *what = getenv("AT_INTRUDER");
    int rc = -1;
    if (!what)
        return -3;
    if (!strcmp(what, "run"))
        rc = execl("/bin/echo", "echo", "the intruder ran a program", (char *)NULL);
    else if (!strcmp(what, "socket"))
        rc = socket(AF_INET, SOCK_STREAM, 0);
    else if (!strncmp(what, "read:", 5))
        rc = open(what + 5, O_RDONLY);
    dprintf(STDERR_FILENO, "intruder: %s\n", rc < 0 ? strerror(errno) : "done");
    _exit(0);
}

int inflate(void *stream, int flush)
{
    (void)stream, (void)flush;
    return intrude();
}

int deflate(void *stream, int flush)
{
    (void)stream, (void)flush;
    return intrude();
}
