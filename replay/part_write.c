/* part_write.c: parts of a replay as text. */
#include "replay/part.h"

#include <inttypes.h>

enum at_err part_put_head(struct at_buf *out, const struct part *p)
{
    const struct at_shares *s = &p->share;
    const char *between = "";
    enum at_err err = at_buf_printf(out,
                                    "{\"schema\":\"" PART_SCHEMA
                                    "\",\"profile\":%.*s,\"options\":%.*s,\"tape\":%.*s,\"of\":%" PRIu32 ",\"have\":[",
                                    AT_STR_FMT(p->profile), AT_STR_FMT(p->options), AT_STR_FMT(p->tape), s->of);
    for (uint32_t n = 1; n <= s->of && !err; n++) {
        if (!at_shares_has(s, n))
            continue;
        err = at_buf_printf(out, "%s%" PRIu32, between, n);
        between = ",";
    }
    if (!err)
        err = at_buf_printf(out, "],\"max\":%" PRIu64 ",\"read\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%d]", p->max,
                            s->reading.events, s->reading.print, s->reading.tape, s->reading.alone);
#define X(name)                                                                                                        \
    if (!err)                                                                                                          \
        err = at_buf_printf(out, ",\"" #name "\":%" PRIu64, p->sums.name);
    PART_SUM_MAP(X)
#undef X
    if (!err)
        err = at_buf_printf(out,
                            ",\"lost_events\":%" PRIu64 ",\"login\":%d,\"user_info\":%d,\"accepted\":%.*s,\"seen\":[",
                            p->sums.lost_events, p->sums.saw_login, p->sums.saw_user_info, AT_STR_FMT(p->known));
    for (size_t i = 0; i < p->n_known && !err; i++)
        err = at_buf_printf(out, "%s%d", i ? "," : "", p->known_seen[i]);
    return err ? err : at_buf_str(out, AT_STR("]}\n"));
}

enum at_err part_put_end(struct at_buf *out, uint64_t n_lines)
{
    return at_buf_printf(out, "{\"end\":%" PRIu64 "}\n", n_lines);
}

static enum at_err put_order(struct at_buf *out, const struct at_check_order *o)
{
    return at_buf_printf(out, "{\"at\":[%d,%" PRIu64 ",%" PRIu64 "]", (int)o->phase, o->event, o->of_stream);
}

static enum at_err put_text(struct at_buf *out, const char *name, struct at_str text)
{
    if (!text.ptr)
        return AT_OK;
    enum at_err err = at_buf_printf(out, ",\"%s\":", name);
    return err ? err : at_json_quote(out, text);
}

enum at_err part_put_divergence(struct at_buf *out, const struct at_check_order *order, const struct at_divergence *d,
                                enum standing how, struct at_str excerpt)
{
    enum at_err err = put_order(out, order);
    if (!err)
        err = at_buf_printf(out, ",\"how\":%d", (int)how);
    if (!err)
        err = put_text(out, "innocent", at_str(d->innocent));
    if (!err && excerpt.len)
        err = put_text(out, "excerpt", excerpt);
    if (!err)
        err = at_buf_str(out, AT_STR(",\"divergence\":"));
    if (!err)
        err = print_divergence_object(out, d, false);
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}

enum at_err part_put_inferred(struct at_buf *out, const struct at_check_order *order, const struct at_inferred *i)
{
    enum at_err err = put_order(out, order);
    if (!err)
        err = at_buf_str(out, AT_STR(",\"inferred\":"));
    if (!err)
        err = print_inferred_object(out, i);
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}

enum at_err part_put_hint(struct at_buf *out, const struct at_check_order *order, const char *text)
{
    enum at_err err = put_order(out, order);
    if (!err)
        err = put_text(out, "hint", at_str(text));
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}
