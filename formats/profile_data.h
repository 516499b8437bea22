/*
 * profile_data.h: what a loaded profile holds beside its public part. Private to profile.c, profile_read.c, errmsg.c.
 */
#ifndef AUTHTAPE_PROFILE_DATA_H
#define AUTHTAPE_PROFILE_DATA_H

#include "formats/formats.h"

#define PROFILE_FILE_MAX ((size_t)1 << 20) /* bytes of a profile file */
#define PROFILE_LIST_MAX 1024              /* entries of one list of a profile */

/* One line of the table of answers. It matches when every condition that it has is met. */
struct answer_rule {
    enum at_class cls;
    const struct at_str *contains; /* any of these is in the reason, ASCII case aside; n_contains 0: no condition */
    const uint64_t *letters;       /* of each of them: letters_of */
    size_t n_contains;
    const struct at_str *is; /* the reason is one of these */
    size_t n_is;
    const struct at_str *apis; /* errMsg names one of these */
    size_t n_apis;
    const int64_t *errnos; /* the answer's errno is one of these */
    size_t n_errnos;
};

/* `called` may be answered by an errMsg that names `named`. */
struct api_alias {
    struct at_str called, named;
};

struct block {
    struct block *next;
    max_align_t bytes[];
};

struct at_profile_data {
    bool borrows;                  /* a narrow profile: all but `apis` and `scope_of` is another profile's */
    struct at_intern *strings;     /* owns every string of the profile */
    struct at_intern *api_names;   /* ids are indices into `apis` */
    struct at_intern *scope_names; /* ids are indices into `scope_of` */
    struct at_api *apis;
    size_t *scope_of; /* indices into profile->scopes */
    struct block *blocks;
    struct at_str name_space;      /* "wx" */
    struct at_str key_prefix;      /* scopes may also be named without it */
    bool plain;                    /* errMsg may be a bare sentence that names no API */
    const struct at_str *plain_ok; /* bare sentences that mean success */
    size_t n_plain_ok;
    const struct answer_rule *rules;
    size_t n_rules;
    const struct api_alias *aliases;
    size_t n_aliases;
};

/* Which bytes are in `s`, folded to 64 bits, ASCII case aside: what has not all the bits of a word does not hold it. */
uint64_t letters_of(struct at_str s);

/* Zeroed memory that lives as long as the profile; NULL when out of memory. */
void *profile_alloc(struct at_profile_data *data, size_t n, size_t size);

/* Fills `p` (zeroed, with `data` allocated and its tables created) from the text. AT_BAD, AT_NOMEM with `why`. */
AT_MUST_USE enum at_err profile_read(struct at_profile *p, struct at_str json, struct at_why *why);

#endif
