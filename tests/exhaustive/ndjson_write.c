/* ndjson_write.c: an event of a made history as one line of NDJSON. */
#include <inttypes.h>

#include "history.h"
#include "names.h"

/* Wordings of one meaning (the errMsg grammar); each begins with its separator. */
static const char *const denied_words[] = {" auth deny", ":auth denied", " auth denied", ":auth deny"};
static const char *const other_words[] = {" timeout", ":system permission denied",
                                          " can only be invoked by user TAP gesture", ""};

static const char *api_name(const struct event *e)
{
    switch ((enum api)e->api) {
    case GATED:
        for (unsigned s = 0; s < SCOPES; s++)
            if (e->scopes >> s & 1)
                return scope_apis[s];
        break;
    case AUTHORIZE:
        return "authorize";
    case GET_SETTING:
        return "getSetting";
    case OPEN_SETTING:
        return "openSetting";
    case UNGATED:
        break;
    }
    return "login";
}

static void write_scopes(FILE *to, const struct event *e)
{
    bool array = e->scopes & (e->scopes - 1), first = true;
    fprintf(to, ",\"scope\":%s", array ? "[" : "");
    for (unsigned s = 0; s < SCOPES; s++) {
        if (!(e->scopes >> s & 1))
            continue;
        fprintf(to, "%s\"scope.%s\"", first ? "" : ",", scope_names[s]);
        first = false;
    }
    if (array)
        fputc(']', to);
}

static void write_snapshot(FILE *to, const struct event *e, uint64_t salt)
{
    const char *comma = "";
    fputs(",\"authSetting\":{", to);
    if (salt % 8 == 0) { /* a scope that no profile knows: not checked */
        fputs("\"scope.unheardOf\":true", to);
        comma = ",";
    }
    for (unsigned s = 0; s < SCOPES; s++) {
        unsigned st = e->snapshot >> 2 * s & 3;
        if (st != U) {
            fprintf(to, "%s\"scope.%s\":%s", comma, scope_names[s], st == G ? "true" : "false");
            comma = ",";
        }
    }
    fputc('}', to);
}

static void write_return(FILE *to, const struct event *e, uint64_t salt)
{
    const char *fail = e->outcome == OK ? "ok" : "fail", *words = "";
    if (e->outcome == DENIED)
        words = denied_words[salt % 4];
    else if (e->outcome == DISMISSED)
        words = ":auth canceled";
    else if (e->outcome == UNAUTHORIZED)
        words = " scope unauthorized";
    else if (e->outcome == OTHER)
        words = other_words[salt % 4];
    fprintf(to, ",\"call\":\"%" PRIu32 "\",\"errMsg\":\"%s:%s%s\"", e->call, api_name(e), fail, words);
    if (e->has_snapshot)
        write_snapshot(to, e, salt >> 8);
}

static void write_start(FILE *to, const struct event *e)
{
    const char *comma = "";
    fprintf(to, ",\"fresh\":%s,\"observes\":[", e->fresh ? "true" : "false");
    for (unsigned i = 0; i < 4; i++) {
        if (e->observes >> i & 1) {
            fprintf(to, "%s\"%s\"", comma, sight_names[i]);
            comma = ",";
        }
    }
    fputc(']', to);
}

void line_write(FILE *to, const struct event *e, uint64_t user, uint64_t salt)
{
    fprintf(to,
            "{\"t\":%" PRId64 ",\"kind\":\"%s\",\"app\":\"a\",\"user\":\"h%" PRIu64 "\",\"stream\":\"s%" PRIu64 "%s\"",
            e->t_us, kind_names[e->kind], user, user, e->stream ? "b" : "");
    switch ((enum kind)e->kind) {
    case START:
        write_start(to, e);
        break;
    case CALL:
        fprintf(to, ",\"call\":\"%" PRIu32 "\",\"api\":\"%s\"", e->call, api_name(e));
        if (e->api == AUTHORIZE)
            write_scopes(to, e);
        break;
    case RETURN:
        write_return(to, e, salt);
        break;
    case DECISION:
        fprintf(to, ",\"answer\":\"%s\"", answer_names[e->answer]);
        if (e->scope != NO_SCOPE)
            fprintf(to, ",\"scope\":\"scope.%s\"", scope_names[e->scope]);
        break;
    case PROMPT:
        fprintf(to, ",\"scope\":\"scope.%s\"", scope_names[e->scope]);
        if (e->call != NO_CALL)
            fprintf(to, ",\"call\":\"%" PRIu32 "\"", e->call);
        break;
    case SETTINGS:
        fprintf(to, ",\"scope\":\"scope.%s\",\"granted\":%s", scope_names[e->scope], e->granted ? "true" : "false");
        break;
    case PAGE:
        write_snapshot(to, e, salt);
        break;
    case RESET:
    case GAP:
    case END:
    case KINDS:
        break;
    }
    fputs("}\n", to);
}
