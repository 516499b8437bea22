#!/bin/bash
# Every example of every manual page and of both READMEs runs, as it stands there.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
if ! command -v node >/dev/null; then
    skip "examples" "node is not installed"
    exit 0
elif ! npm_packages; then
    skip "examples" "$npm_said"
    exit 0
fi
# What examples take for granted: this authtape, and programs that are not to do what they do.
mkdir "$WORK/bin"
cp tests/manual/stage.sh "$WORK/bin/authtape" && chmod +x "$WORK/bin/authtape"
printf '#!/bin/sh\nexec "$@"\n' >"$WORK/bin/sudo"
printf '#!/bin/sh\nexit 0\n' >"$WORK/bin/clickhouse-client"
cat >"$WORK/bin/parallel" <<'END'
#!/bin/bash
# COMMAND... with {} for every line of standard input, or for every word behind ":::"
command=()
while [ $# -gt 0 ] && [ "$1" != ::: ]; do command+=("$1"); shift; done
if [ $# -gt 0 ]; then printf '%s\n' "${@:2}"; else cat; fi | xargs -I{} "${command[@]}"
END
printf '#!/bin/sh\nexec cat session.pcap\n' >"$WORK/bin/ssh"
printf '#!/bin/sh\nexec %s -s -C "%s" -n "$@" >/dev/null\n' "$(command -v "$MAKE")" "$ROOT" >"$WORK/bin/make" # is there such a target?
chmod +x "$WORK/bin/"*
$MAKE --no-print-directory -s CC=gcc BUILD=build/check WERROR=-Werror PREFIX="$WORK/root" install >/dev/null || fail "make install"
export PKG_CONFIG_PATH=$WORK/root/lib/pkgconfig LD_LIBRARY_PATH=$WORK/root/lib
REAL_AUTHTAPE=$AUTHTAPE PATH=$WORK/bin:$PATH node tests/manual/manual.mjs "$WORK"
