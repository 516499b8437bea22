#!/bin/bash
# The sources themselves: cppcheck, functions that fit a screen, nothing that stands twice.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
mapfile -t sources < <(find authtape.c formats tracer replay analysis library tests -path '*/node_modules' -prune -o -name '*.[ch]' -print | sort)
mapfile -t scripts < <(find tracer tests -path '*/node_modules' -prune -o \( -name '*.mjs' -o -name '*.js' -o -name '*.sh' \) -print | sort)

short() { # but for those that CONTRIBUTING.md gives a reason for
    local line long=0
    while IFS= read -r line; do
        grep -qF "\`${line% has *}\`" CONTRIBUTING.md || { echo "$line"; long=1; }
    done < <(awk -f tests/static/lines.awk "${sources[@]}")
    return $long
}
check "no function has more than 80 lines" short
if command -v node >/dev/null; then
    check "no ten lines stand twice" node tests/static/twice.mjs "${sources[@]}" "${scripts[@]}"
else
    skip "no ten lines stand twice" "node is not installed"
fi
checked() {
    cppcheck -q -j"$JOBS" --enable=warning,performance,portability --inline-suppr --std=c11 --error-exitcode=1 -I. \
        -D_GNU_SOURCE -DAT_SQLITE -DAT_MICROHTTPD -DAT_WEBSOCKETS -DAT_SECCOMP -DAT_NETTLE --max-configs=1 \
        --suppressions-list=tests/static/cppcheck.txt authtape.c formats tracer replay analysis library
}
if command -v cppcheck >/dev/null; then
    check "cppcheck has nothing to say" checked
else
    skip "cppcheck" "cppcheck is not installed"
fi
