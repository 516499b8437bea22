/* notation.c: histories as a person writes them (README.md). */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "names.h"

#define WORD_BYTES 64

struct reader {
    const char *p;
    struct history *out;
};

static bool at_end(const char *p)
{
    return !*p || strchr(";=#\n", *p);
}

/* The next word of this event; false at its end. */
static bool word(struct reader *r, char out[WORD_BYTES])
{
    size_t n = 0;
    while (*r->p == ' ')
        r->p++;
    if (!at_end(r->p))
        while (*r->p && !strchr("; \n", *r->p) && n + 1 < WORD_BYTES)
            out[n++] = *r->p++;
    out[n] = '\0';
    return n > 0;
}

/* "record,userInfo" */
static bool scope_list(char *text, uint8_t *mask)
{
    for (char *save = NULL, *name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        int s = find_name(scope_names, SCOPES, name);
        if (s < 0)
            return false;
        *mask |= (uint8_t)(1 << s);
    }
    return *mask != 0;
}

/* "{record=on,userInfo=off}" */
static bool snapshot(char *text, struct event *e)
{
    size_t n = strlen(text);
    if (n < 2 || text[0] != '{' || text[n - 1] != '}')
        return false;
    text[n - 1] = '\0';
    e->has_snapshot = true;
    for (char *save = NULL, *name = strtok_r(text + 1, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        char *value = strchr(name, '=');
        if (!value)
            return false;
        *value++ = '\0';
        int s = find_name(scope_names, SCOPES, name);
        if (s < 0)
            return false;
        e->snapshot |= (uint16_t)((!strcmp(value, "on") ? G : D) << 2 * s);
    }
    return true;
}

static uint32_t call_number(const char *name)
{
    return name[0] >= 'a' && name[0] <= 'z' && !name[1] ? (uint32_t)(name[0] - 'a' + 1) : NO_CALL;
}

static bool one_scope(struct reader *r, struct event *e)
{
    char w[WORD_BYTES];
    int s = word(r, w) ? find_name(scope_names, SCOPES, w) : -1;
    e->scope = (uint8_t)s;
    return s >= 0;
}

static bool read_start(struct reader *r, struct event *e)
{
    char w[WORD_BYTES];
    while (word(r, w)) {
        int at = w[0] == '+' ? find_name(sight_names, 4, w + 1) : -1;
        if (at >= 0)
            e->observes |= (uint8_t)(1 << at);
        else if (!strcmp(w, "+all"))
            e->observes = SEES_ALL;
        else if (!strcmp(w, "fresh"))
            e->fresh = true;
        else
            return false;
    }
    return true;
}

static bool read_call(struct reader *r, struct event *e, const char *what)
{
    static const char *const apis[] = {"login", "call", "authorize", "getSetting", "openSetting"};
    char w[WORD_BYTES];
    e->kind = CALL;
    e->api = (uint8_t)find_name(apis, 5, what);
    if (!word(r, w) || !(e->call = call_number(w)))
        return false;
    return (e->api != GATED && e->api != AUTHORIZE) || (word(r, w) && scope_list(w, &e->scopes));
}

static bool read_return(struct reader *r, struct event *e)
{
    char w[WORD_BYTES];
    if (!word(r, w) || !(e->call = call_number(w)) || !word(r, w))
        return false;
    for (size_t i = 0; i < r->out->n; i++) {
        const struct event *call = &r->out->events[i];
        if (call->kind == CALL && call->call == e->call) {
            e->api = call->api;
            e->scopes = call->scopes;
        }
    }
    if (w[0] == '{')
        return snapshot(w, e);
    int at = find_name(outcome_names, 5, w);
    e->outcome = (uint8_t)at;
    return at >= 0;
}

static bool read_event(struct reader *r, struct event *e)
{
    char w[WORD_BYTES], more[WORD_BYTES];
    const char *what = w;
    if (!word(r, w))
        return false;
    e->t_us = NOTATION_STEP_US;
    if (*what == '~') {
        e->t_us *= 3;
        what++;
    }
    int kind = find_name(kind_names, KINDS, what);
    e->kind = (uint8_t)kind;
    e->scope = NO_SCOPE;
    int answer = find_name(answer_names, 3, what);
    if (answer >= 0) {
        e->kind = DECISION;
        e->answer = (uint8_t)answer;
        if (word(r, w)) {
            int s = find_name(scope_names, SCOPES, w);
            e->scope = (uint8_t)s;
            return s >= 0;
        }
        return true;
    }
    switch (kind) {
    case START:
        return read_start(r, e);
    case RETURN:
        return read_return(r, e);
    case PROMPT:
        if (!one_scope(r, e))
            return false;
        return !word(r, more) || (e->call = call_number(more)) != NO_CALL;
    case SETTINGS:
        if (!one_scope(r, e) || !word(r, more))
            return false;
        e->granted = !strcmp(more, "on");
        return e->granted || !strcmp(more, "off");
    case PAGE:
        return word(r, more) && snapshot(more, e);
    case RESET:
    case GAP:
    case END:
        return true;
    default:
        return read_call(r, e, what);
    }
}

const char *notation_read(const char *text, struct history *out)
{
    struct reader r = {.p = text, .out = out};
    int64_t t = 0;
    out->n = 0;
    while (*r.p == ' ')
        r.p++;
    while (!at_end(r.p)) {
        const char *from = r.p;
        struct event *e = &out->events[out->n];
        memset(e, 0, sizeof *e);
        if (out->n == HISTORY_EVENTS || !read_event(&r, e))
            return from;
        e->t_us = t += e->t_us;
        e->index = out->n++;
        while (*r.p == ' ')
            r.p++;
        if (!at_end(r.p))
            return from;
        while (*r.p == ';' || *r.p == ' ')
            r.p++;
    }
    return NULL;
}

static void write_name(FILE *to, uint32_t call)
{
    fprintf(to, " %c", call <= 26 ? (char)('a' + call - 1) : '?');
}

static void write_snapshot(FILE *to, unsigned states)
{
    const char *comma = "";
    fputs(" {", to);
    for (unsigned s = 0; s < SCOPES; s++) {
        if (states >> 2 * s & 3) {
            fprintf(to, "%s%s=%s", comma, scope_names[s], (states >> 2 * s & 3) == G ? "on" : "off");
            comma = ",";
        }
    }
    fputc('}', to);
}

static void write_call(FILE *to, const struct event *e)
{
    static const char *const apis[] = {"login", "call", "authorize", "getSetting", "openSetting"};
    char comma = ' ';
    fputs(apis[e->api], to);
    write_name(to, e->call);
    if (e->api != GATED && e->api != AUTHORIZE)
        return;
    for (unsigned s = 0; s < SCOPES; s++) {
        if (e->scopes >> s & 1) {
            fprintf(to, "%c%s", comma, scope_names[s]);
            comma = ',';
        }
    }
}

void notation_write(FILE *to, const struct event *e, bool quiet)
{
    if (quiet)
        fputc('~', to);
    if (e->kind == CALL)
        write_call(to, e);
    else
        fputs(e->kind == DECISION ? answer_names[e->answer] : kind_names[e->kind], to);
    if (e->kind == START) {
        fputs(e->fresh ? " fresh" : "", to);
        for (unsigned i = 0; i < 4; i++)
            if (e->observes >> i & 1)
                fprintf(to, " +%s", sight_names[i]);
    }
    if (e->kind == RETURN)
        write_name(to, e->call);
    if (e->kind == RETURN && !e->has_snapshot)
        fprintf(to, " %s", outcome_names[e->outcome]);
    if ((e->kind == PROMPT || e->kind == DECISION || e->kind == SETTINGS) && e->scope != NO_SCOPE)
        fprintf(to, " %s", scope_names[e->scope]);
    if (e->kind == PROMPT && e->call != NO_CALL)
        write_name(to, e->call);
    if (e->kind == SETTINGS)
        fputs(e->granted ? " on" : " off", to);
    if (e->has_snapshot)
        write_snapshot(to, e->snapshot);
}
