/* warn.c: what was lost, said to the user. */
#include "formats/formats.h"

void at_cli_warn_damage(const struct at_reader *r)
{
    struct at_tape_damage d;
    if (!r) /* it could not even be opened, and that was said */
        return;
    at_reader_damage(r, &d);
    if (!d.places || at_reader_failed(r)) /* trouble is one line */
        return;
    fflush(stdout);
    fprintf(stderr, "authtape: %s at byte %llu", d.first, (unsigned long long)d.first_offset);
    if (d.places > 1)
        fprintf(stderr, " and %llu more damaged places", (unsigned long long)d.places - 1);
    fprintf(stderr, ": %llu bytes not read", (unsigned long long)d.bytes);
    if (d.events)
        fprintf(stderr, ", %llu events known to be lost", (unsigned long long)d.events);
    fputc('\n', stderr);
}
