# tap.sh: what every suite speaks. A suite is tests/NAME/check.sh; it prints one line a test on standard output:
#   ok - NAME            not ok - NAME            ok - NAME # SKIP why
# Every other line is a remark, shown only when something of the suite fails.
# To be sourced by bash scripts; tests/check.sh sets the variables named in tests/README.md.

pass() { printf 'ok - %s\n' "$1"; }
fail() { printf 'not ok - %s\n' "$1"; }
skip() { printf 'ok - %s # SKIP %s\n' "$1" "$2"; }
remark() { sed 's/^/# /'; }

# check NAME COMMAND...: passes when the command does; its output is shown when it fails.
check() {
    local name=$1 out status
    shift
    out=$("$@" 2>&1)
    status=$?
    if [ $status = 0 ]; then
        pass "$name"
    else
        printf '%s\nexit status %s\n' "$out" "$status" | remark
        fail "$name"
    fi
}

# Suites can be run by hand: without the driver, the programs of the last `make check` are taken.
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
AUTHTAPE=${AUTHTAPE:-$ROOT/build/check/authtape}
AUTHTAPE_ASAN=${AUTHTAPE_ASAN:-$ROOT/build/asan/authtape}
CHECK_BUILD=${CHECK_BUILD:-$ROOT/build/check}
LOGS=${LOGS:-$ROOT/build/check-logs}
MAKE=${MAKE:-make}
JOBS=${JOBS:-2}
SHARED=${AUTHTAPE_SHARED:-$ROOT/../shared}
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}
export LC_ALL=C.UTF-8 TZ=UTC NO_COLOR=1

# A folder of the suite's own, removed when it ends.
work_folder() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/authtape-test.XXXXXX") || exit 2
    trap 'rm -rf "$WORK"' EXIT
}

# The npm packages of tests/package.json, installed as the lock file says; fails, with the reason in $npm_said, where npm
# cannot. Suites that run side by side wait for each other here.
npm_packages() {
    local stamp=$ROOT/tests/node_modules/.authtape-lock lock
    mkdir -p "$LOGS" && exec {lock}>"$LOGS/npm.lock" && flock "$lock"
    npm_are_there "$stamp"
    local status=$?
    exec {lock}>&-
    return $status
}
npm_are_there() {
    local stamp=$1
    npm_said="npm is not installed"
    cmp -s "$ROOT/tests/package-lock.json" "$stamp" && return 0
    command -v npm >/dev/null || return 1
    npm_said=$(cd "$ROOT/tests" && timeout 240 npm ci --no-progress --fetch-retries=1 --fetch-timeout=60000 2>&1) &&
        cp "$ROOT/tests/package-lock.json" "$stamp" && return 0
    remark <<<"$npm_said"
    npm_said="npm cannot install the packages: $(grep -v 'A complete log' <<<"$npm_said" | tail -n 1)"
    return 1
}
