/* record_tell.c: what a recording has done and lost, in words. */
#include <string.h>

#include "tracer/recording.h"

static struct at_ledger ledger_of(const struct at_recording *r)
{
    struct at_ledger ledger = *at_decoder_ledger(r->decoder);
    if (r->capture)
        at_capture_drops(r->capture, &ledger);
    return ledger;
}

void at_recording_tell_losses(const struct at_recording *r)
{
    const struct at_ledger ledger = ledger_of(r);
    struct at_buf lines = {0};
    if (!at_ledger_lines(&ledger, &lines) && lines.len)
        fwrite(lines.ptr, 1, lines.len, stderr);
    at_buf_free(&lines);
}

int at_recording_write_ledger(const struct at_recording *r, int status)
{
    const struct at_ledger ledger = ledger_of(r);
    struct at_why why = {{0}};
    return at_ledger_write(&ledger, r->limits.ledger, &why) ? at_cli_trouble("%s", why.text) : status;
}

/* `one`: the word for a single one. */
static void tell_count(uint64_t n, const char *one)
{
    if (n)
        fprintf(stderr, ", %llu %s%s", (unsigned long long)n, one, n == 1 ? "" : "s");
}

static void tell_work(const struct at_recording *r, const struct at_ledger *ledger, const struct at_tracer_stats *s)
{
    struct at_collect_stats collected = {0};
    if (r->collector)
        at_collector_stats(r->collector, &collected);
    struct at_relay_stats relayed = {0};
    if (r->relay)
        at_relay_stats(r->relay, &relayed);
    fputs("authtape: ", stderr);
    if (r->capture)
        fprintf(stderr, "%llu packets, ", (unsigned long long)ledger->packets);
    if (r->relay)
        fprintf(stderr, "%llu bytes relayed, ", (unsigned long long)relayed.bytes);
    fprintf(stderr, "%llu messages, %llu events", (unsigned long long)ledger->messages + collected.messages,
            (unsigned long long)s->events[0]);
    tell_count(s->events[AT_KIND_CALL], "call");
    tell_count(s->events[AT_KIND_RETURN], "answer");
    tell_count(s->events[AT_KIND_DECISION], "decision");
    tell_count(s->keys, "user");
    fprintf(stderr, ", %llu bytes of tape\n", (unsigned long long)at_taping_bytes(r->taping));
}

void at_recording_tell_summary(const struct at_recording *r)
{
    const struct at_ledger ledger = ledger_of(r);
    struct at_tracer_stats s;
    struct at_collect_stats collected = {0};
    struct at_relay_stats relayed = {0};
    at_tracer_stats(r->tracer, &s);
    tell_work(r, &ledger, &s);
    if (r->collector)
        at_collector_stats(r->collector, &collected);
    if (r->relay)
        at_relay_stats(r->relay, &relayed);
    const struct {
        uint64_t n;
        const char *text;
    } lost[] = {{s.events[AT_KIND_GAP], "gaps on the tape"},
                {s.unfit, "reports that make no event"},
                {s.forgotten, "requests forgotten before their answer"},
                {s.skipped, "messages not looked into"},
                {s.late, "events reported too late for their place"},
                {relayed.failed, "connections that could not be relayed"},
                {relayed.lost, "bytes relayed and not decoded"},
                {collected.refused, "messages refused: no events"},
                {collected.limited, "messages refused: over a limit"},
                {collected.strangers, "requests refused: without the token"}};
    struct at_buf text = {0};
    enum at_err err = at_ledger_losses(&ledger, &text);
    for (size_t i = 0; i < sizeof lost / sizeof lost[0] && !err; i++)
        if (lost[i].n)
            err = at_buf_printf(&text, "%s%llu %s", text.len ? ", " : "", (unsigned long long)lost[i].n, lost[i].text);
    if (!err && text.len)
        fprintf(stderr, "authtape: lost or doubtful: %.*s\n", AT_STR_FMT(at_buf_view(&text)));
    at_buf_free(&text);
}

int at_recording_source_trouble(const struct at_recording *r, const struct at_why *why)
{
    return r->file ? at_cli_file_trouble(r->file, why) : at_cli_trouble("%s", why->text);
}
