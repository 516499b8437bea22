#!/bin/bash
# What says who somebody is stays off tapes: over every wire and every source, by default and with --redact.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
if ! "$AUTHTAPE" record --redact -q -r tests/wire/still_fails.pcap -w "$WORK/try.tape" 2>"$WORK/said"; then
    skip "privacy" "$(cat "$WORK/said")"
    exit 0
fi
if ! command -v node >/dev/null; then
    skip "privacy" "node is not installed"
elif ! npm_packages; then
    skip "privacy" "$npm_said"
else
    mkdir "$WORK/sanitizers"
    AUTHTAPE_UNDER_TEST=$AUTHTAPE node tests/privacy/privacy.mjs "$WORK"
    AUTHTAPE_UNDER_TEST=$AUTHTAPE_ASAN LABEL=sanitizers node tests/privacy/privacy.mjs "$WORK/sanitizers"
fi

# ---- Keys

"$AUTHTAPE" record -q -r tests/wire/still_fails.pcap --app query:appid --user query:openid -w "$WORK/s.tape"
short() {
    echo short >"$WORK/key"
    "$AUTHTAPE" slice --pseudonymize "$WORK/key" -w "$WORK/o.tape" "$WORK/s.tape" 2>"$WORK/said"
    [ $? = 2 ] && cat "$WORK/said" && grep -q "key: a key has 16 bytes at least" "$WORK/said" && [ ! -e "$WORK/o.tape" ]
}
check "a short key is refused" short
no_file() { "$AUTHTAPE" slice --pseudonymize "$WORK/none" -w "$WORK/o.tape" "$WORK/s.tape" 2>"$WORK/said"; [ $? = 2 ] && grep -q "none: cannot open: No such file" "$WORK/said"; }
check "a key that is not there is named" no_file
