# Simulated hosts with each fault of --diagnose: found where they first show, named, and minimized. HOSTS_SEEDS: runs of each
# (default 1; README.md).
. "$(dirname "$0")/../tap.sh"
work_folder
if ! make -s -C "$ROOT" BUILD="${CHECK_BUILD#"$ROOT"/}" exhaustive-programs; then
    fail "the programs of tests/exhaustive can be built"
    exit
fi
BIN=$CHECK_BUILD PARTLY=${HOSTS_PARTLY:-1} bash "$ROOT/tests/tools/sim_hosts.sh" "${HOSTS_SEEDS:-1}" >"$WORK/said"
status=$?
remark <"$WORK/said"
name="each fault of a simulated host is found at its first event, named, and minimized ($(tail -n 1 "$WORK/said"))"
if [ $status = 0 ]; then pass "$name"; else fail "$name"; fi
