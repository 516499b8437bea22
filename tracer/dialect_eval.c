/* dialect_eval.c: values and conditions of a mapping, met with a message. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

/* ---- The request line and headers */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Percent-decoding (RFC 3986, section 2.1), '+' as in HTML forms. Broken escapes stay as they are. */
static struct at_str decode(struct at_str s, struct at_arena *arena)
{
    if (!memchr(s.ptr, '%', s.len) && !memchr(s.ptr, '+', s.len))
        return s;
    char *to = at_arena_get(arena, s.len);
    if (!to)
        return (struct at_str){0};
    struct at_str out = {to, 0};
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%' && i + 2 < s.len && hex_digit(s.ptr[i + 1]) >= 0 && hex_digit(s.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(s.ptr[i + 1]) << 4 | hex_digit(s.ptr[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        to[out.len++] = c;
    }
    return out;
}

static size_t find_byte(struct at_str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

struct at_str at_target_path(struct at_str target)
{
    if (target.ptr)
        target.len = find_byte(target, '?');
    return target;
}

struct at_str at_target_query(struct at_str target, struct at_str name, struct at_arena *arena)
{
    size_t at = find_byte(target, '?');
    while (target.ptr && at < target.len) {
        struct at_str pair = {target.ptr + at + 1, target.len - at - 1};
        size_t hash = find_byte(pair, '#');
        pair.len = find_byte((struct at_str){pair.ptr, hash}, '&');
        at += 1 + pair.len;
        if (at < target.len && target.ptr[at] == '#')
            at = target.len;
        size_t equals = find_byte(pair, '=');
        struct at_str key = decode((struct at_str){pair.ptr, equals}, arena);
        if (!at_str_eq(key, name))
            continue;
        if (equals == pair.len)
            return (struct at_str){pair.ptr, 0};
        return decode((struct at_str){pair.ptr + equals + 1, pair.len - equals - 1}, arena);
    }
    return (struct at_str){0};
}

static bool same_ignoring_case(struct at_str a, struct at_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        char x = a.ptr[i], y = b.ptr[i];
        if (x != y && ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z'))
            return false;
    }
    return true;
}

struct at_str at_header_value(struct at_str headers, struct at_str name)
{
    while (headers.ptr && headers.len) {
        size_t n = find_byte(headers, '\n');
        struct at_str line = {headers.ptr, n};
        size_t used = n < headers.len ? n + 1 : n;
        headers = (struct at_str){headers.ptr + used, headers.len - used};
        size_t colon = find_byte(line, ':');
        if (colon == line.len || !same_ignoring_case((struct at_str){line.ptr, colon}, name))
            continue;
        line = (struct at_str){line.ptr + colon + 1, line.len - colon - 1};
        while (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
            line = (struct at_str){line.ptr + 1, line.len - 1};
        while (line.len && strchr(" \t\r", line.ptr[line.len - 1]))
            line.len--;
        return line;
    }
    return (struct at_str){0};
}

/* ---- Where values come from */

static enum at_err found_at(const struct at_doc *d, uint32_t node, struct at_arena *arena, struct at_found *out)
{
    if (node == AT_NO_NODE)
        return AT_OK;
    out->type = d->nodes[node].type;
    out->doc = d;
    out->node = node;
    if (out->type == AT_J_OBJECT || out->type == AT_J_ARRAY)
        return AT_OK;
    return at_doc_text(d, node, arena, &out->text);
}

/* What most values are: a place in the item and nothing else. */
static inline bool is_pointer(const struct at_value *v)
{
    return v->plain && v->source == AT_FROM_ITEM;
}

/* As found_at, where null is nothing. */
static inline enum at_err found_there(const struct at_doc *d, uint32_t node, struct at_arena *arena,
                                      struct at_found *out)
{
    return node == AT_NO_NODE || d->nodes[node].type == AT_J_NULL ? AT_OK : found_at(d, node, arena, out);
}

static void found_text(struct at_str text, struct at_found *out)
{
    if (text.ptr)
        *out = (struct at_found){.type = AT_J_STRING, .text = text};
}

static void from_flow(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    const struct at_stream *stream = s->m->stream;
    struct at_str name = stream->name, text = {0};
    size_t split = at_str_find(name, AT_STR(">"));
    uint64_t number = 0;
    switch ((enum at_flow)v->which) {
    case AT_FLOW_STREAM:
        text = name;
        break;
    case AT_FLOW_CLIENT:
        text = (struct at_str){name.ptr, split < name.len ? split : name.len};
        break;
    case AT_FLOW_SERVER:
        if (split < name.len)
            text = (struct at_str){name.ptr + split + 1, name.len - split - 1};
        break;
    case AT_FLOW_TARGET:
        text = stream->target;
        break;
    case AT_FLOW_PATH:
        text = at_target_path(stream->target);
        break;
    case AT_FLOW_EXCHANGE:
        number = s->m->exchange;
        break;
    case AT_FLOW_STATUS:
        number = s->m->status;
        break;
    }
    if (number) {
        char digits[24];
        int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
        found_text(at_arena_copy(s->arena, (struct at_str){digits, (size_t)n}), out);
        out->type = AT_J_NUMBER;
    } else {
        found_text(text, out);
    }
}

/* What stands in quotes inside of a text and starts so; *out stays the first. False: there are different ones. */
static bool only_quoted(struct at_str text, struct at_str start, struct at_str *out)
{
    for (size_t from = 0; from < text.len;) {
        size_t at = at_str_find((struct at_str){text.ptr + from, text.len - from}, start);
        if (at == SIZE_MAX)
            return true;
        at += from;
        from = at + start.len;
        while (from < text.len && at_is_word(text.ptr[from]))
            from++;
        struct at_str word = {text.ptr + at, from - at};
        if (at == 0 || !memchr("\"'`", text.ptr[at - 1], 3))
            continue;
        if (out->ptr && !at_str_eq(*out, word))
            return false;
        *out = word;
    }
    return true;
}

/* The first member of a name, or the first text that starts so, or the only thing in quotes that does. */
static enum at_err from_find(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    uint32_t top = at_scene_find(s, &v->ptr);
    struct at_str word = {0};
    if (top == AT_NO_NODE)
        return AT_OK;
    for (uint32_t i = top; i < s->doc->nodes[top].next; i++) {
        uint8_t type = s->doc->nodes[i].type;
        struct at_str text;
        if (type != (v->text.ptr ? AT_J_KEY : AT_J_STRING))
            continue;
        enum at_err err = at_doc_text(s->doc, i, s->arena, &text);
        if (err)
            return err;
        if (v->quoted) {
            if (!only_quoted(text, v->starts, &word))
                return AT_OK;
        } else if (v->text.ptr ? at_str_eq(text, v->text) : at_str_starts(text, v->starts)) {
            return found_at(s->doc, v->text.ptr ? i + 1 : i, s->arena, out);
        }
    }
    found_text(word, out);
    return AT_OK;
}

/* The first of the values that is there. */
static enum at_err from_first(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < v->n_list && !err && !out->type; i++) {
        const struct at_value *one = &v->list[i];
        if (is_pointer(one))
            err = found_there(s->doc, at_scene_find(s, &one->ptr), s->arena, out);
        else
            err = at_value_get(one, s, out);
    }
    return err;
}

static enum at_err from_list(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    struct at_named named = {0};
    struct at_str joined = {"", 0};
    for (size_t i = 0; i < v->n_list; i++) {
        struct at_found f;
        enum at_err err = at_value_get(&v->list[i], s, &f);
        if (err)
            return err;
        if (v->source == AT_FROM_NAMES) {
            err = at_apis_named(s->apis, &f, s->arena, &named);
            if (err)
                return err;
        } else {
            if (!f.text.ptr)
                return AT_OK; /* a part is missing: nothing */
            char *to = at_arena_get(s->arena, joined.len + f.text.len);
            if (!to)
                return AT_NOMEM;
            memcpy(to, joined.ptr, joined.len);
            memcpy(to + joined.len, f.text.ptr, f.text.len);
            joined = (struct at_str){to, joined.len + f.text.len};
        }
    }
    if (v->source == AT_FROM_NAMES && !named.several)
        found_text(named.name, out);
    if (v->source == AT_FROM_JOIN)
        found_text(joined, out);
    return AT_OK;
}

static enum at_err from_source(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    switch (v->source) {
    case AT_FROM_ITEM:
        return found_at(s->doc, at_scene_find(s, &v->ptr), s->arena, out);
    case AT_FROM_ROOT:
        return found_at(s->root, at_pointer_find(&v->ptr, s->root, 0), s->arena, out);
    case AT_FROM_TEXT:
        *out = (struct at_found){.type = v->type, .text = v->text};
        return AT_OK;
    case AT_FROM_QUERY:
        found_text(at_target_query(s->m->stream->target, v->text, s->arena), out);
        return AT_OK;
    case AT_FROM_HEADER:
        found_text(at_header_value(s->m->stream->headers, v->text), out);
        return AT_OK;
    case AT_FROM_FLOW:
        from_flow(v, s, out);
        return AT_OK;
    case AT_FROM_REQUEST:
        found_text(v->which == AT_REQUEST_API ? s->request_api : s->request_call, out);
        return AT_OK;
    case AT_FROM_FIND:
        return from_find(v, s, out);
    case AT_FROM_FIRST:
        return from_first(v, s, out);
    case AT_FROM_JOIN:
    case AT_FROM_NAMES:
        return from_list(v, s, out);
    }
    return AT_OK;
}

/* ---- What is done to them */

static enum at_err apply_json(const struct at_value *v, const struct at_scene *s, struct at_found *f)
{
    const struct at_doc *d = NULL;
    struct at_str text = f->type == AT_J_STRING ? f->text : (struct at_str){0};
    *f = (struct at_found){0};
    enum at_err err = at_docs_take(s->docs, text, &d);
    if (s->finder)
        s->finder->doc = NULL; /* the index may be one that was used before */
    return err || !d ? err : found_at(d, at_pointer_find(&v->json, d, 0), s->arena, f);
}

static void apply_strip(const struct at_value *v, struct at_found *f)
{
    for (size_t i = 0; i < v->n_strip; i++)
        if (at_str_starts(f->text, v->strip[i])) {
            f->text = (struct at_str){f->text.ptr + v->strip[i].len, f->text.len - v->strip[i].len};
            return;
        }
}

static void apply_map(const struct at_value *v, struct at_found *f)
{
    for (size_t i = 0; i < v->n_map; i++)
        if (at_str_eq(v->map[i].from, f->text)) {
            *f = (struct at_found){.type = v->map[i].type, .text = v->map[i].to};
            return;
        }
    *f = (struct at_found){0};
}

enum at_err at_value_get(const struct at_value *v, const struct at_scene *s, struct at_found *out)
{
    *out = (struct at_found){0};
    if (is_pointer(v))
        return found_there(s->doc, at_scene_find(s, &v->ptr), s->arena, out);
    if (v->plain) {
        enum at_err plain_err = from_source(v, s, out);
        if (out->type == AT_J_NULL)
            *out = (struct at_found){0};
        return plain_err;
    }
    enum at_err err = v->when && !at_when_holds(v->when, s) ? AT_OK : from_source(v, s, out);
    if (!err && out->type && v->has_json)
        err = apply_json(v, s, out);
    if (err)
        return err;
    if (out->text.ptr) {
        apply_strip(v, out);
        if (v->before.ptr) {
            size_t n = at_str_find(out->text, v->before);
            if (n < out->text.len)
                out->text.len = n;
        }
        if (v->known_api && !at_apis_has(s->apis, out->text))
            *out = (struct at_found){0};
        else if (v->has_map)
            apply_map(v, out);
    }
    if (out->type == AT_J_NULL)
        *out = (struct at_found){0};
    if (!out->type && v->default_type)
        *out = (struct at_found){.type = v->default_type, .text = v->default_text};
    return AT_OK;
}

/* ---- Conditions */

/* Numbers are the same by value: 1 and 1.0. */
static bool same_number(struct at_str a, struct at_str b)
{
    char x[64], y[64];
    if (at_str_eq(a, b))
        return true;
    if (a.len >= sizeof x || b.len >= sizeof y)
        return false;
    memcpy(x, a.ptr, a.len);
    memcpy(y, b.ptr, b.len);
    x[a.len] = y[b.len] = 0;
    double p = strtod(x, NULL), q = strtod(y, NULL);
    return !(p < q) && !(p > q);
}

static bool is_one_of(const struct at_test *t, uint8_t type, struct at_str text)
{
    for (size_t i = 0; i < t->n_any; i++) {
        const struct at_map_entry *m = &t->any[i];
        bool both_bool = (type == AT_J_TRUE || type == AT_J_FALSE) && m->type == AT_J_TRUE;
        if (t->op == AT_TEST_TYPE ? type == m->type || both_bool
            : t->op == AT_TEST_STARTS
                ? type == AT_J_STRING && at_str_starts(text, m->to)
                : type == m->type && (type == AT_J_NUMBER ? same_number(text, m->to) : at_str_eq(text, m->to)))
            return true;
    }
    return false;
}

static bool test_holds(const struct at_test *t, const struct at_scene *s)
{
    if (t->texts && s->finder)
        return (t->texts >> at_scene_number(s, t->ptr.place) & 1) != t->negate;
    uint32_t node = at_scene_find(s, &t->ptr);
    if (t->op == AT_TEST_EXISTS)
        return (node != AT_NO_NODE) != t->negate;
    struct at_str text = {0};
    if (node == AT_NO_NODE || at_doc_text(s->doc, node, s->arena, &text))
        return t->negate;
    return is_one_of(t, s->doc->nodes[node].type, text) != t->negate;
}

bool at_when_holds(const struct at_when *w, const struct at_scene *s)
{
    for (size_t g = 0; g < w->n; g++) {
        size_t i = 0;
        while (i < w->groups[g].n && test_holds(&w->groups[g].tests[i], s))
            i++;
        if (i == w->groups[g].n)
            return true;
    }
    return w->n == 0;
}
