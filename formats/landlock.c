/* landlock.c: which files may be opened, by the kernel's Landlock; see landlock(7). No library has a part in it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/sandbox.h"

/* Of linux/landlock.h, which may be older than the kernel. The numbers are the same on every architecture. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

#define MAY_WRITE_FILE (1ull << 1)
#define MAY_READ_FILE (1ull << 2)
#define MAY_READ_DIR (1ull << 3)
#define MAY_REMOVE_FILE (1ull << 5)
#define MAY_MAKE_REG (1ull << 8)
#define MAY_TRUNCATE (1ull << 14) /* version 3 */
#define NET_BIND_TCP (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* Every right that the version knows of is taken away; rules give some of them back. */
static uint64_t all_rights(int version)
{
    static const int bits[] = {13, 14, 15, 15, 16}; /* as of version 1, 2 … */
    const int known = (int)(sizeof bits / sizeof bits[0]);
    return (1ull << bits[(version < known ? version : known) - 1]) - 1;
}

int at_landlock_version(void)
{
    long version = syscall(CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* What is not there needs no rule: opening it fails, and says why. */
static void allow(int ruleset, uint64_t handled, const char *path, uint64_t rights)
{
    struct stat st;
    struct path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0)
        return;
    if (!fstat(rule.parent_fd, &st)) {
        if (!S_ISDIR(st.st_mode))
            rights &= MAY_READ_FILE | MAY_WRITE_FILE | MAY_TRUNCATE;
        rule.allowed_access = rights & handled;
        (void)syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0u);
    }
    close(rule.parent_fd);
}

/* A file takes its name when it is whole, and is renamed when it is full: the folder has to take files. */
static void allow_output(int ruleset, uint64_t handled, const char *path)
{
    const uint64_t rights =
        MAY_WRITE_FILE | MAY_READ_FILE | MAY_READ_DIR | MAY_REMOVE_FILE | MAY_MAKE_REG | MAY_TRUNCATE;
    char *real = realpath(path, NULL); /* behind a symbolic link: where the file is */
    const char *const names[] = {path, real};
    allow(ruleset, handled, path, MAY_WRITE_FILE | MAY_READ_FILE);
    for (size_t i = 0; i < 2 && names[i]; i++) {
        const char *slash = strrchr(names[i], '/');
        char *folder = slash ? strndup(names[i], (size_t)(slash - names[i]) + 1) : strdup(".");
        if (folder)
            allow(ruleset, handled, folder, rights);
        free(folder);
    }
    free(real);
}

/* Names of hosts, certificates, and the libraries that look the former up. */
static void allow_names(int ruleset, uint64_t handled)
{
    static const char *const folders[] = {"/etc",
                                          "/lib",
                                          "/lib64",
                                          "/usr/lib",
                                          "/usr/lib64",
                                          "/usr/share",
                                          "/run/systemd/resolve",
                                          "/run/resolvconf",
                                          "/run/NetworkManager"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        allow(ruleset, handled, folders[i], MAY_READ_FILE | MAY_READ_DIR);
}

static void allow_all(int ruleset, uint64_t handled, const struct at_sandbox *box)
{
    for (size_t i = 0; i < box->n_reads; i++)
        allow(ruleset, handled, box->reads[i], MAY_READ_FILE | MAY_READ_DIR);
    for (size_t i = 0; i < box->n_writes; i++)
        allow_output(ruleset, handled, box->writes[i]);
    if (box->may & AT_MAY_TEMPORARY) {
        const char *folder = getenv("TMPDIR");
        const uint64_t rights =
            MAY_WRITE_FILE | MAY_READ_FILE | MAY_READ_DIR | MAY_REMOVE_FILE | MAY_MAKE_REG | MAY_TRUNCATE;
        allow(ruleset, handled, folder && *folder ? folder : "/tmp", rights);
        allow(ruleset, handled, "/tmp", rights); /* tmpfile(3) knows no other */
    }
    if (box->may & AT_MAY_NAMES)
        allow_names(ruleset, handled);
    if (box->may & AT_MAY_CAPTURE) { /* libpcap counts an interface's losses there */
        allow(ruleset, handled, "/sys/class/net", MAY_READ_FILE | MAY_READ_DIR);
        allow(ruleset, handled, "/sys/devices", MAY_READ_FILE | MAY_READ_DIR);
    }
    allow(ruleset, handled, "/dev/urandom", MAY_READ_FILE);
    allow(ruleset, handled, "/sys/devices/system/cpu", MAY_READ_FILE | MAY_READ_DIR); /* the number of processors */
}

enum at_err at_landlock_enter(const struct at_sandbox *box, struct at_why *why)
{
    int version = at_landlock_version();
    if (version == 0)
        return at_fail(why, AT_NOTFOUND, "this kernel has no Landlock");
    struct ruleset_attr attr = {.handled_access_fs = all_rights(version)};
    size_t size = sizeof attr.handled_access_fs; /* an older kernel knows less of the structure */
    if (version >= 4) {
        attr.handled_access_net = NET_BIND_TCP | (box->may & AT_MAY_CONNECT ? 0 : NET_CONNECT_TCP);
        size += sizeof attr.handled_access_net;
    }
    if (version >= 6) {
        attr.scoped = 3; /* abstract sockets and signals of other processes */
        size += sizeof attr.scoped;
    }
    int ruleset = (int)syscall(CREATE_RULESET, &attr, size, 0u);
    if (ruleset < 0)
        return at_fail(why, AT_NOTFOUND, "this kernel's Landlock cannot be used: %s", strerror(errno));
    allow_all(ruleset, attr.handled_access_fs, box);
    int failed = (int)syscall(RESTRICT_SELF, ruleset, 0u), error = errno;
    close(ruleset);
    return failed ? at_fail(why, AT_NOTFOUND, "Landlock cannot be used: %s", strerror(error)) : AT_OK;
}
