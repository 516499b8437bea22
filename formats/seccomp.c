/* seccomp.c: which system calls there are, by libseccomp. */
#include "formats/sandbox.h"

#if defined(AT_SECCOMP) && !defined(AT_SANITIZED)

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Three answers. What is listed here works. What only an intruder would try (programs, processes, namespaces, the
 * kernel's inside) ends the process. All else does not exist (ENOSYS): what a later libc tries first, it does without.
 */
static const char *const always[] = {"access",
                                     "brk",
                                     "clock_getres",
                                     "clock_getres_time64",
                                     "clock_gettime",
                                     "clock_gettime64",
                                     "clock_nanosleep",
                                     "clock_nanosleep_time64",
                                     "close",
                                     "close_range",
                                     "dup",
                                     "dup2",
                                     "dup3",
                                     "epoll_create1",
                                     "epoll_ctl",
                                     "epoll_ctl_old",
                                     "epoll_pwait",
                                     "epoll_pwait2",
                                     "epoll_wait",
                                     "eventfd2",
                                     "exit",
                                     "exit_group",
                                     "faccessat",
                                     "faccessat2",
                                     "fadvise64",
                                     "fadvise64_64",
                                     "fcntl",
                                     "fcntl64",
                                     "fstat",
                                     "fstat64",
                                     "fstatat64",
                                     "futex",
                                     "futex_time64",
                                     "getcwd",
                                     "getegid",
                                     "getegid32",
                                     "geteuid",
                                     "geteuid32",
                                     "getgid",
                                     "getgid32",
                                     "getpid",
                                     "getppid",
                                     "getrandom",
                                     "getrlimit",
                                     "getrusage",
                                     "gettid",
                                     "gettimeofday",
                                     "getuid",
                                     "getuid32",
                                     "_llseek",
                                     "lseek",
                                     "lstat",
                                     "lstat64",
                                     "madvise",
                                     "mremap",
                                     "munmap",
                                     "nanosleep",
                                     "newfstatat",
                                     "pipe2",
                                     "poll",
                                     "ppoll",
                                     "ppoll_time64",
                                     "pread64",
                                     "preadv",
                                     "pselect6",
                                     "pselect6_time64",
                                     "read",
                                     "readlink",
                                     "readlinkat",
                                     "readv",
                                     "restart_syscall",
                                     "rseq",
                                     "rt_sigaction",
                                     "rt_sigpending",
                                     "rt_sigprocmask",
                                     "rt_sigreturn",
                                     "rt_sigsuspend",
                                     "rt_sigtimedwait",
                                     "rt_sigtimedwait_time64",
                                     "sched_getaffinity",
                                     "sched_yield",
                                     "select",
                                     "set_robust_list",
                                     "set_tid_address",
                                     "sigaltstack",
                                     "sigreturn",
                                     "stat",
                                     "stat64",
                                     "statx",
                                     "sysinfo",
                                     "time",
                                     "times",
                                     "ugetrlimit",
                                     "uname",
                                     "write",
                                     "writev",
                                     NULL};

static const char *const for_outputs[] = {"fallocate", "fchmod",      "fdatasync", "flock",    "fsync",
                                          "ftruncate", "ftruncate64", "link",      "linkat",   "open",
                                          "openat",    "pwrite64",    "pwritev",   "rename",   "renameat",
                                          "renameat2", "umask",       "unlink",    "unlinkat", NULL};

/* Sockets that were opened before. */
static const char *const for_sockets[] = {"accept", "accept4",    "getpeername", "getsockname",     "getsockopt",
                                          "recv",   "recvfrom",   "recvmmsg",    "recvmmsg_time64", "recvmsg",
                                          "send",   "sendfile",   "sendfile64",  "sendmmsg",        "sendmsg",
                                          "sendto", "setsockopt", "shutdown",    "socketpair",      NULL};

static const char *const for_connections[] = {"bind", "connect", "socket", NULL};

static const char *const deadly[] = {"_sysctl",
                                     "acct",
                                     "add_key",
                                     "adjtimex",
                                     "bpf",
                                     "capset",
                                     "chroot",
                                     "clock_adjtime",
                                     "clock_settime",
                                     "create_module",
                                     "delete_module",
                                     "execve",
                                     "execveat",
                                     "fanotify_init",
                                     "finit_module",
                                     "fork",
                                     "fsconfig",
                                     "fsmount",
                                     "fsopen",
                                     "fspick",
                                     "init_module",
                                     "io_uring_enter",
                                     "io_uring_register",
                                     "io_uring_setup",
                                     "ioperm",
                                     "iopl",
                                     "kcmp",
                                     "kexec_file_load",
                                     "kexec_load",
                                     "keyctl",
                                     "lookup_dcookie",
                                     "mknod",
                                     "mknodat",
                                     "modify_ldt",
                                     "mount",
                                     "mount_setattr",
                                     "move_mount",
                                     "move_pages",
                                     "name_to_handle_at",
                                     "nfsservctl",
                                     "open_by_handle_at",
                                     "open_tree",
                                     "perf_event_open",
                                     "personality",
                                     "pidfd_getfd",
                                     "pivot_root",
                                     "process_madvise",
                                     "process_vm_readv",
                                     "process_vm_writev",
                                     "ptrace",
                                     "quotactl",
                                     "quotactl_fd",
                                     "reboot",
                                     "request_key",
                                     "setdomainname",
                                     "setfsgid",
                                     "setfsuid",
                                     "setgid",
                                     "setgroups",
                                     "sethostname",
                                     "setns",
                                     "setregid",
                                     "setresgid",
                                     "setresuid",
                                     "setreuid",
                                     "settimeofday",
                                     "setuid",
                                     "stime",
                                     "swapoff",
                                     "swapon",
                                     "syslog",
                                     "umount",
                                     "umount2",
                                     "unshare",
                                     "userfaultfd",
                                     "uselib",
                                     "vfork",
                                     "vhangup",
                                     NULL};

/* Adds a rule for a call by its name; one that this machine or this library does not have is left out. */
static int rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n, const struct scmp_arg_cmp *args)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0;
    int rc = seccomp_rule_add_array(ctx, action, number, n, args);
    return rc == -EDOM || rc == -EINVAL ? 0 : rc;
}

