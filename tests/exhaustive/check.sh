# The replay checker against the brute-force checker: a sample of what `make exhaustive` compares.
. "$(dirname "$0")/../tap.sh"
bin=$CHECK_BUILD/exhaustive
if make -s -C "$ROOT" BUILD="${CHECK_BUILD#"$ROOT"/}" exhaustive-programs; then
    export EXHAUSTIVE_BIN=$bin AUTHTAPE ROOT
    check "the brute-force checker agrees with the histories written by hand" \
        bash -c '"$EXHAUSTIVE_BIN/brute" --cases <"$ROOT/tests/exhaustive/cases.txt"'
    check "replay agrees with the brute-force checker on a sample of histories" bash "$ROOT/tests/exhaustive/sample.sh"
else
    fail "the programs of tests/exhaustive can be built"
fi
