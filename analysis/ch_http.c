/* ch_http.c: requests to a ClickHouse server, by libcurl; frames of LZ4. */
#include "analysis/clickhouse.h"

#ifndef AT_CLICKHOUSE

enum at_err ch_link_new(const struct ch_server *server, struct ch_link **out, struct at_why *why)
{
    (void)server;
    *out = NULL;
    return at_fail(why, AT_NOTFOUND, "this authtape was built without libcurl and liblz4");
}

void ch_link_free(struct ch_link **link)
{
    *link = NULL;
}

enum at_err ch_query(struct ch_link *link, const char *text, struct at_buf *out, struct at_why *why)
{
    (void)link;
    (void)text;
    (void)out;
    return at_fail(why, AT_NOTFOUND, "built without libcurl");
}

enum at_err ch_insert(struct ch_link *link, const char *text, const char *query_id, struct at_str body,
                      struct at_why *why)
{
    (void)query_id;
    (void)body;
    return ch_query(link, text, NULL, why);
}

bool ch_wait(const struct ch_link *link, unsigned *tried, uint64_t *waited_ms)
{
    (void)link;
    (void)tried;
    (void)waited_ms;
    return false;
}

enum at_err ch_stream(struct ch_link *link, const char *text,
                      enum at_err (*take)(void *ctx, const void *data, size_t len), void *ctx, struct at_why *why)
{
    (void)take;
    (void)ctx;
    return ch_query(link, text, NULL, why);
}

enum at_err ch_frames(struct at_str bytes, struct at_buf *out)
{
    (void)bytes;
    (void)out;
    return AT_NOTFOUND;
}

#else

#include <curl/curl.h>
#include <lz4.h>
#include <stdlib.h>
#include <time.h>

#define FRAME_BYTES (1u << 20)
#define FRAME_HEAD 25u /* checksum, method, two sizes */
#define ANSWER_MAX ((size_t)256 << 20)
#define CONNECT_MS 10000L
#define IDLE_S 300L /* without a byte, in either direction */

struct ch_link {
    struct ch_server server;
    CURL *curl;
    struct at_buf url, text; /* scratch */
    struct curl_slist *headers;
    /* The request at hand. */
    struct at_buf *answer;
    struct at_buf error; /* the body of an answer that is none */
    enum at_err (*take)(void *ctx, const void *data, size_t len);
    void *take_ctx;
    enum at_err take_err;
    bool came; /* something was taken */
};

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
    struct ch_link *l = ctx;
    long status = 0;
    size_t len = size * n;
    curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return l->error.len > 4096 || !at_buf_add(&l->error, data, len) ? len : 0;
    if (l->take) {
        l->came = true;
        l->take_err = l->take(l->take_ctx, data, len);
        return l->take_err ? 0 : len;
    }
    if (!l->answer)
        return len;
    return l->answer->len + len > ANSWER_MAX || at_buf_add(l->answer, data, len) ? 0 : len;
}

static enum at_err add_header(struct ch_link *l, const char *name, const char *variable)
{
    const char *value = getenv(variable);
    char line[512];
    if (!value)
        return AT_OK;
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *more = curl_slist_append(l->headers, line);
    if (!more)
        return AT_NOMEM;
    l->headers = more;
    return AT_OK;
}

enum at_err ch_link_new(const struct ch_server *server, struct ch_link **out, struct at_why *why)
{
    struct ch_link *l = *out = calloc(1, sizeof *l);
    if (!l)
        return at_fail(why, AT_NOMEM, "out of memory");
    l->server = *server;
    enum at_err err = AT_OK;
    if (strncmp(server->url, "http://", 7) != 0 && strncmp(server->url, "https://", 8) != 0)
        err = at_fail(why, AT_BAD, "a URL is needed, as http://HOST:8123/?database=NAME");
    if (!err && (curl_global_init(CURL_GLOBAL_DEFAULT) || !(l->curl = curl_easy_init())))
        err = at_fail(why, AT_NOMEM, "libcurl cannot be set up");
    if (!err &&
        (!(l->headers = curl_slist_append(NULL, "Expect:")) || add_header(l, "X-ClickHouse-User", "CLICKHOUSE_USER") ||
         add_header(l, "X-ClickHouse-Key", "CLICKHOUSE_PASSWORD")))
        err = at_fail(why, AT_NOMEM, "out of memory");
    if (err)
        ch_link_free(out);
    return err;
}