static int rules(scmp_filter_ctx ctx, uint32_t action, const char *const *names)
{
    int rc = 0;
    for (; !rc && *names; names++)
        rc = rule(ctx, action, *names, 0, NULL);
    return rc;
}

/* The call, when argument `arg` has the bits of `mask` (for `other`: one bit) as in `value`; else `other`, if not 0. */
static int rule_bits(scmp_filter_ctx ctx, const char *name, unsigned arg, uint64_t mask, uint64_t value, uint32_t other)
{
    const struct scmp_arg_cmp is = {.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value},
                              is_not = {
                                  .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = mask & ~value};
    int rc = rule(ctx, SCMP_ACT_ALLOW, name, 1, &is);
    return rc || !other ? rc : rule(ctx, other, name, 1, &is_not);
}

/* Threads, but no processes; clone3 cannot be looked into, and libc does without. */
static int thread_rules(scmp_filter_ctx ctx)
{
#if defined(__s390__) || defined(__CRIS__)
    const unsigned flags = 1;
#else
    const unsigned flags = 0;
#endif
    return rule_bits(ctx, "clone", flags, CLONE_THREAD, CLONE_THREAD, SCMP_ACT_KILL_PROCESS);
}

/* No memory becomes code, unless libraries are still to come. */
static int memory_rules(scmp_filter_ctx ctx, bool libraries)
{
    static const char *const names[] = {"mmap", "mmap2", "mprotect"};
    int rc = 0;
    for (size_t i = 0; i < 3 && !rc; i++)
        rc = libraries ? rule(ctx, SCMP_ACT_ALLOW, names[i], 0, NULL)
                       : rule_bits(ctx, names[i], 2, PROT_EXEC, 0, SCMP_ACT_ERRNO(EACCES));
    return rc;
}

/* Signals to itself: abort() sends one. Limits of itself. */
static int self_rules(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp self = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()},
                              none = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0};
    int rc = rule(ctx, SCMP_ACT_ALLOW, "tgkill", 1, &self);
    rc = rc ? rc : rule(ctx, SCMP_ACT_ALLOW, "kill", 1, &self);
    return rc ? rc : rule(ctx, SCMP_ACT_ALLOW, "prlimit64", 1, &none);
}

/* Is it a terminal, how wide is it, how much can be read; for captures: is the interface still there. */
static int ioctl_rules(scmp_filter_ctx ctx, unsigned may)
{
    static const uint64_t requests[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, 0x8913 /* SIOCGIFFLAGS */};
    size_t n = may & AT_MAY_CAPTURE ? 5 : 4;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = rule_bits(ctx, "ioctl", 1, UINT32_MAX, requests[i], 0);
    return rc;
}

static int file_rules(scmp_filter_ctx ctx, const struct at_sandbox *box)
{
    int rc;
    if (box->n_writes || box->may & AT_MAY_TEMPORARY)
        return rules(ctx, SCMP_ACT_ALLOW, for_outputs);
    rc = rule_bits(ctx, "openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, 0);
    return rc ? rc : rule_bits(ctx, "open", 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, 0);
}

static int socket_rules(scmp_filter_ctx ctx, unsigned may)
{
    int rc = 0;
    if (may & (AT_MAY_CAPTURE | AT_MAY_SERVE | AT_MAY_CONNECT))
        rc = rules(ctx, SCMP_ACT_ALLOW, for_sockets);
    if (!rc && may & AT_MAY_CONNECT)
        return rules(ctx, SCMP_ACT_ALLOW, for_connections);
    rc = rc ? rc : rule(ctx, SCMP_ACT_ERRNO(EACCES), "socket", 0, NULL);
    return rc ? rc : rule(ctx, SCMP_ACT_ERRNO(EACCES), "connect", 0, NULL);
}

static int all_rules(scmp_filter_ctx ctx, const struct at_sandbox *box)
{
    int rc = rules(ctx, SCMP_ACT_ALLOW, always);
    rc = rc ? rc : rules(ctx, SCMP_ACT_KILL_PROCESS, deadly);
    rc = rc ? rc : thread_rules(ctx);
    rc = rc ? rc : memory_rules(ctx, box->may & AT_MAY_NAMES);
    rc = rc ? rc : self_rules(ctx);
    rc = rc ? rc : ioctl_rules(ctx, box->may);
    rc = rc ? rc : file_rules(ctx, box);
    return rc ? rc : socket_rules(ctx, box->may);
}

enum at_err at_seccomp_enter(const struct at_sandbox *box, struct at_why *why)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int rc = ctx ? 0 : -ENOMEM;
    (void)(ctx && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2)); /* a tree instead of a list; old ones cannot */
    rc = rc ? rc : seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    rc = rc ? rc : all_rules(ctx, box);
    rc = rc ? rc : seccomp_load(ctx);
    seccomp_release(ctx);
    return rc ? at_fail(why, AT_NOTFOUND, "seccomp cannot be used: %s", strerror(-rc)) : AT_OK;
}

#else

enum at_err at_seccomp_enter(const struct at_sandbox *box, struct at_why *why)
{
    (void)box;
    return at_fail(why, AT_NOTFOUND, "this build has no seccomp (libseccomp was not there)");
}

#endif
