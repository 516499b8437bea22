/* print.h: findings as text and as JSON. Private to replay. */
#ifndef AUTHTAPE_REPLAY_PRINT_H
#define AUTHTAPE_REPLAY_PRINT_H

#include "replay/replay.h"

/* Each appends one object of the JSON report (SPEC section 6), without white space around it. */
AT_MUST_USE enum at_err at_print_divergence_json(struct at_buf *out, const struct at_divergence *d);
AT_MUST_USE enum at_err at_print_inferred_json(struct at_buf *out, const struct at_inferred *i);

/* Each appends lines for a person. `color`: with terminal colours. */
AT_MUST_USE enum at_err at_print_divergence_text(struct at_buf *out, const struct at_divergence *d, bool color);
AT_MUST_USE enum at_err at_print_inferred_text(struct at_buf *out, const struct at_inferred *i);

#endif
