/* redact.c: what says who somebody is, or what somebody said, is taken out of events. authtape(7), "PRIVACY". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "formats/formats.h"

#ifdef AT_NETTLE
#include <nettle/hmac.h>
#endif

#define KEY_MIN (size_t)16
#define KEY_MAX (size_t)4096
#define PSEUDONYM_DIGITS 20u /* 80 bits: with a million users, one chance in 2^40 that two have the same */
#define NAMES_MAX 262144u    /* remembered at a time; the next is computed anew */

/* What platforms call personal things in the results of their APIs; the short ones stand for themselves only. */
static const char *const personal_anywhere[] = {
    "userInfo",  "userName",    "postalCode",      "provinceName", "cityName",      "countyName", "nickName",
    "nickname",  "avatarUrl",   "avatar",          "rawData",      "encryptedData", "stepInfo",   "latitude",
    "longitude", "phoneNumber", "purePhoneNumber", "mobile",       "telNumber",     "cloudID",    "signature",
    "openId",    "unionId",     "session_key",     "idCard",       "realName",      "detailInfo", "tempFilePath"};
static const char *const personal_keys[] = {"iv",      "code", "gender", "city", "province", "country",
                                            "address", "step", "result", "data", "res"};
/* What recorders add themselves, all of it numbers. */
static const char *const recorders_keys[] = {"seq", "total", "late_us"};

#define PERSONAL (sizeof personal_anywhere / sizeof personal_anywhere[0])

struct at_redactor {
    bool everything; /* all unknown fields, and what is in the words of answers */
    bool pseudonyms;
    /* The names of personal_anywhere that begin with a byte: the number + 1 of one, and of the next; 0: no more. */
    uint8_t first[256], next[PERSONAL];
    uint8_t key[KEY_MAX];
    size_t key_len;
    struct at_intern *names;     /* "user:NAME" */
    struct at_buf pseudonyms_of; /* of each, PSEUDONYM_DIGITS + 1 bytes */
    struct at_buf label, extra, err_msg;
};

enum at_err at_redactor_new(const struct at_redact_options *options, struct at_redactor **out, struct at_why *why)
{
    struct at_redactor *r = calloc(1, sizeof *r);
    struct at_buf key = {0};
    *out = r;
    if (!r || at_intern_new(&r->names)) {
        at_redactor_free(out);
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    }
    enum at_err err = AT_OK;
    for (uint8_t i = 0; i < PERSONAL; i++) {
        uint8_t *first = &r->first[(unsigned char)*personal_anywhere[i]];
        r->next[i] = *first;
        *first = (uint8_t)(i + 1);
    }
    r->everything = options->redact || options->key_file;
    r->pseudonyms = r->everything;
#ifndef AT_NETTLE
    if (r->pseudonyms)
        err = at_fail(why, AT_NOTFOUND, "this build makes no pseudonyms (nettle was not there)");
#endif
    if (!err && options->key_file) {
        err = at_read_file(options->key_file, KEY_MAX, &key, why);
        if (!err && key.len < KEY_MIN)
            err =
                at_fail(why, AT_BAD, "a key has %zu bytes at least, as 'head -c 32 /dev/urandom' makes them", KEY_MIN);
        if (!err)
            memcpy(r->key, key.ptr, r->key_len = key.len);
    } else if (!err && r->pseudonyms) {
        r->key_len = 32;
        if (getrandom(r->key, r->key_len, 0) != (ssize_t)r->key_len)
            err = at_fail(why, AT_IO, "no random key: %s", strerror(errno));
    }
    at_buf_free(&key);
    if (err)
        at_redactor_free(out);
    return err;
}

void at_redactor_free(struct at_redactor **redactor)
{
    struct at_redactor *r = *redactor;
    if (!r)
        return;
    at_intern_free(&r->names);
    at_buf_free(&r->pseudonyms_of);
    at_buf_free(&r->label);
    at_buf_free(&r->extra);
    at_buf_free(&r->err_msg);
    explicit_bzero(r->key, sizeof r->key);
    free(r);
    *redactor = NULL;
}

