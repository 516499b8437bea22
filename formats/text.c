/* text.c: an event as a line for people. */
#include <string.h>

#include "formats/text.h"

/* Holds nothing that moves a terminal's cursor: no C0 or C1 control character, no DEL. */
static bool is_harmless(struct at_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == 0x7f || (c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0))
            return false;
    }
    return true;
}

/* A name as it is where it is one plain word, else as a JSON string. */
static enum at_err put_name(struct at_buf *out, struct at_str s)
{
    bool plain = s.len > 0 && is_harmless(s) && !memchr(s.ptr, ' ', s.len) && !memchr(s.ptr, '"', s.len);
    return plain ? at_buf_str(out, s) : at_json_quote(out, s);
}

/* Characters, not bytes: UTF-8 continuation bytes take no column. */
static size_t columns(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Fills up with blanks what was written since `start`, and adds one. */
static enum at_err pad(struct at_buf *out, size_t start, size_t width)
{
    size_t have = columns(out->ptr + start, out->len - start);
    return at_buf_printf(out, "%*s", (int)(have < width ? width - have : 0) + 1, "");
}

static enum at_err put_field(struct at_buf *out, const char *label, struct at_str s)
{
    enum at_err err = at_buf_str(out, at_str(label));
    return err ? err : put_name(out, s);
}

static enum at_err put_scopes(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, at_str(ev->n_scopes ? "" : " []"));
    for (size_t i = 0; i < ev->n_scopes && !err; i++)
        err = put_field(out, i ? "," : " ", ev->scopes[i]);
    return err;
}

static enum at_err put_settings(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, at_str(" {"));
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        err = put_field(out, i ? " " : "", ev->settings[i].scope);
        if (!err)
            err = at_buf_str(out, at_str(ev->settings[i].granted ? "=on" : "=off"));
    }
    return err ? err : at_buf_str(out, at_str("}"));
}

static enum at_err put_start(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    if (ev->has & AT_HAS_FRESH)
        err = at_buf_str(out, at_str(ev->fresh ? " fresh" : " not-fresh"));
    if (!err && ev->has & AT_HAS_OBSERVES)
        err = at_buf_str(out, at_str(ev->n_observes ? " observes " : " observes calls only"));
    for (size_t i = 0; i < ev->n_observes && !err; i++)
        err = at_buf_printf(out, "%s%s", i ? "," : "", at_sight_text((enum at_sight)ev->observes[i]));
    return err;
}

/* What is special to the kind, each part with a blank before it. */
static enum at_err put_details(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    if (ev->kind == AT_KIND_CALL)
        err = put_field(out, " ", ev->api);
    if (!err && ev->kind == AT_KIND_RETURN)
        err = put_field(out, " ", ev->err_msg);
    if (!err && ev->has & AT_HAS_ERRNO)
        err = at_buf_printf(out, " errno=%lld", (long long)ev->err_no);
    if (!err && ev->kind == AT_KIND_DECISION)
        err = at_buf_printf(out, " %s", at_answer_text(ev->answer));
    if (!err && ev->has & AT_HAS_SCOPE)
        err = put_scopes(out, ev);
    if (!err && ev->kind == AT_KIND_SETTINGS)
        err = at_buf_str(out, at_str(ev->granted ? " on" : " off"));
    if (!err && ev->has & AT_HAS_AUTH_SETTING)
        err = put_settings(out, ev);
    if (!err)
        err = put_start(out, ev);
    if (!err && ev->has & AT_HAS_LOST_BYTES)
        err = at_buf_printf(out, " lost %llu bytes", (unsigned long long)ev->lost_bytes);
    if (!err && ev->has & AT_HAS_CALL)
        err = put_field(out, " call=", ev->call);
    if (!err && ev->has & AT_HAS_PACKET)
        err = at_buf_printf(out, " packet=%llu", (unsigned long long)ev->packet);
    if (!err && ev->extra.ptr)
        err = at_buf_str(out, AT_STR(" "));
    if (!err && ev->extra.ptr)
        err = is_harmless(ev->extra) ? at_buf_str(out, ev->extra) : at_json_quote(out, ev->extra);
    return err;
}

enum at_err at_event_to_text(const struct at_event *ev, struct at_buf *out)
{
    char time[40];
    at_time_text(ev->t_us, time);
    size_t before = out->len;
    enum at_err err = at_buf_printf(out, "%-27s %-13s ", time, at_kind_text(ev->kind));
    size_t start = out->len;
    if (!err)
        err = put_name(out, ev->app);
    if (!err)
        err = pad(out, start, 18);
    start = out->len;
    if (!err)
        err = put_name(out, ev->user);
    if (!err && ev->has & AT_HAS_PLATFORM)
        err = put_field(out, "@", ev->platform);
    if (!err)
        err = pad(out, start, 24);
    start = out->len;
    if (!err)
        err = put_name(out, ev->stream);
    if (!err)
        err = pad(out, start, 31);
    if (!err) {
        out->len--; /* every detail brings its own blank */
        err = put_details(out, ev);
    }
    while (!err && out->ptr[out->len - 1] == ' ')
        out->len--;
    if (!err)
        err = at_buf_add(out, "\n", 1);
    if (err)
        out->len = before;
    return err;
}
