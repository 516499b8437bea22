/* identity.c: app, user and platform as the options say: literal, query:, header:, pointer:. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

enum how { NOT_GIVEN, LITERAL, QUERY, HEADER, POINTER };

struct at_ident {
    struct part {
        enum how how;
        struct at_str text;
        struct at_pointer pointer;
    } parts[3];
    struct at_arena arena;
};

static const char *const option_names[] = {"--app", "--user", "--platform"};

static enum at_err compile(struct at_ident *i, size_t which, const char *given, struct at_why *why)
{
    static const struct {
        const char *prefix;
        enum how how;
    } hows[] = {{"query:", QUERY}, {"header:", HEADER}, {"pointer:", POINTER}};
    struct part *p = &i->parts[which];
    if (!given)
        return AT_OK;
    p->how = LITERAL;
    for (size_t k = 0; k < 3; k++)
        if (!strncmp(given, hows[k].prefix, strlen(hows[k].prefix))) {
            p->how = hows[k].how;
            given += strlen(hows[k].prefix);
        }
    p->text = at_arena_copy(&i->arena, at_str(given));
    if (!p->text.ptr)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    if (p->text.len == 0 && p->how != POINTER)
        return at_fail(why, AT_BAD, "%s is empty", option_names[which]);
    if (!at_utf8_valid(p->text))
        return at_fail(why, AT_BAD, "%s is not UTF-8", option_names[which]);
    if (p->how != POINTER)
        return AT_OK;
    enum at_err err = at_pointer_compile(&i->arena, p->text, &p->pointer);
    return err == AT_BAD ? at_fail(why, err, "'%s' of %s is no JSON Pointer", given, option_names[which]) : err;
}

enum at_err at_ident_new(const struct at_identity *given, struct at_ident **out, struct at_why *why)
{
    const char *const texts[] = {given->app, given->user, given->platform};
    struct at_ident *i = calloc(1, sizeof *i);
    enum at_err err = i ? AT_OK : at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    for (size_t k = 0; k < 3 && !err; k++)
        err = compile(i, k, texts[k], why);
    if (err)
        at_ident_free(&i);
    *out = i;
    return err;
}

void at_ident_free(struct at_ident **i)
{
    if (!*i)
        return;
    at_arena_free(&(*i)->arena);
    free(*i);
    *i = NULL;
}

void at_ident_memory_free(struct at_ident_memory *m)
{
    for (size_t k = 0; k < 3; k++)
        at_buf_free(&m->text[k]);
    *m = (struct at_ident_memory){0};
}

bool at_ident_every_message(const struct at_ident *i)
{
    return i->parts[0].how == POINTER || i->parts[1].how == POINTER || i->parts[2].how == POINTER;
}

#define NAME_MAX_BYTES 4096u

/* What a message says by pointer holds for the connection until another message says otherwise. */
static enum at_err by_pointer(const struct part *p, const struct at_scene *s, struct at_buf *text, bool *known,
                              struct at_str *out)
{
    struct at_str found = {0};
    uint32_t node = at_pointer_find(&p->pointer, s->doc, s->node);
    if (node != AT_NO_NODE && memchr("\"0", s->doc->nodes[node].type, 2)) {
        enum at_err err = at_doc_text(s->doc, node, s->arena, &found);
        if (err)
            return err;
    }
    if (found.len && found.len <= NAME_MAX_BYTES) {
        text->len = 0;
        enum at_err err = at_buf_str(text, found);
        if (err)
            return err;
        *known = true;
    }
    if (*known)
        *out = at_buf_view(text);
    return AT_OK;
}

enum at_err at_ident_look(const struct at_ident *i, const struct at_scene *s, struct at_ident_memory *memory,
                          struct at_names *out)
{
    struct at_str *const names[] = {&out->app, &out->user, &out->platform};
    *out = (struct at_names){0};
    for (size_t k = 0; k < 3; k++) {
        const struct part *p = &i->parts[k];
        enum at_err err = AT_OK;
        switch (p->how) {
        case NOT_GIVEN:
            break;
        case LITERAL:
            *names[k] = p->text;
            break;
        case QUERY:
            *names[k] = at_target_query(s->m->stream->target, p->text, s->arena);
            break;
        case HEADER:
            *names[k] = at_header_value(s->m->stream->headers, p->text);
            break;
        case POINTER:
            err = by_pointer(p, s, &memory->text[k], &memory->known[k], names[k]);
            break;
        }
        if (err)
            return err;
        if (names[k]->ptr && (names[k]->len == 0 || names[k]->len > NAME_MAX_BYTES || !at_utf8_valid(*names[k]) ||
                              memchr(names[k]->ptr, 0, names[k]->len)))
            *names[k] = (struct at_str){0};
    }
    return AT_OK;
}
