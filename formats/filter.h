/* filter.h: which events pass. Private to formats. */
#ifndef AUTHTAPE_FORMATS_FILTER_H
#define AUTHTAPE_FORMATS_FILTER_H

#include "formats/formats.h"

struct at_filter;

/* NULL options let all pass. */
AT_MUST_USE enum at_err at_filter_new(const struct at_reader_options *options, struct at_filter **out);
void at_filter_free(struct at_filter **f);

/*
 * Says whether the event passes. Every event has to be shown, in order, as a return belongs to the scope of its call.
 * Under a scope filter pass: what names the scope, calls of APIs that it gates, the return of a call that passed, a
 * decision about such a prompt, and what is about all scopes (start, reset, gap, end). AT_NOMEM.
 */
AT_MUST_USE enum at_err at_filter_event(struct at_filter *f, const struct at_event *ev, bool *pass);

/* The same for filters without a scope, of which the source and the time are all that is asked. */
bool at_filter_has_scope(const struct at_filter *f);
bool at_filter_source(const struct at_filter *f, const struct at_tape_source *s);
bool at_filter_time(const struct at_filter *f, int64_t t_us);
/* Whether the source's key is in the share, where one is asked for. */
bool at_filter_owns(const struct at_filter *f, const struct at_tape_source *s);

#endif
