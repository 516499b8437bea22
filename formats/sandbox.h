/* sandbox.h: the two halves of the sandbox. Private to formats; what is offered is in formats.h. */
#ifndef AUTHTAPE_FORMATS_SANDBOX_H
#define AUTHTAPE_FORMATS_SANDBOX_H

#include "formats/formats.h"

/* A build with sanitizers has no sandbox: they read /proc, write reports and map memory when and where they like. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define AT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define AT_SANITIZED 1
#endif
#endif

/* landlock.c: from now on only these files, by raw system calls. AT_NOTFOUND: the kernel has no Landlock. */
AT_MUST_USE enum at_err at_landlock_enter(const struct at_sandbox *box, struct at_why *why);
/* The version of the kernel's Landlock interface; 0: it has none. */
int at_landlock_version(void);

/* seccomp.c: from now on only these system calls. AT_NOTFOUND: the build or the kernel has no seccomp. */
AT_MUST_USE enum at_err at_seccomp_enter(const struct at_sandbox *box, struct at_why *why);

#endif
