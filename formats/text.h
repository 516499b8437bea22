/* text.h: an event as a line for people. Private to formats. */
#ifndef AUTHTAPE_FORMATS_TEXT_H
#define AUTHTAPE_FORMATS_TEXT_H

#include "formats/formats.h"

/* Appends one aligned line, newline included. Control characters are escaped. AT_NOMEM. */
AT_MUST_USE enum at_err at_event_to_text(const struct at_event *ev, struct at_buf *out);

#endif