/* ---- Pseudonyms */

static void make_pseudonym(const struct at_redactor *r, struct at_str label, char out[PSEUDONYM_DIGITS + 1])
{
    uint8_t digest[32] = {0};
#ifdef AT_NETTLE
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, r->key_len, r->key);
    hmac_sha256_update(&hmac, label.len, (const uint8_t *)label.ptr);
    hmac_sha256_digest(&hmac, sizeof digest, digest);
#else
    (void)r;
#endif
    out[0] = label.ptr[0];
    for (size_t i = 0; i < PSEUDONYM_DIGITS; i++)
        out[1 + i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
}

/* The number of a name's pseudonym, which is made when the name is new. `what` is "user", "app" or "stream". */
static enum at_err number_of(struct at_redactor *r, const char *what, struct at_str name, uint32_t *id)
{
    r->label.len = 0;
    enum at_err err = at_buf_printf(&r->label, "%s:", what);
    if (!err)
        err = at_buf_str(&r->label, name);
    if (!err)
        err = at_buf_reserve(&r->pseudonyms_of, PSEUDONYM_DIGITS + 1);
    const uint32_t known = at_intern_count(r->names);
    if (!err)
        err = at_intern_add(r->names, at_buf_view(&r->label), id);
    if (!err && *id == known) {
        make_pseudonym(r, at_buf_view(&r->label), r->pseudonyms_of.ptr + r->pseudonyms_of.len);
        r->pseudonyms_of.len += PSEUDONYM_DIGITS + 1;
    }
    return err;
}

static struct at_str pseudonym(const struct at_redactor *r, uint32_t id)
{
    return (struct at_str){r->pseudonyms_of.ptr + (size_t)id * (PSEUDONYM_DIGITS + 1), PSEUDONYM_DIGITS + 1};
}

static enum at_err replace_names(struct at_redactor *r, struct at_event *ev)
{
    uint32_t user, app, stream;
    if (at_intern_count(r->names) >= NAMES_MAX) {
        at_intern_clear(r->names);
        r->pseudonyms_of.len = 0;
    }
    enum at_err err = number_of(r, "user", ev->user, &user);
    if (!err)
        err = number_of(r, "app", ev->app, &app);
    if (!err)
        err = number_of(r, "stream", ev->stream, &stream);
    if (err)
        return err;
    ev->user = pseudonym(r, user);
    ev->app = pseudonym(r, app);
    ev->stream = pseudonym(r, stream);
    return AT_OK;
}

/* ---- Unknown fields */

/* True if a key without its quotes is one of the names. */
static bool is_one_of(struct at_str key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strncmp(key.ptr, names[i], key.len) && !names[i][key.len])
            return true;
    return false;
}
#define IS_ONE_OF(key, names) is_one_of(key, names, sizeof(names) / sizeof(names)[0])

/* True if one of the names in personal_anywhere is in the text: read once, not once for each name. */
static bool has_personal(const struct at_redactor *r, struct at_str text)
{
    for (; text.len; text.ptr++, text.len--)
        for (unsigned i = r->first[(unsigned char)*text.ptr]; i; i = r->next[i - 1])
            if (at_str_starts(text, at_str(personal_anywhere[i - 1])))
                return true;
    return false;
}

static bool is_personal(const struct at_redactor *r, struct at_str key, struct at_str value)
{
    if (memchr(key.ptr, '\\', key.len)) /* who hides a name has a reason */
        return true;
    return has_personal(r, key) || has_personal(r, value) || IS_ONE_OF(key, personal_keys);
}

static bool is_numbers(struct at_str key, struct at_str value)
{
    if (!IS_ONE_OF(key, recorders_keys) || value.len > 100)
        return false;
    return *value.ptr != '"' && at_str_find(value, AT_STR(":\"")) == SIZE_MAX;
}

