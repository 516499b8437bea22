/* words.h: what verdicts are said with. Private to replay. */
#ifndef AUTHTAPE_REPLAY_WORDS_H
#define AUTHTAPE_REPLAY_WORDS_H

#include "replay/replay.h"

#define WORDS_ALL_STATES ((1u << AT_STATES) - 1) /* says nothing, and so is not said */

/* The text of a rule as it is cited (SPEC section 2), "" for an unknown one. */
const char *words_rule(const char *rule);
/* "granted or denied" */
AT_MUST_USE enum at_err words_states(struct at_buf *b, uint8_t states);
/* An event as a fact about a scope: what it shows it to be in, or does to it. `api`: of a return. */
AT_MUST_USE enum at_err words_fact(struct at_buf *b, enum at_kind kind, struct at_str scope, enum at_state state,
                                   struct at_str api);
/* The whole explanation, ended with a NUL: what was seen, although …, because …, the rule, what would make it right. */
AT_MUST_USE enum at_err words_explain(struct at_buf *why, const struct at_divergence *d, const struct at_reason *r);

#endif
