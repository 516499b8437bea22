/*
 * profile_json.h: reading JSON that people write: every value is checked, and what is wrong is said with its place, a
 * JSON Pointer (RFC 6901). Private to profile_read.c.
 */
#ifndef AUTHTAPE_FORMATS_PROFILE_JSON_H
#define AUTHTAPE_FORMATS_PROFILE_JSON_H

#include <cjson/cJSON.h>

#include "formats/profile_data.h"

struct profile_json {
    struct at_profile *p;
    struct at_profile_data *d;
    struct at_why *why;
    char path[192]; /* JSON Pointer of the value at hand; cut where it does not fit */
};

/* Which members an object may have, and who reads each. A table ends with a NULL name. */
struct profile_member {
    const char *name;
    enum at_err (*read)(struct profile_json *r, const cJSON *value, void *to); /* NULL: words for people, not read */
    bool required;
};

/* Steps into member `name`, or element `i`; give the result to pj_leave to step out. */
size_t pj_enter(struct profile_json *r, const char *name);
size_t pj_enter_index(struct profile_json *r, int i);
void pj_leave(struct profile_json *r, size_t mark);
/* The value at hand is wrong: AT_BAD, with `what` and the place. */
static inline enum at_err pj_bad(struct profile_json *r, const char *what)
{
    return at_fail(r->why, AT_BAD, "%s, at %s", what, r->path[0] ? r->path : "the top");
}
static inline enum at_err pj_no_memory(struct profile_json *r)
{
    return at_fail(r->why, AT_NOMEM, "out of memory");
}
/* A copy of a string value that lives as long as the profile. */
AT_MUST_USE enum at_err pj_string(struct profile_json *r, const cJSON *value, struct at_str *out);
/* Values of a type; AT_BAD where it is another. A list has at most PROFILE_LIST_MAX elements and lives likewise. */
AT_MUST_USE enum at_err pj_bool(struct profile_json *r, const cJSON *value, bool *out);
AT_MUST_USE enum at_err pj_integer(struct profile_json *r, const cJSON *value, double max, int64_t *out);
AT_MUST_USE enum at_err pj_check_list(struct profile_json *r, const cJSON *value);
AT_MUST_USE enum at_err pj_strings(struct profile_json *r, const cJSON *value, const struct at_str **out, size_t *n);
AT_MUST_USE enum at_err pj_integers(struct profile_json *r, const cJSON *value, const int64_t **out, size_t *n);
/* One of `words` (ended by NULL); its index. */
AT_MUST_USE enum at_err pj_word(struct profile_json *r, const cJSON *value, const char *const *words, size_t *out);
/* Every member goes to who reads it in the table, with `to`; AT_BAD: an unknown one, one twice, one missing. */
AT_MUST_USE enum at_err pj_object(struct profile_json *r, const cJSON *object, const struct profile_member *members,
                                  void *to);

#endif
