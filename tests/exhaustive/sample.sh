#!/bin/bash
# usage: tests/exhaustive/sample.sh; compare.sh's sample: under a minute, one line, exit status 0 or 1.
exec bash "$(dirname "$0")/compare.sh" sample
