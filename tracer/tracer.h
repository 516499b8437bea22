/*
 * tracer.h: packets -> messages -> events.
 *
 * The one public header of this folder. Data flow one way:
 *
 *   capture (libpcap)  ->  decoder (link, ip, tcp, http, websocket: pure)  ->  dialects (pure)  ->  tape
 *
 * The decoder and the dialects open no files, print nothing and read no clock: time is packet time, so that a file
 * and a live capture give the same result.
 */
#ifndef AUTHTAPE_TRACER_H
#define AUTHTAPE_TRACER_H

#include "formats/formats.h"

/* ----------------------------------------------------------------------------------- Packets to messages ---- */

enum at_proto { AT_PROTO_HTTP, AT_PROTO_WEBSOCKET };
enum at_dir { AT_DIR_CLIENT, AT_DIR_SERVER }; /* who sent it: an HTTP request and a client's frame are CLIENT */

/*
 * A connection whose application protocol was understood. Views are valid until its `stream_end`.
 * For HTTP, target and headers are those of the exchange at hand; for WebSocket those of the handshake request.
 */
struct at_stream {
    uint64_t id;           /* counts from 1 in a decoder, never used twice */
    struct at_str name;    /* "10.0.0.1:5000>10.0.0.2:9420", client first; IPv6 as "[::1]:5000>[::1]:9420" */
    struct at_str target;  /* request target, "/?openid=…"; absent when picked up in mid-stream */
    struct at_str headers; /* raw header lines of the request, without the request line; absent likewise */
    void *user;            /* for the consumer; NULL at first */
};

/* One JSON message. Views are valid during the call. */
struct at_message {
    int64_t t_us;    /* time of the packet that completed it */
    uint64_t packet; /* its 1-based number in the capture; 0: it was not captured */
    struct at_stream *stream;
    enum at_proto proto;
    enum at_dir dir;
    struct at_str encoding;   /* "gzip", "deflate", "gzip, deflate", "permessage-deflate"; absent: none */
    struct at_str body;       /* the text: exactly one valid JSON value, white space around it aside */
    const struct at_doc *doc; /* its index, where the sink asked for it; NULL: there is none */
    bool compact;             /* no white space is around or in it, but in strings */
    uint64_t exchange; /* HTTP: the same number on a request and its response, counted per stream from 1; else 0 */
    uint16_t status;   /* HTTP response: its status code; else 0 */
};

/* What was lost, in units that add up: see the loss ledger in authtape-record(1). Append-only. */
#define AT_LOSS_MAP(X)                                                                                                 \
    X(packets, "packets read")                                                                                         \
    X(packet_bytes, "bytes in them, as captured")                                                                      \
    X(packets_other, "packets of other protocols, not decoded")                                                        \
    X(packets_malformed, "packets with a broken header")                                                               \
    X(packets_truncated, "packets cut by the snaplen")                                                                 \
    X(truncated_bytes, "payload bytes cut by the snaplen")                                                             \
    X(fragments_dropped, "IP fragments never completed")                                                               \
    X(bad_checksums, "wrong TCP or IP checksums (kept)")                                                               \
    X(kernel_drops, "packets dropped by the kernel")                                                                   \
    X(interface_drops, "packets dropped by the interface")                                                             \
    X(tcp_bytes, "TCP payload bytes seen")                                                                             \
    X(tcp_duplicate_bytes, "of them retransmitted")                                                                    \
    X(tcp_conflict_bytes, "of them retransmitted with other content")                                                  \
    X(tcp_gaps, "gaps in TCP streams")                                                                                 \
    X(tcp_gap_bytes, "bytes lost in them")                                                                             \
    X(flows, "TCP connections")                                                                                        \
    X(flows_evicted, "connections forgotten to save memory")                                                           \
    X(evicted_bytes, "bytes waiting in them")                                                                          \
    X(undecoded_bytes, "stream bytes that are neither HTTP nor WebSocket")                                             \
    X(messages, "JSON messages")                                                                                       \
    X(messages_not_json, "messages that are not JSON")                                                                 \
    X(messages_lost, "messages begun and not recovered")                                                               \
    X(messages_too_large, "messages over a limit")                                                                     \
    X(header_bytes, "bytes of headers and padding below TCP")                                                          \
    X(other_bytes, "bytes in packets of other protocols")                                                              \
    X(malformed_bytes, "bytes in packets with a broken header")                                                        \
    X(fragment_bytes, "bytes in IP fragments dropped or doubled")                                                      \
    X(fragments_conflicting, "IP fragments that overlap with other content")                                           \
    X(decoded_bytes, "stream bytes understood")                                                                        \
    X(flows_midstream, "connections whose beginning was not seen")                                                     \
    X(segments_outside, "TCP segments outside of any window (dropped)")                                                \
    X(zero_length_packets, "packets without an IP length (offloaded)")                                                 \
    X(contexts_lost, "times a compression context was lost")                                                           \
    X(encodings_unknown, "bodies in an encoding that is not known")                                                    \
    X(framing_conflicts, "HTTP messages with contradicting lengths")

