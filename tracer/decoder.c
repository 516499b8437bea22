/* decoder.c: packets in, JSON messages out: the stages put together. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "tracer/conn.h"

/* ---- What goes to the consumer */

static enum at_err add_end(struct at_buf *out, const struct at_flow *f, int end)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(f->v6 ? AF_INET6 : AF_INET, f->addr[end], text, sizeof text))
        return AT_BAD;
    return at_buf_printf(out, f->v6 ? "[%s]:%u" : "%s:%u", text, (unsigned)f->port[end]);
}

enum at_err at_decoder_show(struct at_conn *c)
{
    const struct at_flow *f = c->flow;
    if (c->shown)
        return AT_OK;
    int client = f->client < 0 ? 0 : f->client;
    enum at_err err = add_end(&c->name, f, client);
    if (!err)
        err = at_buf_add(&c->name, ">", 1);
    if (!err)
        err = add_end(&c->name, f, !client);
    if (err)
        return err;
    c->stream.id = ++c->decoder->streams;
    c->stream.name = at_buf_view(&c->name);
    c->shown = true;
    at_tcp_promote(c->decoder->tcp, c->flow, AT_TIER_KNOWN);
    return AT_OK;
}

#define NODES_KEPT (1u << 16) /* memory of an index beyond this is given back */

/* AT_BAD: the body is no JSON. It is looked at once, with the index made on the way where that is wanted. */
static enum at_err look_at_body(struct at_decoder *d, struct at_message *m)
{
    bool spaced = true;
    enum at_err err = AT_OK;
    if (!d->sink.indexed)
        err = at_json_check(m->body, &spaced) ? AT_OK : AT_BAD;
    else if (!(err = at_doc_index(&d->doc, m->body)))
        m->doc = &d->doc;
    m->compact = m->doc ? !d->doc.spaced : !spaced;
    return err == AT_LIMIT ? AT_OK : err;
}

enum at_err at_decoder_emit(struct at_conn *c, int end, struct at_message *m)
{
    struct at_decoder *d = c->decoder;
    enum at_err err = look_at_body(d, m);
    if (err == AT_BAD)
        d->ledger.messages_not_json++;
    if (err)
        return err == AT_BAD ? AT_OK : err;
    err = at_decoder_show(c);
    if (err)
        return err;
    d->ledger.messages++;
    m->stream = &c->stream;
    m->t_us = c->flow->half[end].t_us;
    m->packet = c->flow->half[end].packet;
    err = d->sink.message(d->sink.ctx, m);
    if (d->doc.cap > NODES_KEPT)
        at_doc_free(&d->doc);
    return err;
}

/* ---- What comes from TCP */

static enum at_err on_data(void *ctx, struct at_flow *f, int end, struct at_str bytes)
{
    struct at_conn *c = f->app;
    if (!c) {
        enum at_err err = at_conn_new(ctx, f, &c);
        if (err)
            return err;
        f->app = c;
    }
    return at_conn_data(c, end, bytes);
}

static enum at_err on_gap(void *ctx, struct at_flow *f, int end, uint64_t lost_bytes)
{
    struct at_conn *c = f->app;
    if (!c) {
        enum at_err err = at_conn_new(ctx, f, &c);
        if (err)
            return err;
        f->app = c;
    }
    return at_conn_gap(c, end, lost_bytes);
}

static enum at_err on_fin(void *ctx, struct at_flow *f, int end)
{
    (void)ctx;
    return f->app ? at_conn_fin(f->app, end) : AT_OK;
}

static enum at_err on_over(void *ctx, struct at_flow *f, enum at_flow_end why)
{
    (void)ctx;
    return at_conn_over(f->app, why);
}

static size_t weight(const struct at_flow *f)
{
    return at_conn_memory(f->app);
}

/* ---- Life */

