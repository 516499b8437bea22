/* http_head.c: where an HTTP/1.x message starts, and what its start line and fields say (RFC 9110, RFC 9112). */
#include <string.h>
#include <strings.h>

#include "tracer/http.h"

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool at_http_is_token(struct at_str s, const char *token)
{
    return s.len == strlen(token) && !strncasecmp(s.ptr, token, s.len);
}

static struct at_str trim(struct at_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    return s;
}

bool at_http_list_next(struct at_str *rest, struct at_str *element)
{
    while (rest->len) {
        const char *comma = memchr(rest->ptr, ',', rest->len);
        size_t n = comma ? (size_t)(comma - rest->ptr) : rest->len;
        *element = trim((struct at_str){rest->ptr, n});
        n += comma != NULL;
        rest->ptr += n;
        rest->len -= n;
        if (element->len)
            return true;
    }
    return false;
}

/* Takes the next line off `s`, without its line end. */
static bool next_line(struct at_str *s, struct at_str *line)
{
    const char *nl = s->len ? memchr(s->ptr, '\n', s->len) : NULL;
    if (!nl)
        return false;
    size_t n = (size_t)(nl - s->ptr);
    *line = (struct at_str){s->ptr, n && s->ptr[n - 1] == '\r' ? n - 1 : n};
    s->ptr += n + 1;
    s->len -= n + 1;
    return true;
}

static bool is_version(const char *p)
{
    return !memcmp(p, "HTTP/1.", 7) && p[7] >= '0' && p[7] <= '9';
}

static bool parse_status_line(struct at_str line, struct at_http_head *out)
{
    if (line.len < 12 || !is_version(line.ptr) || line.ptr[8] != ' ')
        return false;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return false;
        status = status * 10 + (unsigned)(line.ptr[i] - '0');
    }
    out->response = true;
    out->status = (uint16_t)status;
    return status >= 100 && (line.len == 12 || line.ptr[12] == ' ');
}

static bool parse_request_line(struct at_str line, struct at_http_head *out)
{
    while (line.len && memchr(" \t\r", line.ptr[line.len - 1], 3))
        line.len--;
    const char *space = memchr(line.ptr, ' ', line.len);
    if (!space || space == line.ptr || line.len < 10 || !is_version(line.ptr + line.len - 8))
        return false;
    out->method = (struct at_str){line.ptr, (size_t)(space - line.ptr)};
    for (size_t i = 0; i < out->method.len; i++)
        if (!is_token_char(out->method.ptr[i]))
            return false;
    const char *end = line.ptr + line.len - 8;
    if (end - space < 3 || end[-1] != ' ')
        return false;
    out->target = trim((struct at_str){space, (size_t)(end - space)});
    return out->target.len > 0;
}

static void parse_length(struct at_str value, struct at_http_head *out)
{
    struct at_str one;
    while (at_http_list_next(&value, &one)) {
        uint64_t n = 0;
        bool good = one.len <= 18;
        for (size_t i = 0; i < one.len && good; i++) {
            good = one.ptr[i] >= '0' && one.ptr[i] <= '9';
            n = n * 10 + (uint64_t)(one.ptr[i] - '0');
        }
        if (!good || (out->has_length && n != out->length)) { /* RFC 9112, section 6.3, rule 5 */
            out->conflict = out->broken = true;
            continue;
        }
        out->has_length = true;
        out->length = n;
    }
}

/* Adds a coding that was applied after those already there. */
static void add_coding(struct at_str name, struct at_http_head *out)
{
    enum at_coding coding = AT_CODING_GZIP;
    if (at_http_is_token(name, "identity"))
        return;
    if (at_http_is_token(name, "deflate"))
        coding = AT_CODING_DEFLATE;
    else if (!at_http_is_token(name, "gzip") && !at_http_is_token(name, "x-gzip"))
        out->unknown_coding = true;
    if (out->n_codings == AT_CODINGS_MAX) {
        out->unknown_coding = true;
        return;
    }
    memmove(out->codings + 1, out->codings, out->n_codings * sizeof out->codings[0]);
    out->codings[0] = coding;
    out->n_codings++;
}

static void parse_transfer(struct at_str value, struct at_http_head *out)
{
    struct at_str one;
    while (at_http_list_next(&value, &one)) {
        if (out->chunked) /* chunked has to be the last one */
            out->conflict = true;
        if (at_http_is_token(one, "chunked"))
            out->chunked = true;
        else
            add_coding(one, out);
    }
}

/* Few fields matter here, and they differ in length: most are passed over at once. */
static void parse_field(struct at_str name, struct at_str value, struct at_http_head *out, struct at_str *transfer)
{
    struct at_str one;
    switch (name.len) {
    case 7:
        if (at_http_is_token(name, "upgrade"))
            while (at_http_list_next(&value, &one))
                out->upgrade |= at_http_is_token(one, "websocket");
        break;
    case 14:
        if (at_http_is_token(name, "content-length"))
            parse_length(value, out);
        break;
    case 16:
        if (at_http_is_token(name, "content-encoding"))
            while (at_http_list_next(&value, &one))
                add_coding(one, out);
        break;
    case 17:
        if (at_http_is_token(name, "transfer-encoding")) {
            if (transfer->ptr) /* given twice: the first was complete in itself */
                parse_transfer(*transfer, out);
            *transfer = trim(value);
        }
        break;
    case 24:
        if (at_http_is_token(name, "sec-websocket-extensions") && !out->extensions.ptr)
            out->extensions = trim(value);
        break;
    default:
        break;
    }
}