void ch_link_free(struct ch_link **link)
{
    struct ch_link *l = *link;
    if (!l)
        return;
    if (l->curl)
        curl_easy_cleanup(l->curl);
    curl_slist_free_all(l->headers);
    at_buf_free(&l->url);
    at_buf_free(&l->text);
    at_buf_free(&l->error);
    free(l);
    *link = NULL;
}

/* ---- One request */

/* The text with the prefix in place of every "{p}". */
static enum at_err with_prefix(const struct ch_link *l, const char *text, struct at_buf *out)
{
    enum at_err err = AT_OK;
    for (const char *hole; !err && (hole = strstr(text, "{p}")); text = hole + 3) {
        err = at_buf_add(out, text, (size_t)(hole - text));
        if (!err)
            err = at_buf_str(out, at_str(l->server.prefix));
    }
    return err ? err : at_buf_str(out, at_str(text));
}

static enum at_err add_parameter(struct ch_link *l, const char *name, struct at_str value)
{
    char *safe = curl_easy_escape(l->curl, value.len ? value.ptr : "", (int)value.len);
    const char *join = strchr(l->server.url, '?') || strchr(l->url.ptr, '?') ? "&" : "?";
    enum at_err err = safe ? at_buf_printf(&l->url, "%s%s=%s", join, name, safe) : AT_NOMEM;
    if (!err)
        err = at_buf_add(&l->url, "", 1); /* for strchr */
    l->url.len -= !err;
    curl_free(safe);
    return err;
}

/* The number in "Code: 60, e.displayText() = …"; 0 where there is none. */
static int code_of(const struct at_buf *error)
{
    size_t at = at_str_find(at_buf_view(error), AT_STR("Code: "));
    int code = 0;
    for (size_t i = at + 6; at != SIZE_MAX && i < error->len && error->ptr[i] >= '0' && error->ptr[i] <= '9'; i++)
        code = code < 100000 ? code * 10 + (error->ptr[i] - '0') : code;
    return code;
}

/* What no second try makes better. */
static bool is_final(int code, long status)
{
    /* no such column, bad arguments, wrong types, no such table, syntax, no such database, no such setting, who are
     * you, access denied … */
    static const int codes[] = {6,  16, 20, 26,  27,  33,  36,  43,  47,  48,  53,  57,  60,  62, 70,
                                72, 81, 82, 107, 115, 164, 192, 193, 194, 195, 291, 368, 497, 516};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return code != 33 || status != 500; /* 33: the body was cut off */
    return status >= 400 && status < 500 && status != 408 && status != 429;
}

static enum at_err server_said(const struct ch_link *l, long status, struct at_why *why)
{
    int code = code_of(&l->error);
    size_t len = 0;
    while (len < l->error.len && l->error.ptr[len] != '\n' && len < 240)
        len++;
    enum at_err err = code == 60 ? AT_NOTFOUND : is_final(code, status) ? AT_IO : AT_AGAIN;
    return l->error.len ? at_fail(why, err, "the server says: %.*s", (int)len, l->error.ptr)
                        : at_fail(why, err, "the server answers with HTTP status %ld", status);
}

static bool is_hopeless(CURLcode code)
{
    return code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT || code == CURLE_OUT_OF_MEMORY ||
           code == CURLE_PEER_FAILED_VERIFICATION;
}

/* Sends what l->url and `body` say. AT_AGAIN: it may be tried again. */
static enum at_err perform(struct ch_link *l, struct at_str body, struct at_why *why)
{
    CURL *c = l->curl;
    char words[CURL_ERROR_SIZE] = "";
    long status = 0;
    l->error.len = 0;
    l->take_err = AT_OK;
    if (at_buf_add(&l->url, "", 1))
        return at_fail(why, AT_NOMEM, "out of memory");
    curl_easy_setopt(c, CURLOPT_URL, l->url.ptr);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.ptr ? body.ptr : "");
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, l->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, l);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, IDLE_S);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 512L * 1024);
    CURLcode code = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (l->take_err)
        return l->take_err;
    if (code)
        return at_fail(why, is_hopeless(code) ? AT_IO : AT_AGAIN, "%s", *words ? words : curl_easy_strerror(code));
    return status == 200 ? AT_OK : server_said(l, status, why);
}