struct at_ledger {
#define X(name, text) uint64_t name;
    AT_LOSS_MAP(X)
#undef X
};

/* What a decoder hands on. Every function may return an error, which stops the decoder and is passed on. */
struct at_decoder_sink {
    void *ctx;
    bool indexed; /* messages are to come with their index */
    enum at_err (*message)(void *ctx, const struct at_message *m);
    /* Something of a stream that had messages (or a handshake) was lost here. lost_bytes 0: unknown. */
    enum at_err (*gap)(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes);
    /* The stream is over; `clean`: FIN or a WebSocket Close was seen. Frees stream->user if the consumer set it. */
    enum at_err (*stream_end)(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean);
};

struct at_decoder_options { /* zero means the default */
    const uint16_t *ports;  /* decode only TCP connections with one of these ports; none: all */
    size_t n_ports;
    size_t memory_bytes;   /* all flows together */
    size_t flow_bytes;     /* one direction of a flow waiting for a hole to fill */
    size_t message_bytes;  /* one message, decompressed */
    uint32_t gap_ms;       /* a hole is given up after this long, in packet time */
    uint32_t idle_s;       /* a silent connection is forgotten after this long, in packet time */
    uint32_t reorder_ms;   /* how far packets of a capture may be out of order, in packet time */
    size_t fragment_bytes; /* IP fragments waiting for the rest of their datagram */
    uint32_t ratio;        /* a body may not grow by more than this when decompressed (its first MiB is free) */
    uint32_t nesting;      /* content encodings on top of each other */
    bool last_wins;        /* of overlapping TCP segments the later one counts, not the earlier */
};

/* What zero means in at_decoder_options. */
#define AT_DEFAULT_MEMORY_BYTES ((size_t)256 << 20)
#define AT_DEFAULT_FLOW_BYTES ((size_t)4 << 20)
#define AT_DEFAULT_MESSAGE_BYTES ((size_t)16 << 20)
#define AT_DEFAULT_GAP_MS 3000
#define AT_DEFAULT_IDLE_S 3600
#define AT_DEFAULT_REORDER_MS 100
#define AT_DEFAULT_FRAGMENT_BYTES ((size_t)4 << 20)
#define AT_DEFAULT_RATIO 256
#define AT_DEFAULT_NESTING 4

struct at_decoder;
AT_MUST_USE enum at_err at_decoder_new(const struct at_decoder_options *options, const struct at_decoder_sink *sink,
                                       struct at_decoder **out);
void at_decoder_free(struct at_decoder **d);

/* A packet as captured. */
struct at_packet {
    int64_t t_us;
    uint64_t number;   /* 1-based in the capture */
    uint32_t linktype; /* LINKTYPE_… as in a pcap file */
    const uint8_t *data;
    size_t caplen; /* bytes captured */
    size_t len;    /* bytes on the wire */
};
/* Errors are those of the sink and AT_NOMEM only: a bad packet is counted, never an error. */
AT_MUST_USE enum at_err at_decoder_packet(struct at_decoder *d, const struct at_packet *p);
/* End of the capture: what is complete is handed on, the rest is counted; every stream ends (not clean). */
AT_MUST_USE enum at_err at_decoder_finish(struct at_decoder *d);
/* The books balance after at_decoder_finish:
 *   packet_bytes = header_bytes + other_bytes + malformed_bytes + fragment_bytes + tcp_bytes
 *   tcp_bytes = tcp_duplicate_bytes + decoded_bytes + undecoded_bytes + evicted_bytes */
const struct at_ledger *at_decoder_ledger(const struct at_decoder *d);

/* -------------------------------------------------------------------------------------------- Capture ---- */

/* Where packets come from: one file (pcap, pcapng, either compressed with gzip; "-" is standard input) or one or
 * more interfaces. */
struct at_capture_options {
    const char *file; /* or NULL */
    const char *const *interfaces;
    size_t n_interfaces;
    const char *filter;    /* BPF, or NULL */
    uint32_t snaplen;      /* 0: whole packets */
    uint32_t buffer_bytes; /* live: kernel buffer; 0: default */
    bool immediate;        /* live: each packet at once, not in blocks */
    bool polled;           /* live: at_capture_next does not wait; see at_capture_watch */
    bool unread;           /* a file: at_capture_begin is called later. `file` and `filter` must outlive that */
};
struct at_capture;
AT_MUST_USE enum at_err at_capture_open(const struct at_capture_options *options, struct at_capture **out,
                                        struct at_why *why);
/*
 * With `unread`: opens the file. What needs the system's help, such as names in the filter, was done before, so that
 * all bytes from outside are read by a process that has given up its privileges. AT_IO, AT_BAD.
 */
AT_MUST_USE enum at_err at_capture_begin(struct at_capture *c, struct at_why *why);
/*
 * The next packet. AT_END: the file is over. AT_AGAIN: live, nothing came for a moment (at most 100 ms; also after a
 * signal). AT_BAD, AT_IO with why ("what, where"); a file cut off in the middle of a packet is AT_BAD after all whole
 * packets were given.
 */
