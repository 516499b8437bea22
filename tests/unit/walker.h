/* walker.h: where link layers and IP are walked, with a ledger, for tests. */
#ifndef AUTHTAPE_TEST_WALKER_H
#define AUTHTAPE_TEST_WALKER_H

#include "tests/unit/packets.h"
#include "tracer/packet.h"

static struct at_ledger ledger;
static struct at_fragments *fragments;

static int set_up(void **state)
{
    (void)state;
    ledger = (struct at_ledger){0};
    return at_fragments_new(1 << 16, &fragments) != AT_OK;
}

#endif
