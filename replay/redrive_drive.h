/*
 * redrive_drive.h: what the parts of the driver share: the steps of the users (redrive_drive.c), the talk with the
 * target (redrive_talk.c), the events of what happens (redrive_events.c). Private to replay.
 */
#ifndef AUTHTAPE_REPLAY_REDRIVE_DRIVE_H
#define AUTHTAPE_REPLAY_REDRIVE_DRIVE_H

#include "replay/redrive.h"

enum conn_state {
    CONN_CLOSED,   /* not yet, or not any more */
    CONN_OPENING,  /* the handshake is going on */
    CONN_GREETING, /* Tool.getInfo is not answered yet */
    CONN_READY,
    CONN_FAILED, /* given up */
};

struct conn {
    enum conn_state state;
    uint32_t runner;
    unsigned tries;
    unsigned silent; /* waits in vain since the last answer */
    int64_t deadline_us, retry_us;
    char *name;        /* of the stream, as a capture would call it */
    bool began;        /* its `start` is on the tape, its `end` is not */
    size_t first_sent; /* before which nothing in `sent` is of this connection as it is now */
};

enum sent_kind { SENT_HELLO, SENT_CALL, SENT_COMMAND };

/* A message to the target, in the order of their ids. */
struct sent {
    enum sent_kind kind;
    uint32_t conn, runner;
    uint32_t call;           /* CALL: of the plan */
    enum rd_command command; /* COMMAND */
    uint64_t slot;           /* of the event that it makes; 0: of none */
    bool answered;
    bool lost; /* nobody waits for its answer any more */
};

enum runner_phase { RUNNER_RESET, RUNNER_STEPS, RUNNER_LAST, RUNNER_DONE };

/* One copy of one user. */
struct runner {
    uint32_t key, copy, first_conn;
    struct at_str user; /* owned */
    enum runner_phase phase;
    size_t at;           /* step */
    uint32_t unanswered; /* calls */
    int64_t base_us, wake_us;
    /* Of the step that is under way. */
    bool begun, page_closed;
    size_t part;
    int64_t deadline_us, retry_us, pause_us;
    /* The command that is waited for: its id, 0 for none. */
    uint64_t command;
    bool command_done, command_failed;
    int64_t command_deadline_us;
};

/* An event that is held back until it is known that it, and all before it, happened. */
struct slot {
    struct at_event *ev; /* NULL: it did not */
    bool pending;
};

struct rd_driver {
    const struct rd_plan *plan;
    const struct rd_commands *commands;
    const struct at_profile *profile;
    struct at_str target;
    struct rd_limits limits;
    struct rd_actions actions;
    struct conn *conns;
    uint32_t n_conns;
    struct runner *runners;
    uint32_t n_runners, running;
    uint32_t *place_in_key; /* of each stream of the plan, among the streams of its key */
    uint32_t *streams_of;   /* of each key: how many */
    struct sent *sent;
    size_t n_sent, cap_sent;
    struct slot *slots; /* those from number `first_slot` on */
    size_t n_slots, cap_slots;
    uint64_t first_slot;
    struct rd_result *results; /* by copy, then by call */
    struct rd_counts counts;
    struct at_buf scratch;
    int64_t now_us, last_us; /* the time of the last event */
};

/*
 * Puts an event of the connection at the end of the queue; who and where it is from is filled in. `*slot` (> 0) names
 * it. AT_BAD: not fit for a tape.
 */
AT_MUST_USE enum at_err rd_queue_event(struct rd_driver *d, const struct conn *c, const struct at_event *ev,
                                       int64_t now_us, bool pending, uint64_t *slot);
/* It is known now whether the pending event happened. */
void rd_settle_slot(struct rd_driver *d, uint64_t slot, bool happened);
/* Hands over what need not be held back any more. */
AT_MUST_USE enum at_err rd_flush_events(struct rd_driver *d);
AT_MUST_USE enum at_err rd_name_stream(struct conn *c, struct at_str name);
struct rd_result *rd_result_of(struct rd_driver *d, const struct runner *r, uint32_t call);
/* The event of the recording that the runner has come to. */
uint64_t rd_event_of(const struct rd_driver *d, const struct runner *r);

/* What the texts of the commands' values stand for, for this user. */
struct rd_values rd_values_of(const struct rd_driver *d, const struct runner *r);
/* Gives a command, which the runner waits for; `ev` (may be NULL) is what it makes happen, unless it is refused. */
AT_MUST_USE enum at_err rd_send_command(struct rd_driver *d, struct runner *r, uint32_t conn, enum rd_command which,
                                        struct rd_values *v, const struct at_event *ev, int64_t now_us);
/* Sends the call of this number of the plan. */
AT_MUST_USE enum at_err rd_send_call(struct rd_driver *d, struct runner *r, uint32_t conn, uint32_t call,
                                     int64_t now_us);
/* Tells the user what went wrong, and at which event of the recording. */
AT_MUST_USE enum at_err rd_note(struct rd_driver *d, const struct runner *r, const char *what, uint64_t event);
/* The connection that stands for the recorded stream. */
uint32_t rd_conn_of(const struct rd_driver *d, const struct runner *r, uint32_t stream);
/* True when the connection can be used; else it is seen to that it will be, or it is given up (CONN_FAILED). */
AT_MUST_USE enum at_err rd_ready(struct rd_driver *d, uint32_t number, int64_t now_us, bool *yes);
/* Nobody waits any more for the answers to what was sent on this connection. */
void rd_forget_questions(struct rd_driver *d, uint32_t conn);
/* The end of the stream's events, where it had a beginning. */
AT_MUST_USE enum at_err rd_end_stream(struct rd_driver *d, struct conn *c, int64_t now_us);
/* The connection is gone: it is tried again later, or given up. */
AT_MUST_USE enum at_err rd_lose(struct rd_driver *d, uint32_t number, const char *why, int64_t now_us);
/* A wait on the connection was in vain; after several in a row it is lost. */
AT_MUST_USE enum at_err rd_waited_in_vain(struct rd_driver *d, uint32_t number, int64_t now_us);

/* A message of the target, read. */
struct rd_answer {
    bool has_id, failed;
    uint64_t id;        /* 0: not one of ours */
    struct at_event ev; /* a return, as if it answered a call; `api` has to be given by rd_answer_name */
    void *json;
    struct at_setting *settings;
    struct at_buf made;
};
/* AT_BAD: no JSON object. What is read is valid until rd_answer_free. */
AT_MUST_USE enum at_err rd_answer_read(struct at_str text, struct rd_answer *a);
/* An answer without errMsg is a success: it gets the errMsg that says so. */
AT_MUST_USE enum at_err rd_answer_name(struct rd_answer *a, struct at_str api);
void rd_answer_free(struct rd_answer *a);
/* The argument of a call: what the tape kept of it (`args`), and its scope. */
AT_MUST_USE enum at_err rd_call_args(const struct at_event *call, struct at_buf *out);

#endif
