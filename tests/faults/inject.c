/*
 * inject.c: a disk that fails, by LD_PRELOAD. AT_FAULT=NAME[:AFTER]: after AFTER calls of that kind,
 *   write-short   every write writes half (at least a byte)      write-eio, write-enospc   writes fail
 *   read-short    every read reads 7 bytes at most                read-eio                  reads fail
 *   sync-eio      fsync and fdatasync fail                       rename-eio                likewise
 * Standard error is left alone, so that messages come through.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long calls;

/* True when this call of `kind` has to go wrong. */
static int hit(const char *kind)
{
    const char *fault = getenv("AT_FAULT");
    size_t n = strlen(kind);
    if (!fault || strncmp(fault, kind, n) != 0 || (fault[n] && fault[n] != ':'))
        return 0;
    return ++calls > (fault[n] ? atol(fault + n + 1) : 0);
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "write");
    if (fd == STDERR_FILENO)
        return real(fd, data, len);
    if (hit("write-eio"))
        return fail_with(EIO);
    if (hit("write-enospc"))
        return fail_with(ENOSPC);
    return real(fd, data, hit("write-short") && len > 1 ? len / 2 : len);
}

ssize_t read(int fd, void *data, size_t len)
{
    static ssize_t (*real)(int, void *, size_t);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "read");
    if (hit("read-eio"))
        return fail_with(EIO);
    return real(fd, data, hit("read-short") && len > 7 ? 7 : len);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "fsync");
    return hit("sync-eio") ? fail_with(EIO) : real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "fdatasync");
    return hit("sync-eio") ? fail_with(EIO) : real(fd);
}

int rename(const char *from, const char *to)
{
    static int (*real)(const char *, const char *);
    if (!real)
        *(void **)(&real) = dlsym(RTLD_NEXT, "rename");
    return hit("rename-eio") ? fail_with(EIO) : real(from, to);
}
