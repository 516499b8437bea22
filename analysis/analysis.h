/*
 * analysis.h: events and verdicts -> numbers and pictures.
 *
 * The one public header of this folder.
 */
#ifndef AUTHTAPE_ANALYSIS_H
#define AUTHTAPE_ANALYSIS_H

#include "replay/replay.h"

/* Subcommands of this folder. */
extern const struct at_command at_cmd_report, at_cmd_diff, at_cmd_export, at_cmd_import;

#endif
