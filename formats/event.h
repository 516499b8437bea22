/* event.h: the fields of events as one table. Private to formats. */
#ifndef AUTHTAPE_FORMATS_EVENT_H
#define AUTHTAPE_FORMATS_EVENT_H

#include "formats/formats.h"

/* Limits of one event, so that what is read back from a tape can be capped before it is allocated. */
#define AT_TEXT_MAX_BYTES (1u << 18)  /* one string */
#define AT_EXTRA_MAX_BYTES (1u << 22) /* all unknown fields together */
#define AT_LIST_MAX_BYTES (1u << 18)  /* the texts of one of them together */
#define AT_LIST_MAX 1024u             /* entries of `scope` or `authSetting` */
#define AT_LINE_MAX_BYTES (1u << 25)  /* an NDJSON line */

enum at_field_id {
    AT_FIELD_T,
    AT_FIELD_KIND,
    AT_FIELD_APP,
    AT_FIELD_USER,
    AT_FIELD_STREAM,
    AT_FIELD_PLATFORM,
    AT_FIELD_PACKET,
    AT_FIELD_CALL,
    AT_FIELD_API,
    AT_FIELD_SCOPE,
    AT_FIELD_ERR_MSG,
    AT_FIELD_ERRNO,
    AT_FIELD_AUTH_SETTING,
    AT_FIELD_ANSWER,
    AT_FIELD_GRANTED,
    AT_FIELD_FRESH,
    AT_FIELD_OBSERVES,
    AT_FIELD_LOST_BYTES,
    AT_FIELDS
};

struct at_field {
    const char *name;
    uint32_t kinds, required; /* masks of 1u << enum at_kind */
};
extern const struct at_field at_fields[AT_FIELDS];

/* True if `s` is UTF-8 without NUL. */
bool at_text_valid(struct at_str s);

/* True if the lists of the event keep to the limits. */
bool at_event_lists_fit(const struct at_event *ev);
bool at_event_lengths_fit(const struct at_event *ev); /* of what is particular to an event */

/* at_event_check of an event whose source and shape are known to be fit: of what is left. */
AT_MUST_USE enum at_err at_event_check_own(const struct at_event *ev, struct at_why *why);

/* The field of that name, AT_FIELDS where there is none. */
size_t at_field_find(struct at_str name);

#endif
