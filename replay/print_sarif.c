/* print_sarif.c: SARIF 2.1.0 (OASIS), one result for every divergence. */
#include "replay/print.h"

static enum at_err string_member(struct at_buf *out, const char *name, struct at_str value)
{
    enum at_err err = at_buf_printf(out, "\"%s\":", name);
    return err ? err : at_json_quote(out, value);
}

/* The path as a URI reference (RFC 3986): what is not unreserved, or '/', is percent-encoded. */
static enum at_err path_uri(struct at_buf *out, const char *path)
{
    enum at_err err = AT_OK;
    for (const unsigned char *c = (const unsigned char *)path; *c && !err; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-' ||
                     *c == '.' || *c == '_' || *c == '~' || *c == '/';
        err = plain ? at_buf_add(out, c, 1) : at_buf_printf(out, "%%%02X", *c);
    }
    return err;
}

static enum at_err locations(struct print *p, struct at_buf *out, const struct at_divergence *d)
{
    enum at_err err =
        at_buf_str(out, AT_STR(",\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":\""));
    if (!err)
        err = path_uri(out, p->tape);
    if (!err)
        err = at_buf_printf(out, "\"}},\"logicalLocations\":[{\"name\":\"event %llu\",\"kind\":\"event\"}]}]",
                            (unsigned long long)d->at.event);
    return err;
}

/* The same divergence in two recordings has the same fingerprint: what a baseline matches by. */
static enum at_err fingerprint(struct at_buf *out, const struct at_divergence *d)
{
    struct at_str parts[] = {at_str(at_divergence_text(d->cls)), d->scope, d->api, d->platform};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = at_hash(parts[i].ptr, parts[i].len, hash);
    return at_buf_printf(out, ",\"partialFingerprints\":{\"authtape/v1\":\"%016llx\"}", (unsigned long long)hash);
}

static enum at_err sarif_divergence(struct print *p, const struct at_divergence *d, enum standing how)
{
    struct at_buf *out = &p->findings;
    enum at_err err = print_separator(out, ",\n");
    if (!err)
        err = at_buf_printf(out, "   {\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\",\"message\":{",
                            at_divergence_text(d->cls), (int)d->cls, how == STANDING_MILD ? "note" : "error");
    if (!err)
        err = string_member(out, "text", at_str(d->explanation));
    if (!err)
        err = at_buf_str(out, AT_STR("}"));
    if (!err)
        err = locations(p, out, d);
    if (!err)
        err = fingerprint(out, d);
    if (!err && how == STANDING_KNOWN)
        err = at_buf_str(out, AT_STR(",\"suppressions\":[{\"kind\":\"external\"}]"));
    if (!err)
        err = at_buf_str(out, AT_STR(",\"properties\":{\"divergence\":"));
    if (!err)
        err = print_divergence_object(out, d, how == STANDING_KNOWN);
    return err ? err : at_buf_str(out, AT_STR("}}"));
}

static enum at_err sarif_end(struct print *p, const struct print_totals *t)
{
    static const char *const classes[] = {
#define X(name, text) text,
        AT_DIVERGENCE_MAP(X)
#undef X
    };
    struct at_buf *out = &p->line;
    out->len = 0;
    enum at_err err =
        at_buf_str(out, AT_STR("{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\n"
                               " \"runs\":[{\"tool\":{\"driver\":{\"name\":\"authtape\",\"version\":\"" AT_VERSION
                               "\",\"rules\":["));
    for (size_t i = 0; i < sizeof classes / sizeof classes[0] && !err; i++)
        err = at_buf_printf(out, "%s{\"id\":\"%s\"}", i ? "," : "", classes[i]);
    if (!err)
        err = at_buf_printf(out, "]}},\n  \"invocations\":[{\"executionSuccessful\":%s}],\n  \"results\":[%s",
                            t->check.inconclusive ? "false" : "true", p->findings.len ? "\n" : "");
    if (!err)
        err = at_buf_str(out, at_buf_view(&p->findings));
    if (!err)
        err = at_buf_str(out, AT_STR("]}]}\n"));
    return err ? err : print_line(p);
}

const struct print_format print_sarif = {.name = "sarif", .divergence = sarif_divergence, .end = sarif_end};
