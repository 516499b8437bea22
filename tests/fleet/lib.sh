# lib.sh: a ClickHouse server and a Slurm cluster of one node, on loopback, each with folders of its own. To be sourced.

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }

# clickhouse_up FOLDER: starts, or starts again; sets $CH_URL, $CH_TCP and $CH_PID.
clickhouse_up() {
    local d=$1 i
    mkdir -p "$d/data" "$d/tmp"
    if [ ! -e "$d/config.xml" ]; then
        CH_HTTP=$(free_port) CH_TCP=$(free_port)
        cat >"$d/config.xml" <<XML
<yandex>
  <logger><level>warning</level><log>$d/log</log><errorlog>$d/errors</errorlog></logger>
  <http_port>$CH_HTTP</http_port><tcp_port>$CH_TCP</tcp_port><listen_host>127.0.0.1</listen_host>
  <path>$d/data/</path><tmp_path>$d/tmp/</tmp_path><users_config>$d/users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>268435456</mark_cache_size>
</yandex>
XML
        cat >"$d/users.xml" <<XML
<yandex>
  <profiles><default/></profiles><quotas><default/></quotas>
  <users><default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
</yandex>
XML
    fi
    clickhouse-server --config-file="$d/config.xml" >>"$d/out" 2>&1 &
    CH_PID=$!
    CH_URL=http://127.0.0.1:$CH_HTTP/
    for ((i = 0; i < 300; i++)); do
        [ "$(sql 'SELECT 1' 2>/dev/null)" = 1 ] && return 0
        kill -0 "$CH_PID" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$d/out" "$d/errors" 2>/dev/null | remark
    return 1
}
clickhouse_down() {
    [ -n "${CH_PID:-}" ] || return 0
    kill -9 "$CH_PID" 2>/dev/null
    wait "$CH_PID" 2>/dev/null
    CH_PID=
}
sql() { clickhouse-client --host 127.0.0.1 --port "$CH_TCP" --multiquery --query "$1"; }

# slurm_up FOLDER: munge, slurmctld and slurmd; sets SLURM_CONF.
slurm_up() {
    local d=$1 i host
    host=$(hostname -s)
    mkdir -p "$d/state" "$d/spool" "$d/munge"
    chmod 755 "$d" "$d/munge"
    dd if=/dev/urandom of="$d/munge/key" bs=1024 count=1 2>/dev/null
    chmod 600 "$d/munge/key"
    munged --force --foreground --socket="$d/munge/socket" --key-file="$d/munge/key" --pid-file="$d/munge/pid" \
        --seed-file="$d/munge/seed" --log-file="$d/munge/log" >"$d/munge/out" 2>&1 &
    SLURM_PIDS=$!
    cat >"$d/slurm.conf" <<CONF
ClusterName=authtape
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$d/munge/socket
CredType=cred/munge
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
StateSaveLocation=$d/state
SlurmdSpoolDir=$d/spool
SlurmctldPidFile=$d/ctld.pid
SlurmdPidFile=$d/d.pid
SlurmctldLogFile=$d/ctld.log
SlurmdLogFile=$d/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=300
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF
    export SLURM_CONF=$d/slurm.conf
    for ((i = 0; i < 50; i++)); do [ -S "$d/munge/socket" ] && break; sleep 0.1; done
    slurmctld -D -f "$SLURM_CONF" >"$d/ctld.out" 2>&1 &
    SLURM_PIDS="$SLURM_PIDS $!"
    slurmd -D -f "$SLURM_CONF" >"$d/d.out" 2>&1 &
    SLURM_PIDS="$SLURM_PIDS $!"
    for ((i = 0; i < 200; i++)); do
        sinfo -h -o %t 2>/dev/null | grep -q -e idle -e mix && return 0
        sleep 0.1
    done
    tail -n 5 "$d"/*.log "$d"/*.out "$d/munge/log" 2>/dev/null | remark
    return 1
}
slurm_down() {
    local p
    for p in ${SLURM_PIDS:-}; do kill "$p" 2>/dev/null; done
    for p in ${SLURM_PIDS:-}; do wait "$p" 2>/dev/null; done
    SLURM_PIDS=
}

# One recording of many sessions as N tapes, as N recorders would have seen it: a session on one of them, users on many.
split_sessions() { # NDJSON N PREFIX
    local i
    awk -v n="$2" -v prefix="$3" '{
        match($0, /"stream":"[^"]*>/); s = substr($0, RSTART, RLENGTH); k = 0
        while (match(s, /[0-9]+/)) { k = (k * 31 + substr(s, RSTART, RLENGTH)) % 9973; s = substr(s, RSTART + RLENGTH) }
        print > (prefix (k % n) ".ndjson")
    }' "$1"
    for ((i = 0; i < $2; i++)); do
        "$AUTHTAPE" import -w "$3$i.tape" "$3$i.ndjson" || return 1
        rm "$3$i.ndjson"
    done
}