bool at_http_parse_head(struct at_str text, struct at_http_head *out)
{
    struct at_str line, transfer = {0};
    *out = (struct at_http_head){0};
    if (!next_line(&text, &line))
        return false;
    if (!parse_status_line(line, out) && (out->response || !parse_request_line(line, out)))
        return false;
    out->fields = text;
    while (next_line(&text, &line) && line.len) {
        const char *colon = memchr(line.ptr, ':', line.len);
        if (!colon || colon == line.ptr) {
            if (line.ptr[0] != ' ' && line.ptr[0] != '\t') /* obs-fold goes with what was before */
                return false;
            continue;
        }
        struct at_str name = {line.ptr, (size_t)(colon - line.ptr)};
        struct at_str value = {colon + 1, (size_t)(line.ptr + line.len - colon - 1)};
        if (name.len && (name.ptr[0] <= ' ' || name.ptr[name.len - 1] <= ' '))
            name = trim(name);
        parse_field(name, value, out, &transfer);
    }
    out->fields.len -= text.len;
    out->fields.len -= out->fields.len >= 2 && out->fields.ptr[out->fields.len - 2] == '\r' ? 2 : 1;
    if (transfer.ptr) { /* applied after the content codings */
        parse_transfer(transfer, out);
        out->conflict |= out->has_length; /* RFC 9112, section 6.3, rule 3: Transfer-Encoding wins */
        out->has_length = false;
        out->broken = !out->chunked && !out->response;
    }
    return true;
}

enum at_http_start at_http_sniff(struct at_str s)
{
    static const char version[] = "HTTP/1.";
    size_t n = s.len < 7 ? s.len : 7;
    if (!memcmp(s.ptr, version, n))
        return s.len < 9 ? AT_HTTP_MAYBE : s.ptr[8] == ' ' ? AT_HTTP_RESPONSE : AT_HTTP_NO;
    size_t i = 0;
    while (i < s.len && i < 24 && is_token_char(s.ptr[i]))
        i++;
    if (i == s.len)
        return i < 24 ? AT_HTTP_MAYBE : AT_HTTP_NO;
    if (i == 0 || s.ptr[i] != ' ')
        return AT_HTTP_NO;
    if (i + 1 == s.len)
        return AT_HTTP_MAYBE;
    if (s.len >= i + 10 && !memcmp(s.ptr + i, " * HTTP/2.", 10)) /* RFC 9113, section 3.4 */
        return AT_HTTP_NO;
    unsigned char c = (unsigned char)s.ptr[i + 1];
    if (c <= ' ' || c >= 0x7f)
        return AT_HTTP_NO;
    const char *nl = memchr(s.ptr, '\n', s.len);
    struct at_http_head head = {0};
    if (!nl)
        return s.len < AT_HTTP_LINE_MAX ? AT_HTTP_MAYBE : AT_HTTP_REQUEST;
    return parse_request_line((struct at_str){s.ptr, (size_t)(nl - s.ptr)}, &head) ? AT_HTTP_REQUEST : AT_HTTP_NO;
}

/* The start of the request line whose version is at `at`, SIZE_MAX where it is none. */
static size_t request_line_before(struct at_str s, size_t from, size_t at)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"};
    size_t i = at - 1; /* the space before the version */
    while (i > from && s.ptr[i - 1] > ' ' && s.ptr[i - 1] < 0x7f)
        i--;
    if (i <= from || i == at - 1 || s.ptr[i - 1] != ' ')
        return SIZE_MAX;
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        size_t n = strlen(methods[m]);
        if (i - 1 - from >= n && !memcmp(s.ptr + i - 1 - n, methods[m], n))
            return i - 1 - n;
    }
    return SIZE_MAX;
}

/*
 * A status line may start anywhere: it follows the last byte of a body directly. A request line is known by its end.
 * Both need a line end behind them, so that text that only speaks of HTTP is not taken for it.
 */
size_t at_http_search(struct at_str s, size_t from, bool *response)
{
    for (size_t at = from; at + 9 < s.len; at++) {
        const char *hit = memmem(s.ptr + at, s.len - at, "HTTP/1.", 7);
        if (!hit)
            return SIZE_MAX;
        at = (size_t)(hit - s.ptr);
        if (at + 9 >= s.len)
            return SIZE_MAX;
        struct at_http_head head = {0};
        struct at_str rest = {hit, s.len - at}, line;
        if (s.ptr[at + 8] == ' ') {
            *response = true;
            if (next_line(&rest, &line) && parse_status_line(line, &head))
                return at;
        } else if (at > from && s.ptr[at - 1] == ' ' && (s.ptr[at + 8] == '\r' || s.ptr[at + 8] == '\n')) {
            size_t start = request_line_before(s, from, at);
            *response = false;
            if (start != SIZE_MAX)
                return start;
        }
    }
    return SIZE_MAX;
}
