#!/bin/bash
# Dialects on captures: the manual's examples, and a mapping for what a host says of itself beside the automator wire.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
HERE=tests/dialect

# The examples of authtape-dialect(5) are the mappings that the tests try.
in_manual() {
    awk '/^\.Bd -literal/{on=1;next} /^\.Ed/{on=0} on' tracer/authtape-dialect.5 >"$WORK/examples"
    awk 'NR==FNR{wanted=wanted $0 "\n";next} {all=all $0 "\n"} END{exit !index(all,wanted)}' "$1" "$WORK/examples"
}
# So are what they are tried on and what comes out: captures of real clients and servers, see examples.mjs.
. "$HERE/shorten.sh"
events_in_manual() { # NAME
    events_of "$HERE/$1.pcap" "$HERE/$1.json" >"$WORK/$1.made" && in_manual "$WORK/$1.made"
}
messages_in_manual() { # NAME: the page shows messages of the capture, those of the first example all
    messages_of "$HERE/$1.pcap" >"$WORK/$1.said"
    sed 's/\\(rs/\\/g' "$WORK/examples" | grep -E '^(client|server) ' | grep -Fxf "$WORK/$1.said" >"$WORK/$1.shown"
    [ "$(wc -l <"$WORK/$1.shown")" -ge "$2" ]
}
for name in auth_trace gateway batch; do
    check "dialect check $name" "$AUTHTAPE_ASAN" dialect check "$HERE/$name.json"
    check "$name stands in the manual page" in_manual "$HERE/$name.json"
    check "$name makes of its capture what the manual page says" events_in_manual $name
done
check "the messages of the manual page are those of the captures" \
    eval 'messages_in_manual gateway 4 && messages_in_manual auth_trace 8 && messages_in_manual batch 2 &&
        [ "$(cat "$WORK"/*.shown | wc -l)" = "$(grep -cE "^(client|server) " "$WORK/examples")" ]'
for name in $("$AUTHTAPE" dialect list | cut -d' ' -f1); do
    check "dialect check $name" "$AUTHTAPE_ASAN" dialect check "$name"
    check "dialect show $name, checked as a file" \
        sh -c '"$1" dialect show "$2" >"$3/$2.json" && "$1" dialect check "$3/$2.json"' - "$AUTHTAPE" "$name" "$WORK"
done

# ---- Captures whose truth is known: NAME.pcap with NAME.json

same_as_truth() { # NAME: calls and answers one for one
    "$AUTHTAPE_ASAN" record -q -r "$SHARED/cases/$1.pcap" "${IDENTITY[@]}" -w "$WORK/$1.tape" &&
        "$AUTHTAPE" cat "$WORK/$1.tape" >"$WORK/$1.events" && node "$HERE/truth.mjs" "$SHARED/cases/$1.json" "$WORK/$1.events"
}
verdict() { # NAME: what a checker that sees everything finds is found, and nothing where nothing is wrong
    "$AUTHTAPE_ASAN" record -q -r "$SHARED/cases/$1.pcap" "${IDENTITY[@]}" -d automator -d "$HERE/auth_trace.json" \
        --fresh --observes prompts,decisions,settings,resets -w "$WORK/$1.full.tape" || return 1
    "$AUTHTAPE" replay --format json "$WORK/$1.full.tape" >"$WORK/$1.verdict"
    node "$HERE/verdict.mjs" "$SHARED/cases/$1.json" "$WORK/$1.verdict"
}
IDENTITY=(--app query:appid --user query:openid --platform query:platform)
for name in C1_clean_plain C2_clean_deflate S1_sixbugs_plain; do
    if [ ! -f "$SHARED/cases/$name.pcap" ]; then
        skip "$name: calls and answers" "no $name.pcap beside the sources"
        skip "$name: every fault found" "the same"
    elif ! command -v node >/dev/null; then
        skip "$name: calls and answers" "node is not installed"
        skip "$name: every fault found" "the same"
    else
        check "$name: calls and answers" same_as_truth "$name"
        check "$name: every fault found" verdict "$name"
    fi
done

# ---- Sessions made up from numbers: every other one of a host with a fault. DIALECT_SESSIONS=1000 tries more.
if ! command -v node >/dev/null; then
    skip "sessions of real clients, and of Chromium" "node is not installed"
elif npm_packages; then
    node "$HERE/sessions.mjs" "$WORK" "$AUTHTAPE" 1 "${DIALECT_SESSIONS:-12}"
    node "$HERE/chromium.mjs" "$WORK" "$AUTHTAPE"
else
    skip "sessions of real clients, and of Chromium" "$npm_said"
fi
