/* filter.h: which events pass. Private to formats. */
#ifndef AUTHTAPE_FORMATS_FILTER_H
#define AUTHTAPE_FORMATS_FILTER_H

#include "formats/formats.h"

/* at_filter_event for filters without a scope, of which the source and the time are all that is asked. */
bool at_filter_has_scope(const struct at_filter *f);
bool at_filter_source(const struct at_filter *f, const struct at_tape_source *s);
bool at_filter_time(const struct at_filter *f, int64_t t_us);
/* Whether the source's key is in the share, where one is asked for. */
bool at_filter_owns(const struct at_filter *f, const struct at_tape_source *s);

#endif
