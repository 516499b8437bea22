/* output.c: whole files written under a temporary name, whole files read, writes that say what failed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/output.h"

#define NAME_TRIES 100
#define NAME_PART_BYTES 200 /* of a file's name in the temporary one: a name has at most 255 bytes */

struct at_output {
    int fd;
    bool standard_output;
    char *temporary; /* NULL: written in place (standard output, a pipe, a device) */
    char *path;      /* what `temporary` becomes */
    FILE *held;      /* standard output until the commit; NULL: not held */
};

enum at_err at_write_all(int fd, const void *data, size_t len, struct at_why *why)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return at_fail(why, AT_CLOSED, "closed by its reader");
        if (n < 0)
            return at_fail(why, AT_IO, "cannot write: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
    return AT_OK;
}

/* "DIR/.NAME.PID-N.tmp" beside `path`, so that the rename stays within the file system. */
static enum at_err open_temporary(struct at_output *o, struct at_why *why)
{
    size_t room = strlen(o->path) + 40;
    const char *slash = strrchr(o->path, '/');
    const char *name = slash ? slash + 1 : o->path;
    o->temporary = malloc(room);
    if (!o->temporary)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    for (int i = 0; i < NAME_TRIES; i++) {
        snprintf(o->temporary, room, "%.*s.%.*s.%ld-%d.tmp", (int)(name - o->path), o->path, NAME_PART_BYTES, name,
                 (long)getpid(), i);
        o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd >= 0 || errno != EEXIST)
            break;
    }
    if (o->fd >= 0)
        return AT_OK;
    at_fail(why, AT_IO, "cannot create: %s", strerror(errno));
    free(o->temporary);
    o->temporary = NULL;
    return AT_IO;
}

/* A regular file (or none yet) is replaced as a whole; anything else is written as it is. */
static enum at_err open_path(struct at_output *o, const char *path, struct at_why *why)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    if (!*path)
        return at_fail(why, AT_IO, "cannot create: %s", strerror(ENOENT));
    if (there && S_ISDIR(st.st_mode))
        return at_fail(why, AT_IO, "cannot create: %s", strerror(EISDIR));
    if (there && !S_ISREG(st.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        return o->fd >= 0 ? AT_OK : at_fail(why, AT_IO, "cannot open: %s", strerror(errno));
    }
    if (there && access(path, W_OK))
        return at_fail(why, AT_IO, "cannot write: %s", strerror(errno));
    o->path = there ? realpath(path, NULL) : strdup(path); /* behind a symbolic link: the file, not the link */
    if (!o->path)
        return at_fail(why, AT_IO, "cannot create: %s", strerror(errno));
    enum at_err err = open_temporary(o, why);
    if (!err && there && fchmod(o->fd, st.st_mode & 07777)) {
        /* another owner's file: the mode of a new one will do */
    }
    return err;
}

enum at_err at_output_open(const char *path, struct at_output **out, struct at_why *why)
{
    struct at_output *o = calloc(1, sizeof *o);
    *out = NULL;
    if (!o)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    o->fd = -1;
    o->standard_output = !strcmp(path, "-");
    enum at_err err = AT_OK;
    if (o->standard_output)
        o->fd = STDOUT_FILENO;
    else
        err = open_path(o, path, why);
    if (err)
        at_output_close(&o);
    *out = o;
    return err;
}

enum at_err at_output_hold(struct at_output *o, struct at_why *why)
{
    if (o->temporary)
        return AT_OK;
    o->held = tmpfile();
    return o->held ? AT_OK : at_fail(why, AT_IO, "cannot create a temporary file: %s", strerror(errno));
}

enum at_err at_output_write(struct at_output *o, const void *data, size_t len, struct at_why *why)
{
    return at_write_all(o->held ? fileno(o->held) : o->fd, data, len, why);
}

static enum at_err release(struct at_output *o, struct at_why *why)
{
    char room[64 * 1024];
    ssize_t n;
    enum at_err err = AT_OK;
    if (lseek(fileno(o->held), 0, SEEK_SET) < 0)
        return at_fail(why, AT_IO, "cannot read the temporary file: %s", strerror(errno));
    while (!err && (n = read(fileno(o->held), room, sizeof room)) != 0) {
        if (n < 0 && errno != EINTR)
            return at_fail(why, AT_IO, "cannot read the temporary file: %s", strerror(errno));
        if (n > 0)
            err = at_write_all(o->fd, room, (size_t)n, why);
    }
    return err;
}

enum at_err at_sync_folder(const char *path, struct at_why *why)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return AT_OK; /* a folder that cannot be read cannot be synced; the file itself was */
    int failed = fsync(fd) && errno != EINVAL && errno != EROFS;
    int error = errno;
    close(fd);
    return failed ? at_fail(why, AT_IO, "cannot sync the folder: %s", strerror(error)) : AT_OK;
}

enum at_err at_output_commit(struct at_output *o, struct at_why *why)
{
    if (!o->temporary)
        return o->held ? release(o, why) : AT_OK;
    if (fsync(o->fd))
        return at_fail(why, AT_IO, "cannot sync: %s", strerror(errno));
    int failed = close(o->fd);
    o->fd = -1;
    if (failed)
        return at_fail(why, AT_IO, "cannot close: %s", strerror(errno));
    if (rename(o->temporary, o->path))
        return at_fail(why, AT_IO, "cannot rename: %s", strerror(errno));
    free(o->temporary);
    o->temporary = NULL;
    return at_sync_folder(o->path, why);
}

void at_output_close(struct at_output **out)
{
    struct at_output *o = *out;
    if (!o)
        return;
    if (o->fd >= 0 && !o->standard_output)
        close(o->fd);
    if (o->temporary)
        unlink(o->temporary);
    if (o->held)
        fclose(o->held);
    free(o->temporary);
    free(o->path);
    free(o);
    *out = NULL;
}

enum at_err at_read_file(const char *path, size_t cap_bytes, struct at_buf *out, struct at_why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum at_err err = AT_OK;
    *out = (struct at_buf){0};
    if (fd < 0)
        return at_fail(why, AT_IO, "cannot open: %s", strerror(errno));
    for (;;) {
        err = at_buf_reserve(out, (size_t)64 * 1024);
        if (err)
            break;
        ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = at_fail(why, AT_IO, "cannot read: %s", strerror(errno));
        if (n <= 0)
            break;
        out->len += (size_t)n;
        if (out->len > cap_bytes) {
            err = at_fail(why, AT_LIMIT, "larger than %zu bytes", cap_bytes);
            break;
        }
    }
    close(fd);
    if (err)
        at_buf_free(out);
    return err;
}
