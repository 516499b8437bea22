#!/bin/bash
# The sandbox, as a user has it: an intruder in every command, every command inside, what a recorder is left with.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
if ! "$AUTHTAPE" profile list --sandbox require >/dev/null 2>"$WORK/said"; then
    skip "the sandbox" "$(sed 's/^authtape: //' "$WORK/said")"
    exit 0
fi
if ! ${CC:-gcc} -shared -fPIC -O1 -o "$WORK/intruder.so" tests/sandbox/intruder.c 2>"$WORK/log"; then
    remark <"$WORK/log"
    fail "intruder.so cannot be built"
    exit
fi
cap=tests/wire/still_fails.pcap
tape=$WORK/s.tape
"$AUTHTAPE" record -q -r $cap --app query:appid --user query:openid -w "$tape" && gzip -c $cap >"$WORK/s.pcap.gz" &&
    "$AUTHTAPE" cat "$tape" >"$WORK/s.ndjson" && "$AUTHTAPE" report --partial "$tape" >"$WORK/s.part" || exit 1
echo secret >"$WORK/secret"
mkdir "$WORK/out"

# ---- An intruder: each command line reads something compressed, or writes it.

intruded() { AT_INTRUDER=$1 LD_PRELOAD=$WORK/intruder.so "$AUTHTAPE" "${@:2}" >"$WORK/out/stdout" 2>"$WORK/said" </dev/null; }
ends() { # the program that it starts ends the process: SIGSYS
    intruded run "$@"
    local status=$?
    cat "$WORK/out/stdout" "$WORK/said"
    [ $status = 159 ] && [ ! -s "$WORK/out/stdout" ]
}
refused() { # WHAT WORDS COMMAND...
    intruded "$1" "${@:3}" && grep -qx "intruder: $2" "$WORK/said"
}
lines=(
    "cat $tape" "info $tape" "verify $tape" "replay $tape" "report $tape" "diff $tape $tape" "slice -w $WORK/out/o $tape"
    "merge -w $WORK/out/o $tape" "repack -w $WORK/out/o $tape" "repair -w $WORK/out/o $tape"
    "import -w $WORK/out/o $WORK/s.ndjson" "minimize -w $WORK/out/o $tape" "export --sqlite $WORK/out/o $tape"
    "export --perfetto $WORK/out/o $tape" "messages -r $WORK/s.pcap.gz" "record -r $WORK/s.pcap.gz -w $WORK/out/o"
    "dialect check --try $WORK/s.pcap.gz tracer/dialects/automator.json" "redrive --target ws://127.0.0.1:1/ $tape"
)
for line in "${lines[@]}"; do
    # shellcheck disable=SC2086 # words
    {
        name=${line//"$WORK/"/}
        check "an intruder in '$name' cannot run a program" ends $line
        check "an intruder in '$name' cannot read another file" refused "read:$WORK/secret" "Permission denied" $line
        [[ $line == redrive* ]] || check "an intruder in '$name' cannot open a socket" refused socket "Permission denied" $line
    }
done
lets_it() { intruded run --no-sandbox "$@" || intruded run "$@" --no-sandbox; grep -q "the intruder ran a program" "$WORK/out/stdout"; }
check "without the sandbox it can" lets_it cat "$tape"
without() { AUTHTAPE_SANDBOX=off intruded run cat "$tape"; grep -q "the intruder ran a program" "$WORK/out/stdout"; }
check "AUTHTAPE_SANDBOX=off is --no-sandbox" without

# ---- Every command inside

inside() { AUTHTAPE_SANDBOX=require "$AUTHTAPE" "$@" 2>&1 | tr -d "\000"; [ "${PIPESTATUS[0]}" -le 1 ]; }
rm -rf "$WORK/out" && mkdir "$WORK/out"
for line in "${lines[@]}" "report merge $WORK/s.part" "report --format html -o $WORK/out/o.html $tape" "profile list" \
    "profile show douyin" "dialect list" "replay --threads 2 --format sarif $tape" "cat --format text -" \
    "record -r - --ledger $WORK/out/ledger -w $WORK/out/o" "import - -w -"; do
    [[ $line == redrive* ]] && line+=" --dry-run"
    # shellcheck disable=SC2086 # words
    check "inside: ${line//"$WORK/"/}" inside $line <"$(case $line in cat*) echo "$tape" ;; record*) echo $cap ;; *) echo "$WORK/s.ndjson" ;; esac)"
done
many() { # more than fit at once: by way of temporary files
    local tapes=() i
    for i in $(seq 300); do ln -sf "$tape" "$WORK/out/$i.tape" && tapes+=("$WORK/out/$i.tape"); done
    inside merge -w "$WORK/out/all" "${tapes[@]}"
}
check "inside: merge of 300 tapes" many
names() { # names of services in filters, also of a link type that comes late
    inside messages -r $cap -f 'tcp and not port https' | grep -q '"packet"'
}
check "inside: a filter with the name of a service" names
device() { inside import -w /dev/null "$WORK/s.ndjson"; }
check "inside: a device as output" device
linked() { ln -s out/real.tape "$WORK/link.tape" && inside import -w "$WORK/link.tape" "$WORK/s.ndjson" && inside import -w "$WORK/link.tape" "$WORK/s.ndjson"; }
check "inside: an output behind a symbolic link" linked
substituted() { inside replay <(cat "$tape"); }
check "inside: a pipe by name" substituted

if [ -x "$AUTHTAPE_ASAN" ]; then
    says() { "$AUTHTAPE_ASAN" cat --sandbox require "$tape" 2>"$WORK/said"; [ $? = 2 ] && grep -q "no sandbox: this build has sanitizers" "$WORK/said"; }
    check "a build with sanitizers says that it has none" says
fi

# ---- What a live recorder is left with

state() { # FIELD: of the recorder
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$recorder/status"
}
recording() { # OPTION...: starts one in the background; $recorder is its process
    rm -f "$WORK/said" "$WORK"/out/live*
    "$AUTHTAPE" record -i lo -w "$WORK/out/live.tape" "$@" 2>"$WORK/said" &
    recorder=$!
    for _ in $(seq 100); do grep -q recording "$WORK/said" 2>/dev/null && return; sleep 0.05; done
    cat "$WORK/said"
    return 1
}
stopped() { kill -INT $recorder; wait $recorder; }
confined() { [ "$(state Seccomp)" = 2 ] && [ "$(state NoNewPrivs)" = 1 ] && [ $((16#$(state CapEff) & ~16#e)) = 0 ] && [ $((16#$(state CapPrm) & ~16#e)) = 0 ]; }
if [ "$(id -u)" != 0 ]; then
    skip "live recorders" "they need root"
else
    as_root() { recording && confined; local s=$?; kill -HUP $recorder; sleep 0.3; stopped && [ $s = 0 ] && [ "$(find "$WORK/out" -name 'live*.tape' | wc -l)" = 2 ]; }
    check "a recorder of root's has only the capabilities of files; it can rotate its tape" as_root
    chmod 755 "$WORK" && chmod 777 "$WORK/out"
    as_nobody() {
        recording -Z nobody && confined && [ "$(state Uid | cut -f1-4 | tr '\t' ' ')" = "$(id -u nobody) $(id -u nobody) $(id -u nobody) $(id -u nobody)" ] &&
            [ "$(state CapEff)" = 0000000000000000 ]
        local s=$?
        stopped && [ $s = 0 ] && [ "$(stat -c %U "$WORK/out/live.tape")" = nobody ]
    }
    check "a recorder that became another user has nothing, and the tape is that user's" as_nobody
    sudoer() { SUDO_USER=nobody recording; local s=$? owner; stopped; owner=$(stat -c %U "$WORK/out/live.tape"); [ $s = 0 ] && [ "$owner" = nobody ]; }
    check "under sudo it becomes who ran it" sudoer
    cannot() { chmod 755 "$WORK/out" && "$AUTHTAPE" record -i lo -Z nobody -w "$WORK/out/n.tape" 2>"$WORK/said"; [ $? = 2 ] && grep -q "n.tape: cannot write: Permission denied, as the user 'nobody' (see --drop-to)" "$WORK/said"; }
    check "a folder that the user may not write to is named, with the user" cannot
fi
