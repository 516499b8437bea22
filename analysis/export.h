/* export.h: recordings for other programs. Private to analysis. */
#ifndef AUTHTAPE_EXPORT_H
#define AUTHTAPE_EXPORT_H

#include "replay/replay.h"

/* Where events and findings go; each function may be NULL. The views are valid during the call. */
struct exporter {
    void *ctx;
    enum at_err (*event)(void *ctx, const struct at_event *ev, uint64_t index);
    enum at_err (*settled)(void *ctx, const struct at_settled *s);
    enum at_err (*inferred)(void *ctx, const struct at_inferred *i);
    enum at_err (*divergence)(void *ctx, const struct at_divergence *d);
    /* All is said: makes the file whole, in its place. */
    enum at_err (*finish)(void *ctx, struct at_why *why);
    void (*close)(void *ctx);
    struct at_why why; /* of a failure of the functions above */
};

AT_MUST_USE enum at_err export_perfetto(const char *path, struct exporter *out);
/* AT_NOTFOUND where the program was built without SQLite. */
AT_MUST_USE enum at_err export_sqlite(const char *path, struct exporter *out);

#endif
