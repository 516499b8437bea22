/* limits.h: the options that record and messages share: limits of the decoder, and of the capture. Private. */
#ifndef AUTHTAPE_LIMITS_H
#define AUTHTAPE_LIMITS_H

#include "tracer/tracer.h"

struct at_limits {
    struct at_capture_options *capture;
    struct at_decoder_options *decoder;
    const char *drop_to; /* --drop-to */
    const char *ledger;  /* --ledger */
};

/* name, argument, help. Their ids start at AT_LIMIT_FIRST, so that they fit behind those of any command. */
#define AT_LIMIT_FIRST 1000
#define AT_LIMIT_MAP(X)                                                                                                \
    X(MEMORY, "memory", "BYTES", "memory for all connections together (default: 256M)")                                \
    X(FLOW_MEMORY, "flow-memory", "BYTES",                                                                             \
      "of it, for packets of one direction that wait for one missing\n(default: 4M)")                                  \
    X(MESSAGE_SIZE, "message-size", "BYTES", "the largest message, decompressed (default: 16M)")                       \
    X(RATIO, "ratio", "N", "how much a message over 1M may grow by decompression (default: 256)")                      \
    X(NESTING, "nesting", "N", "content encodings on top of each other, 8 at most (default: 4)")                       \
    X(FRAGMENT_MEMORY, "fragment-memory", "BYTES", "memory for IP fragments (default: 4M)")                            \
    X(GAP_MS, "gap-ms", "N", "give up missing bytes after this long (default: 3000)")                                  \
    X(REORDER_MS, "reorder-ms", "N",                                                                                   \
      "and those that were acknowledged, so that they will not come again,\nafter this long (default: 100)")           \
    X(IDLE_S, "idle-s", "N", "forget a silent connection after this long (default: 3600)")                             \
    X(OVERLAP, "overlap", "first|last",                                                                                \
      "which of two TCP segments counts where they differ: first or last\n(default: first)")                           \
    X(IMMEDIATE, "immediate", NULL, "live: get each packet at once, not in blocks")                                    \
    X(DROP_TO, "drop-to", "USER", "live: become this user once the interfaces are open (default: who ran sudo)")       \
    X(LEDGER, "ledger", "OUT", "write to OUT, in JSON, what was read and lost in all (- is standard error)")

enum at_limit_id {
    AT_LIMIT_BEFORE = AT_LIMIT_FIRST - 1,
#define X(id, name, arg, help) AT_LIMIT_##id,
    AT_LIMIT_MAP(X)
#undef X
};

/* Rows for a table of options. */
#define AT_LIMIT_ROW(id, name, arg, help)                                                                              \
    {name, AT_LIMIT_##id == AT_LIMIT_DROP_TO ? 'Z' : 0, arg, AT_LIMIT_##id, help}, /* -Z: as tcpdump's */

/* Takes the option that at_cli_next just gave. False after a message was printed. */
bool at_limit_take(const struct at_cli *cli, int id, struct at_limits *limits);

/*
 * Gives up root for good: `user`, or without one whoever ran sudo; nothing is done where neither is known, or without
 * root. `*became` (may be NULL) is the user's name, as long as `user` or the environment lives; NULL: nobody else.
 * AT_NOTFOUND, AT_IO with why.
 */
AT_MUST_USE enum at_err at_drop_privileges(const char *user, const char **became, struct at_why *why);

/* Appends all lines of the ledger that are not zero, as "N what\n". */
AT_MUST_USE enum at_err at_ledger_lines(const struct at_ledger *l, struct at_buf *out);
/* Appends the ledger as one JSON object of all its counters. */
AT_MUST_USE enum at_err at_ledger_json(const struct at_ledger *l, struct at_buf *out);
/*
 * Writes the ledger to the file (or, for "-", to standard error), as JSON and a line end. Without a name
 * nothing is done. AT_IO with why.
 */
AT_MUST_USE enum at_err at_ledger_write(const struct at_ledger *l, const char *path, struct at_why *why);
/* Appends what was lost or is doubtful, in one line without its end; nothing where nothing was. */
AT_MUST_USE enum at_err at_ledger_losses(const struct at_ledger *l, struct at_buf *out);

#endif