AT_MUST_USE enum at_err at_capture_next(struct at_capture *c, struct at_packet *p, struct at_why *why);
/* Live: fills in what to wait for, for poll(2), and returns how many that are. To be called before each wait. */
struct pollfd;
size_t at_capture_watch(struct at_capture *c, struct pollfd *fds, size_t room);
/* Adds the kernel's and interfaces' drop counters to the ledger copy. */
void at_capture_drops(struct at_capture *c, struct at_ledger *ledger);
void at_capture_close(struct at_capture **c);

/* ------------------------------------------------------------------------------------- Messages to events ---- */

/*
 * Where app, user and platform come from when the dialect does not say: a literal, "query:NAME", "header:NAME" or
 * "pointer:/a/b" (RFC 6901, into the message). NULL: not given.
 */
struct at_identity {
    const char *app, *user, *platform;
};

/* Who wants to know what the rules of the dialects do. */
struct at_watch {
    void *ctx;
    /* The rule at that place of its mapping applied to something in the message; then, with `unfit`: why that made no
     * event, or why its answer made none. */
    void (*rule)(void *ctx, const struct at_message *m, struct at_str place, const char *unfit);
};

#define AT_HOLD_MS 5000u
#define AT_HOLD_EVENTS (size_t)65536
struct at_tracer_options {
    const char *const *dialects; /* "automator", "mine.json", "mine.json:prompt,settings"; none: automator */
    size_t n_dialects;
    struct at_identity identity;
    bool fresh;                   /* the first `start` of each key says that nothing was asked before */
    const char *observes;         /* "prompts,decisions" or NULL: what the dialects say */
    uint32_t hold_ms;             /* how long events may be held back to come out in the order of their times */
    size_t hold_events;           /* and how many; 0 for either: the defaults below */
    bool keep_args;               /* all arguments of calls go on the tape, also those that may hold personal data */
    bool in_turn;                 /* events with times of their own do not wait for earlier ones */
    const struct at_watch *watch; /* NULL: nobody; must live as long as the tracer */
};

#define AT_KIND_COUNT 11
struct at_tracer_stats {
    uint64_t events[AT_KIND_COUNT]; /* handed on, by enum at_kind; [0] all together */
    uint64_t keys;
    uint64_t repeats;    /* reports of an event that was reported before */
    uint64_t mocked;     /* calls of a mocked API, left out */
    uint64_t unfit;      /* a rule matched, but what it gave is no event */
    uint64_t late;       /* handed on at a later time than their own, to keep the order */
    uint64_t disordered; /* handed on after an event of a later time: their times are their senders' */
    uint64_t forgotten;  /* requests forgotten before their answer, to save memory */
    uint64_t skipped;    /* messages too large or too deep to look into */
};

/* What became of one message. */
struct at_taken {
    size_t events;   /* that are new */
    size_t repeats;  /* that were taken before */
    size_t left_out; /* of kinds that are not wanted */
    bool refused;    /* nothing of it was taken */
    bool too_many;   /* because it has too many events */
    char place[128]; /* where in it, as a JSON Pointer; empty: all of it */
    char id[130];    /* what the message calls itself, as JSON; empty: nothing */
    struct at_why why;
};

/* Turns messages into events, in the order of their times. The `event` function gets each; its error stops the tracer.
 */
struct at_tracer;
AT_MUST_USE enum at_err at_tracer_new(const struct at_tracer_options *options,
                                      enum at_err (*event)(void *ctx, const struct at_event *ev), void *ctx,
                                      struct at_tracer **out, struct at_why *why);
void at_tracer_free(struct at_tracer **t);
/* A sink for a decoder. Valid as long as the tracer. */
struct at_decoder_sink at_tracer_sink(struct at_tracer *t);
/*
 * Takes one message of somebody who waits to hear what became of it: all of its events, or none of them. The body may
 * be anything. `*waiting` counts the events of it that were not handed on yet; it must stay where it is until it is 0.
 * Errors are as those of the sink; a refusal is none.
 */
AT_MUST_USE enum at_err at_tracer_take(struct at_tracer *t, const struct at_message *m, size_t max_events,
                                       size_t *waiting, struct at_taken *taken);
/* An event that is on a tape already: a report of it is a repeat. */
void at_tracer_remember(struct at_tracer *t, const struct at_event *ev);
/* Time passes (packet time, or the wall clock of a live capture): lets go of what was held long enough. */
AT_MUST_USE enum at_err at_tracer_tick(struct at_tracer *t, int64_t now_us);
/*
 * Packets were dropped between these times, nobody knows of which connections: whole ones may be missing. Each event of
 * that time begins with a gap, and so does the next event of every user behind it. To be said before messages of the
 * later packets come.
 */
AT_MUST_USE enum at_err at_tracer_lost(struct at_tracer *t, int64_t from_us, int64_t to_us);
/* Hands on everything that is held. */
AT_MUST_USE enum at_err at_tracer_finish(struct at_tracer *t);
void at_tracer_stats(const struct at_tracer *t, struct at_tracer_stats *out);

/* Subcommands of this folder. */
extern const struct at_command at_cmd_record, at_cmd_messages, at_cmd_dialect;

#endif