enum at_err at_decoder_new(const struct at_decoder_options *options, const struct at_decoder_sink *sink,
                           struct at_decoder **out)
{
    struct at_decoder *d = calloc(1, sizeof *d);
    *out = d;
    if (!d)
        return AT_NOMEM;
    const struct at_decoder_options *o = &d->options;
    if (options)
        d->options = *options;
    d->sink = *sink;
    d->ws = (struct at_ws_shared){.pool = &d->pool, .ledger = &d->ledger};
    d->ws.limits.out_bytes = o->message_bytes ? o->message_bytes : AT_DEFAULT_MESSAGE_BYTES;
    d->ws.limits.ratio = o->ratio ? o->ratio : AT_DEFAULT_RATIO;
    d->ws.limits.nesting = o->nesting ? o->nesting : AT_DEFAULT_NESTING;
    struct at_tcp_sink tcp = {
        .ctx = d, .data = on_data, .gap = on_gap, .fin = on_fin, .over = on_over, .weight = weight};
    uint16_t *ports = malloc((o->n_ports + 1) * sizeof *ports);
    d->options.ports = ports;
    enum at_err err = ports ? AT_OK : AT_NOMEM;
    for (size_t i = 0; ports && i < o->n_ports; i++)
        ports[i] = options->ports[i];
    if (!err)
        err = at_fragments_new(o->fragment_bytes ? o->fragment_bytes : AT_DEFAULT_FRAGMENT_BYTES, &d->fragments);
    if (!err)
        err = at_tcp_new(o, &tcp, &d->ledger, &d->tcp);
    if (err)
        at_decoder_free(out);
    return err;
}

/* A sink that frees and says nothing: for a decoder that is given up before its end. */
static enum at_err quiet_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    (void)ctx, (void)s, (void)t_us, (void)packet, (void)lost_bytes;
    return AT_OK;
}

static enum at_err quiet_message(void *ctx, const struct at_message *m)
{
    (void)ctx, (void)m;
    return AT_OK;
}

void at_decoder_free(struct at_decoder **decoder)
{
    struct at_decoder *d = *decoder;
    if (!d)
        return;
    d->sink.gap = quiet_gap;
    d->sink.message = quiet_message;
    if (d->tcp && at_tcp_finish(d->tcp) != AT_OK)
        d->ledger.flows_evicted++; /* only the memory matters here */
    at_tcp_free(&d->tcp);
    at_fragments_free(&d->fragments);
    at_inflate_pool_clear(&d->pool);
    at_buf_free(&d->ws.scratch);
    at_buf_free(&d->ws.whole);
    at_doc_free(&d->doc);
    free((void *)(uintptr_t)d->options.ports);
    free(d);
    *decoder = NULL;
}

static bool is_wanted(const struct at_decoder_options *o, const struct at_segment *seg)
{
    bool wanted = o->n_ports == 0;
    for (size_t i = 0; i < o->n_ports && !wanted; i++)
        wanted = seg->sport == o->ports[i] || seg->dport == o->ports[i];
    return wanted;
}

enum at_err at_decoder_packet(struct at_decoder *d, const struct at_packet *p)
{
    struct at_segment seg;
    d->t_us = p->t_us;
    d->packet = p->number;
    if (at_packet_walk(d->fragments, p, &d->ledger, &seg) != AT_FOUND_TCP)
        return at_tcp_tick(d->tcp, p->t_us);
    if (!is_wanted(&d->options, &seg)) {
        d->ledger.packets_other++;
        d->ledger.other_bytes += seg.len;
        return at_tcp_tick(d->tcp, p->t_us);
    }
    return at_tcp_segment(d->tcp, &seg);
}

enum at_err at_decoder_segment(struct at_decoder *d, const struct at_segment *seg)
{
    d->t_us = seg->t_us;
    d->packet = seg->packet;
    d->ledger.packet_bytes += seg->len;
    return at_tcp_segment(d->tcp, seg);
}

enum at_err at_decoder_finish(struct at_decoder *d)
{
    at_fragments_expire(d->fragments, d->t_us, true, &d->ledger);
    return at_tcp_finish(d->tcp);
}

const struct at_ledger *at_decoder_ledger(const struct at_decoder *d)
{
    return &d->ledger;
}
