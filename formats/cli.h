/* cli.h: the command line's parts. Private to formats; what is offered is in formats.h. */
#ifndef AUTHTAPE_FORMATS_CLI_H
#define AUTHTAPE_FORMATS_CLI_H

#include "formats/formats.h"

extern const struct at_option at_cli_common[]; /* that every command has */

/* True if an argument of this name is a file, see struct at_option. */
bool at_cli_is_path(const char *arg);
/* "auto", "require" or "off"; false for another text. */
bool at_cli_sandbox_mode(const char *text, enum at_sandbox_mode *out);

#endif
