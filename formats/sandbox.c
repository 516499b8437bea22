/* sandbox.c: the process gives up what it does not need any more. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/sandbox.h"

/*
 * No capability is left; one of root's processes keeps those that let it reach its own files, which Landlock bounds.
 * The bounding set needs no care: without new privileges no program gets any.
 */
static enum at_err drop_capabilities(struct at_why *why)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2] = {{0}};
    const uint32_t of_files = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER;
    if (syscall(SYS_capget, &head, now))
        return at_fail(why, AT_IO, "cannot read the capabilities: %s", strerror(errno));
    uint32_t keep = geteuid() == 0 ? now[0].permitted & of_files : 0;
    now[0] = (struct __user_cap_data_struct){.effective = keep, .permitted = keep};
    now[1] = (struct __user_cap_data_struct){0};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, now) ? at_fail(why, AT_IO, "cannot drop the capabilities: %s", strerror(errno))
                                           : AT_OK;
}

enum at_err at_sandbox_enter(const struct at_sandbox *box, struct at_why *why)
{
    bool must = box->mode == AT_SANDBOX_REQUIRE;
    if (box->mode == AT_SANDBOX_OFF)
        return AT_OK;
#ifdef AT_SANITIZED
    return must ? at_fail(why, AT_NOTFOUND, "no sandbox: this build has sanitizers") : AT_OK;
#endif
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return at_fail(why, AT_IO, "no sandbox: %s", strerror(errno));
    enum at_err err = drop_capabilities(why);
    if (err)
        return err;
    err = at_landlock_enter(box, why);
    if (err && must)
        return err;
    err = at_seccomp_enter(box, why);
    return err && must ? err : AT_OK;
}
