# lib.sh: what the comparing scripts share; to be sourced. Wants EXHAUSTIVE_BIN and AUTHTAPE.

# write_profile FILE [policy options]: the profile that says the same as brute's options.
write_profile() {
    local file=$1 concurrent=join dismiss=unasked quiet=2000 others=false per_device=false silent=none exempt=none lacks= s first=1
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --concurrent) concurrent=$2; shift ;;
        --dismiss) dismiss=$2; shift ;;
        --quiet-ms) quiet=$2; shift ;;
        --silent) silent=$2; shift ;;
        --exempt) exempt=$2; shift ;;
        --lacks) lacks="$lacks${lacks:+,}\"$2\""; shift ;;
        --other-devices) others=true ;;
        --per-device) per_device=true ;;
        --strict) ;;
        *) echo "no policy: $1" >&2; return 2 ;;
        esac
        shift
    done
    {
        printf '{"schema":"authtape.profile/1","name":"exhaustive","title":"exhaustive","namespace":"wx","policies":'
        printf '{"concurrent":"%s","dismiss":"%s","quiet_ms":%s,"other_devices":%s,"per_device":%s,"lacks":[%s]},"scopes":[' \
            "$concurrent" "$dismiss" "$quiet" "$others" "$per_device" "$lacks"
        for s in userInfo:getUserInfo userLocation:getLocation werun:getWeRunData record:startRecord \
            writePhotosAlbum:saveImageToPhotosAlbum; do
            [ $first = 1 ] || printf ,
            first=0
            printf '{"name":"scope.%s","apis":["%s"]' "${s%:*}" "${s#*:}"
            [ "${s%:*}" != "$silent" ] || printf ',"prompts":false'
            [ "${s%:*}" != "$exempt" ] || printf ',"exempt":true'
            printf '}'
        done
        printf '],"apis":{"authorize":["authorize"],"getSetting":["getSetting"],"openSetting":["openSetting"]},"answers":'
        printf '{"failures":[{"class":"os-denied","contains":["system permission denied"]},'
        printf '{"class":"gesture","contains":["user TAP gesture"]},'
        printf '{"class":"unauthorized","contains":["scope unauthorized"]},'
        printf '{"class":"dismissed","contains":["auth cancel"]},{"class":"denied","contains":["auth deny","auth denied"]},'
        printf '{"class":"other","contains":["timeout"]}]}}\n'
    } >"$file"
}

# histories NAME 'policy options' gen-options...: makes histories and compares, on PARTS processors.
histories() {
    local name=$1 policy=$2 part begin=$SECONDS status=0 pids=()
    shift 2
    write_profile "$FOLDER/$name.json" $policy || return 2
    for ((part = 0; part < PARTS; part++)); do
        "$EXHAUSTIVE_BIN/gen" "$@" $policy --part "$part/$PARTS" --chunk "${CHUNK:-50000}" \
            --to "bash '$HERE/chunk.sh' '$FOLDER' '$FOLDER/$name.json' $policy" <"${INPUT:-/dev/null}" &
        pids+=($!)
    done
    for part in "${pids[@]}"; do wait "$part" || status=1; done
    [ -n "${QUIET:-}" ] || echo "  $name: $((SECONDS - begin)) s$([ $status = 0 ] || echo ', they differ')"
    return $status
}

# total NAME: the sum of the coverage lines of that name.
total() { awk -v name="$1" '{ n = $1; $1 = ""; if (substr($0, 2) == name) sum += n } END { print sum + 0 }' "$FOLDER/coverage"; }

# Every class, rule, silent step, kind of event and sight must have been reached. Prints those that were not.
unreached() {
    local c name
    for c in unexpected-prompt duplicate-prompt missing-prompt unexpected-success unexpected-failure decision-ignored \
        setting-wrong setting-unasked setting-missing; do
        echo "class $c"
    done >"$FOLDER/wanted"
    for c in 2 3 4 5 6 7 8 9 15 16; do echo "rule R$c"; done >>"$FOLDER/wanted"
    sed -n 's/^[0-9]* \(step .*\|observes .*\|explained .*\)$/\1/p' "$FOLDER/coverage" | sort -u >>"$FOLDER/wanted"
    for c in return prompt decision settings settings-page; do echo "unexplained $c"; done >>"$FOLDER/wanted"
    while read -r name; do
        [ "$(total "$name")" -gt 0 ] || echo "$name"
    done <"$FOLDER/wanted"
}
