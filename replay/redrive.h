/*
 * redrive.h: the calls of a recording against a live host. Private to replay.
 *
 *   recording -> plan (redrive_plan.c) -> driver (redrive_drive.c) -> events of now -> comparison (redrive_compare.c)
 *
 * The plan, the commands and the driver are pure: they are told what came from the target and what time it is, and say
 * what to send. Only redrive_net.c knows sockets.
 */
#ifndef AUTHTAPE_REPLAY_REDRIVE_H
#define AUTHTAPE_REPLAY_REDRIVE_H

#include "replay/replay.h"

/* -------------------------------------------------------------------------------------------------- Commands ---- */

/* What a target can be told to do besides being called; names as in the file of commands, redrive(5). */
#define RD_COMMAND_MAP(X)                                                                                              \
    X(ALLOW, "allow")                                                                                                  \
    X(DENY, "deny")                                                                                                    \
    X(DISMISS, "dismiss")                                                                                              \
    X(SETTINGS, "settings")                                                                                            \
    X(RESET, "reset")                                                                                                  \
    X(OPEN_PAGE, "open-page")                                                                                          \
    X(CLOSE_PAGE, "close-page")

enum rd_command {
#define X(name, text) RD_##name,
    RD_COMMAND_MAP(X)
#undef X
};
#define RD_COMMANDS 7
const char *rd_command_text(enum rd_command c);

/* What stands for "{scope}" and so on in a command. Absent texts become null. */
struct rd_values {
    struct at_str api, scope, app, user, platform;
    bool granted;
    struct at_str args; /* the text of a JSON object */
};

struct rd_commands;
/* Reads a file of commands on top of the built-in ones; `text` absent: these alone. AT_BAD: why names the place. */
AT_MUST_USE enum at_err rd_commands_parse(struct at_str text, struct rd_commands **out, struct at_why *why);
void rd_commands_free(struct rd_commands **c);
enum rd_command rd_command_of(enum at_answer answer); /* the tap on the dialog */
bool rd_commands_have(const struct rd_commands *c, enum rd_command which);
/* Appends the message that gives the command, or makes the call, with the id `id`. */
AT_MUST_USE enum at_err rd_command_message(const struct rd_commands *c, enum rd_command which,
                                           const struct rd_values *v, uint64_t id, struct at_buf *out);
AT_MUST_USE enum at_err rd_call_message(const struct rd_commands *c, const struct rd_values *v, uint64_t id,
                                        struct at_buf *out);
/* The address of the target with {user}, {app} and {platform} filled in, percent-encoded (RFC 3986). */
AT_MUST_USE enum at_err rd_address(struct at_str target, const struct rd_values *v, struct at_buf *out);
bool rd_address_tells_user(struct at_str target);

/* ------------------------------------------------------------------------------------------------------ Plan ---- */

/* A call of the recording, and its answer. */
struct rd_call {
    const struct at_event *call, *ret; /* ret: NULL where it was never answered */
    uint64_t event, ret_event;
    uint32_t key, stream;
    enum at_api_kind kind;
};

enum rd_step_kind {
    RD_STEP_CALL,   /* make the call */
    RD_STEP_AWAIT,  /* its answer came before what follows */
    RD_STEP_DECIDE, /* answer the prompt that is up */
    RD_STEP_FLIP,   /* flip a switch of the settings page */
    RD_STEP_RESET,  /* remove the records of authorization */
};

struct rd_step {
    enum rd_step_kind kind;
    uint32_t stream, call; /* number of the stream; of the call (CALL, AWAIT) */
    enum at_answer answer;
    struct at_str scope; /* of a flip; of a decision where it is known */
    bool granted;
    bool on_page;   /* a flip: an openSetting of the recording was open */
    bool inferred;  /* was not on the tape: the reference machine says that it happened */
    uint64_t event; /* the one that it stands for, or after which it happened */
    int64_t t_us;
};

struct rd_key {
    struct at_str app, user, platform;
    struct rd_step *steps; /* in the order of the recording */
    size_t n_steps, cap_steps;
    uint32_t first_stream; /* commands that belong to no stream are given here */
};

struct rd_stream {
    struct at_str name;
    uint32_t key;
};

/* A recording, as it is to be driven again. */
struct rd_plan {
    struct at_event **events;
    size_t n_events;
    struct rd_call *calls;
    size_t n_calls;
    struct rd_key *keys;
    size_t n_keys;
    struct rd_stream *streams; /* one for every connection and key */
    size_t n_streams;
    int64_t first_us;
    uint64_t left_out;      /* calls that have nothing to do with authorization */
    uint64_t divergences;   /* of the recording */
    struct rd_found *found; /* … those about a call */
    size_t n_found;
    uint64_t needs[RD_COMMANDS]; /* how often each command is needed */
    uint64_t needs_page;         /* flips with no openSetting open: the page must be opened by a command */
};

/* A divergence of the recording that is about a call. */
struct rd_found {
    uint32_t call; /* in the plan */
    enum at_divergence_class cls;
    size_t text; /* offset of the explanation in `texts` */
};

#define RD_EVENTS_MAX 2000000u
/* Collects a recording: events in order, then the end, which works out the steps. */
struct rd_planner;
AT_MUST_USE enum at_err rd_planner_new(const struct at_profile *profile, const struct at_check_options *options,
                                       struct rd_planner **out);