static enum at_err begin_url(struct ch_link *l)
{
    const char *url = l->server.url, *host = strstr(url, "//") + 2;
    l->url.len = 0;
    enum at_err err = at_buf_str(&l->url, at_str(url));
    if (!err && !strchr(host, '/') && !strchr(host, '?'))
        err = at_buf_str(&l->url, AT_STR("/"));
    if (!err)
        err = at_buf_add(&l->url, "", 1);
    l->url.len -= !err;
    return err;
}

bool ch_wait(const struct ch_link *link, unsigned *tried, uint64_t *waited_ms)
{
    uint64_t ms = 100u << (*tried < 6 ? *tried : 6);
    ++*tried;
    if (*waited_ms >= link->server.patience_ms)
        return false;
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
    *waited_ms += ms;
    return true;
}

static enum at_err ask(struct ch_link *l, const char *text, struct at_why *why)
{
    unsigned tried = 0;
    uint64_t waited_ms = 0;
    enum at_err err;
    l->came = false;
    l->text.len = 0;
    if (with_prefix(l, text, &l->text))
        return at_fail(why, AT_NOMEM, "out of memory");
    do {
        if (l->answer)
            l->answer->len = 0;
        err = begin_url(l) ? at_fail(why, AT_NOMEM, "out of memory") : perform(l, at_buf_view(&l->text), why);
    } while (err == AT_AGAIN && !l->came && ch_wait(l, &tried, &waited_ms));
    return err == AT_AGAIN ? AT_IO : err;
}

enum at_err ch_query(struct ch_link *link, const char *text, struct at_buf *out, struct at_why *why)
{
    link->answer = out;
    link->take = NULL;
    return ask(link, text, why);
}

enum at_err ch_stream(struct ch_link *link, const char *text,
                      enum at_err (*take)(void *ctx, const void *data, size_t len), void *ctx, struct at_why *why)
{
    link->answer = NULL;
    link->take = take;
    link->take_ctx = ctx;
    enum at_err err = ask(link, text, why);
    link->take = NULL;
    return err;
}

enum at_err ch_insert(struct ch_link *link, const char *text, const char *query_id, struct at_str body,
                      struct at_why *why)
{
    link->answer = NULL;
    link->take = NULL;
    link->text.len = 0;
    enum at_err err = with_prefix(link, text, &link->text);
    if (!err)
        err = begin_url(link);
    if (!err)
        err = add_parameter(link, "query", at_buf_view(&link->text));
    if (!err)
        err = add_parameter(link, "query_id", at_str(query_id));
    if (!err)
        err = add_parameter(link, "decompress", AT_STR("1"));
    /* Whole frames are checked by TCP; the checksum would be CityHash of 2011, which no library has any more. */
    if (!err)
        err = add_parameter(link, "http_native_compression_disable_checksumming_on_decompress", AT_STR("1"));
    if (!err) /* through a Distributed table: not done before the shards have it */
        err = add_parameter(link, "insert_distributed_sync", AT_STR("1"));
    return err ? at_fail(why, err, "%s", at_err_text(err)) : perform(link, body, why);
}

enum at_err ch_frames(struct at_str bytes, struct at_buf *out)
{
    for (size_t at = 0; at < bytes.len;) {
        size_t raw = bytes.len - at < FRAME_BYTES ? bytes.len - at : FRAME_BYTES;
        size_t room = (size_t)LZ4_compressBound((int)raw);
        enum at_err err = at_buf_reserve(out, FRAME_HEAD + room);
        if (err)
            return err;
        uint8_t *head = (uint8_t *)out->ptr + out->len;
        int len = LZ4_compress_default(bytes.ptr + at, (char *)head + FRAME_HEAD, (int)raw, (int)room);
        if (len <= 0)
            return AT_NOMEM;
        memset(head, 0, 16);
        head[16] = 0x82;
        at_put_u32le(head + 17, (uint32_t)len + 9);
        at_put_u32le(head + 21, (uint32_t)raw);
        out->len += FRAME_HEAD + (size_t)len;
        at += raw;
    }
    return AT_OK;
}

#endif
