#!/bin/bash
# The house itself: manual pages, the help of every command, what is installed, what is released.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder

# ---- Manual pages

commands=$("$AUTHTAPE" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')

lint() {
    local said
    said=$(mandoc -Tlint -Wwarning "$1" | grep -v 'referenced manual not found')
    [ -z "$said" ] || { echo "$said"; return 1; }
}
for page in *.[17] */*.[135] */*/*.7; do
    [ -e "$page" ] || continue
    if command -v mandoc >/dev/null; then
        check "manual page $page is well-formed" lint "$page"
    else
        skip "manual page $page is well-formed" "mandoc is not installed"
    fi
done

# Every option of a command's --help stands in its manual page, by its long name or by its letter.
documented() {
    local page status=0 letter option
    page=$(ls ./*/"authtape-$1.1" 2>/dev/null) || { echo "no page authtape-$1.1"; return 1; }
    grep -q '^\.Sh EXAMPLES' "$page" || { echo "$page has no examples"; status=1; }
    while read -r letter option; do
        [[ $option =~ ^(help|sandbox|no-sandbox)$ ]] || grep -Eq -- "Fl (Fl |-)$option\b" "$page" ||
            { [ "$letter" != - ] && grep -Eq "Fl $letter\b" "$page"; } || { echo "$page: no --$option"; status=1; }
    done < <("$AUTHTAPE" "$1" --help | sed -n 's/^  -\(.\), --\([a-z-]*\).*/\1 \2/p; s/^      --\([a-z-]*\).*/- \1/p')
    return $status
}
helped() { "$AUTHTAPE" "$1" --help >"$WORK/help" && grep -q "^usage: authtape $1" "$WORK/help"; }
for command in $commands; do
    check "authtape $command --help" helped "$command"
    check "authtape $command has a manual page with all its options and examples" documented "$command"
done

# ---- Release

releases() {
    git rev-parse HEAD >/dev/null && $MAKE --no-print-directory dist || return 1
    local version
    version=$("$AUTHTAPE" --version | cut -d' ' -f2)
    tar -C "$WORK" -xzf "build/authtape-$version.tar.gz" && $MAKE -C "$WORK/authtape-$version" -j"$JOBS" &&
        [ "$("$WORK/authtape-$version/authtape" --version)" = "authtape $version" ]
}
# The same sources in another folder, built into another folder of it, are the same program, byte for byte.
same() {
    local other
    other=$(echo "$WORK"/authtape-*/build/authtape)
    [ -f "$other" ] && cmp "$AUTHTAPE" "$other" && ! strings -a "$AUTHTAPE" | grep -F "$ROOT"
}
if git rev-parse HEAD >/dev/null 2>&1; then
    check "make dist gives sources that build" releases
    if [ -z "$(git status --porcelain -uno)" ]; then
        check "two builds in two folders have the same bytes" same
    else
        skip "two builds in two folders have the same bytes" "what is committed is not what was built"
    fi
else
    skip "make dist gives sources that build" "this is not a git clone"
fi

# ---- What the program is made of

hardened() {
    local header dynamic
    header=$(readelf -hlW "$AUTHTAPE") && dynamic=$(readelf -dW "$AUTHTAPE") || return 1
    grep -q 'Type:.*DYN' <<<"$header" && grep -q 'Flags:.*NOW PIE' <<<"$dynamic" && grep -q GNU_RELRO <<<"$header" &&
        grep -q 'GNU_STACK.* RW ' <<<"$header" && readelf -sW "$AUTHTAPE" | grep -q __stack_chk_fail &&
        readelf -sW "$AUTHTAPE" | grep -q '__snprintf_chk\|__vsnprintf_chk' &&
        { [ "$(uname -m)" != x86_64 ] || [ "$(objdump -d "$AUTHTAPE" | grep -c endbr64)" -gt 1000 ]; }
}
if command -v readelf >/dev/null && command -v objdump >/dev/null; then
    check "the program: PIE, RELRO, no executable stack, stack protector, fortified, branch protection" hardened
else
    skip "the program is hardened" "readelf and objdump are not installed"
fi

# systemd knows every line of the unit, and finds little that it could still do.
unit() {
    local unit=$WORK/authtape-record@lo.service said
    sed "s#/usr/bin/authtape#/bin/true#; s/^Documentation=.*//" "docs/systemd/authtape-record@.service" >"$unit"
    said=$(systemd-analyze verify "$unit" 2>&1 | grep -F "$(basename "$unit")")
    echo "$said"
    [ -z "$said" ] && systemd-analyze security --offline=yes --threshold=20 "$unit" | tail -n 1
}
if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
    check "the systemd unit is well-formed and leaves little exposed" unit
else
    skip "the systemd unit is well-formed" "systemd-analyze is not installed"
fi

# ---- What the demo and the README show

demonstrates() {
    AUTHTAPE=$AUTHTAPE sh tests/demo.sh >"$WORK/demo" && cat "$WORK/demo" && grep -q '^unexpected-failure (R5)' "$WORK/demo" &&
        grep -q 'while denied' "$WORK/demo" && "$AUTHTAPE" verify build/demo/session.tape
}
check "make demo shows a tape, a divergence and a denial table" demonstrates

if command -v node >/dev/null; then
    check "the READMEs show what happens" tests/house/readme.sh
else
    skip "the READMEs show what happens" "node is not installed"
fi