AT_MUST_USE enum at_err rd_planner_event(struct rd_planner *p, const struct at_event *ev); /* AT_LIMIT */
AT_MUST_USE enum at_err rd_planner_finish(struct rd_planner *p, const struct rd_plan **out);
const char *rd_planner_text(const struct rd_planner *p, size_t offset);
void rd_planner_free(struct rd_planner **p);

/* ---------------------------------------------------------------------------------------------------- Driver ---- */

struct rd_limits {
    double speed;        /* 1: as recorded; 0: as fast as the order allows */
    int64_t timeout_us;  /* for an answer, a handshake, a command */
    int64_t patience_us; /* after this long without an answer a prompt that the recording did not have may be up */
    unsigned retries;    /* new connections in place of a lost one */
    uint32_t copies;     /* users side by side for every user of the recording */
    bool keep_state;     /* no reset before the first call */
};

/* What became of a call of the plan, for one copy of its user. */
enum rd_fate { RD_NOT_DRIVEN, RD_ANSWERED, RD_UNANSWERED };
struct rd_result {
    enum rd_fate fate;
    uint64_t id;          /* of the message that made the call */
    struct at_event *ret; /* its first answer; owned by the driver */
};

struct rd_counts {
    uint64_t connections, reconnects, failed; /* failed: given up */
    uint64_t sent, received;                  /* messages */
    uint64_t garbage;                         /* messages that nothing could be made of */
    uint64_t unknown;                         /* answers to what was never asked */
    uint64_t extra_prompts;                   /* prompts that the recording did not have, answered */
    uint64_t missed_decisions;                /* recorded decisions for which no prompt came up */
    uint64_t refused;                         /* flips and resets that the target did not do */
    uint64_t not_driven;                      /* steps that could not be done */
};

/* What the driver wants done. `conn` numbers connections from 0; texts are valid during the call. */
struct rd_actions {
    void *net; /* passed to the first three */
    enum at_err (*open)(void *net, uint32_t conn, struct at_str address);
    enum at_err (*send)(void *net, uint32_t conn, struct at_str message);
    enum at_err (*close)(void *net, uint32_t conn);
    void *ctx; /* passed to the others */
    /* What happened at the target, in order of time: an event of the new tape. */
    enum at_err (*event)(void *ctx, const struct at_event *ev);
    enum at_err (*note)(void *ctx, const char *text); /* a sentence for a person */
};

struct rd_driver;
AT_MUST_USE enum at_err rd_driver_new(const struct rd_plan *plan, const struct rd_commands *commands,
                                      struct at_str target, const struct at_profile *profile,
                                      const struct rd_limits *limits, const struct rd_actions *actions,
                                      struct rd_driver **out);
void rd_driver_free(struct rd_driver **d);
/* Times are in microseconds since the epoch and never go back. */
AT_MUST_USE enum at_err rd_opened(struct rd_driver *d, uint32_t conn, struct at_str stream, int64_t now_us);
AT_MUST_USE enum at_err rd_message(struct rd_driver *d, uint32_t conn, struct at_str text, int64_t now_us);
AT_MUST_USE enum at_err rd_closed(struct rd_driver *d, uint32_t conn, const char *why, int64_t now_us);
/* Does what is due. *next_us: when to come again at the latest; INT64_MAX: all is done. */
AT_MUST_USE enum at_err rd_tick(struct rd_driver *d, int64_t now_us, int64_t *next_us);
/* Gives up what is still to be done; rd_tick then says that all is done. */
AT_MUST_USE enum at_err rd_stop(struct rd_driver *d, int64_t now_us);
void rd_driver_counts(const struct rd_driver *d, struct rd_counts *out);
/* Of call `call` of the plan, for copy `copy` of its user. */
const struct rd_result *rd_driver_result(const struct rd_driver *d, uint32_t copy, uint32_t call);
/* Which call of the plan, and of which copy, has this id in the new tape. */
bool rd_driver_call_of(const struct rd_driver *d, struct at_str id, uint32_t *copy, uint32_t *call);
/* The name of copy `copy` of a user. Valid until freed. */
struct at_str rd_driver_user(const struct rd_driver *d, uint32_t copy, uint32_t key);

/* ------------------------------------------------------------------------------------------------------- Net ---- */

struct rd_net_options {
    bool insecure;       /* the certificate of the target is not checked */
    const char *ca_path; /* certificates to trust besides the system's */
    int64_t timeout_us;
};
/* Runs the driver to its end over real sockets. AT_STOP: interrupted. AT_NOTFOUND: this build cannot. */
struct rd_net;
AT_MUST_USE enum at_err rd_net_new(const struct rd_net_options *options, struct rd_net **out, struct at_why *why);
void rd_net_free(struct rd_net **n);
/* The functions `open`, `send` and `close` of struct rd_actions. */
enum at_err rd_net_open(void *net, uint32_t conn, struct at_str address);
enum at_err rd_net_send(void *net, uint32_t conn, struct at_str message);
enum at_err rd_net_close(void *net, uint32_t conn);
AT_MUST_USE enum at_err rd_net_run(struct rd_net *n, struct rd_driver *d);

#endif
