#!/bin/sh
# The main job, on a capture of a real client: packets become a tape, the tape is replayed, the denials are counted.
# `make demo` runs it. The capture is a player's who turned a permission on in the settings, and it still failed.
cd "$(dirname "$0")/.." || exit 2
folder=build/demo
mkdir -p $folder
status=0

say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$1"; }
run() { # EXPECTED-STATUS COMMAND...
    expected=$1
    shift
    printf '$ %s\n' "$*"
    shift
    "${AUTHTAPE:-./authtape}" "$@"
    got=$?
    [ $got = "$expected" ] || {
        echo "demo: exit status $got, $expected was expected" >&2
        status=1
    }
}

say "1. Record: 65 packets between an automation client and its host become a tape"
run 0 authtape record -r tests/wire/still_fails.pcap --app query:appid --user query:openid \
    --platform query:platform -w $folder/session.tape
ls -l $folder/session.tape

say "2. Replay: is there anything that no correct host would have answered? (exit status 1: yes)"
run 1 authtape replay $folder/session.tape

say "3. Report: who was asked for what, and who refused"
run 0 authtape report prompts $folder/session.tape
run 0 authtape report denials $folder/session.tape

say "The tape is $folder/session.tape; 'authtape cat' prints it. README.md goes on from here."
exit $status