/* A number under a recorder's own name. */
static bool is_harmless(struct at_str key, struct at_str value)
{
    return *value.ptr >= '0' && *value.ptr <= '9' && IS_ONE_OF(key, recorders_keys);
}

static bool is_taken_out(const struct at_redactor *r, struct at_str raw_key, struct at_str value)
{
    const struct at_str key = {raw_key.ptr + 1, raw_key.len - 2};
    if (is_harmless(key, value))
        return false;
    return r->everything ? !is_numbers(key, value) : is_personal(r, key, value);
}

static enum at_err clean_extra(struct at_redactor *r, struct at_event *ev)
{
    struct at_json_iter it;
    struct at_str key, value;
    enum at_err err = AT_OK;
    if (at_extra_is_number(ev->extra, &key, &value) && is_harmless(key, value))
        return AT_OK; /* nearly every event of the shim has this and nothing else */
    r->extra.len = 0;
    at_json_iter_begin(&it, ev->extra);
    while (!err && at_json_iter_next(&it, &key, &value)) {
        if (is_taken_out(r, key, value))
            continue;
        err = at_buf_str(&r->extra, r->extra.len ? AT_STR(",") : AT_STR("{"));
        if (!err)
            err = at_buf_str(&r->extra, key);
        if (!err)
            err = at_buf_str(&r->extra, AT_STR(":"));
        if (!err)
            err = at_buf_str(&r->extra, value);
    }
    if (!err && r->extra.len)
        err = at_buf_str(&r->extra, AT_STR("}"));
    ev->extra = r->extra.len ? at_buf_view(&r->extra) : (struct at_str){NULL, 0};
    return err;
}

/* ---- Words of answers */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_part(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("._-+@=", c));
}

/* A number that is no error code, an address, an identifier: "13800138000", "31.2304", "a@b.cn", "10.0.0.1". */
static bool is_telling(struct at_str s)
{
    size_t digits = 0, dots = 0, behind_dot = 0;
    if (memchr(s.ptr, '@', s.len))
        return true;
    for (size_t i = 0; i < s.len; i++) {
        digits += is_digit(s.ptr[i]);
        dots += s.ptr[i] == '.';
        behind_dot = s.ptr[i] == '.' ? 0 : behind_dot + (dots && is_digit(s.ptr[i]));
    }
    size_t others = s.len - digits - dots - (s.len && strchr("+-", s.ptr[0]) != NULL);
    if (others)
        return digits >= 4 && s.len >= 12;
    return digits >= 7 || dots >= 3 || (dots == 1 && behind_dot >= 3);
}

static enum at_err mask(struct at_redactor *r, struct at_event *ev)
{
    const struct at_str s = ev->err_msg;
    enum at_err err = AT_OK;
    r->err_msg.len = 0;
    for (size_t i = 0, n; i < s.len && !err; i += n) {
        for (n = 0; i + n < s.len && is_part(s.ptr[i + n]);)
            n++;
        const struct at_str word = {s.ptr + i, n ? n : 1};
        err = at_buf_str(&r->err_msg, n && is_telling(word) ? AT_STR("*") : word);
        n = word.len;
    }
    ev->err_msg = at_buf_view(&r->err_msg);
    return err;
}

enum at_err at_redact(struct at_redactor *r, const struct at_event *ev, struct at_event *out)
{
    enum at_err err = AT_OK;
    *out = *ev;
    if (ev->extra.ptr)
        err = clean_extra(r, out);
    if (!err && r->everything && ev->err_msg.len)
        err = mask(r, out);
    return err || !r->pseudonyms ? err : replace_names(r, out);
}

bool at_redact_option(const struct at_cli *cli, int id, struct at_redact_options *options)
{
    if (id == AT_REDACT_REDACT)
        options->redact = true;
    else if (id == AT_REDACT_KEY)
        options->key_file = cli->arg;
    else
        return false;
    return true;
}
