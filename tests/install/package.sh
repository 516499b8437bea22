#!/bin/bash
# usage: tests/install/package.sh [CHROOT]    as root; two minutes and a Debian mirror. Part of `make check-full`.
# The Debian packages on a machine without build tools: lintian, installation, the manual, a recording by an ordinary user
# with the capability set, removal that leaves nothing. CHROOT is a minimal Debian, made anew without it.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
for tool in dpkg-buildpackage dh lintian mmdebstrap; do
    command -v $tool >/dev/null || { skip "Debian packages" "$tool is not installed"; exit 0; }
done
[ "$(id -u)" = 0 ] || { skip "Debian packages" "a chroot takes root"; exit 0; }
work_folder
chroot=${1:-$WORK/chroot}

[ -n "${NO_BUILD:-}" ] || check "make deb" $MAKE --no-print-directory deb
linted() { lintian --allow-root --fail-on error,warning build/deb/*.changes; }
check "lintian has no errors and no warnings" linted
if [ ! -d "$chroot/usr" ] && ! mmdebstrap --variant=minbase --include=man-db,libcap2-bin bookworm "$chroot" >"$WORK/log" 2>&1; then
    tail -n 3 "$WORK/log" | remark
    skip "packages in a chroot" "mmdebstrap failed"
    exit 0
fi
inside() { chroot "$chroot" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
files() { (cd "$chroot" && find usr lib etc var/lib -xdev ! -type d ! -path 'var/lib/dpkg/*' ! -path 'var/lib/apt/*' ! -path 'etc/ld.so.cache' ! -path 'var/lib/systemd/*' | sort); }
cp build/deb/authtape_*.deb build/deb/libauthtape0_*.deb tests/wire/still_fails.pcap "$chroot/tmp/"
cp /etc/resolv.conf "$chroot/etc/" 2>/dev/null
mount --bind /proc "$chroot/proc" && mount --bind /sys "$chroot/sys" && trap 'umount "$chroot/proc" "$chroot/sys"; rm -rf "$WORK"' EXIT
no_tools() { ! inside sh -c 'command -v gcc || command -v cc || command -v make'; }
check "the machine has no build tools" no_tools
# What it depends on, and the user, come first, so that what is left at the end is authtape's own.
depends() { inside apt-get -q update && inside sh -c "apt-get -q install -y --no-install-recommends \$(dpkg-deb -f /tmp/authtape_*.deb Depends | tr ',' '\n' | sed 's/ *(.*//; s/|.*//')"; }
check "its dependencies are in Debian" depends
inside useradd -m player 2>/dev/null
files >"$WORK/before"
install() { inside sh -c 'dpkg -i /tmp/authtape_*.deb /tmp/libauthtape0_*.deb'; }
check "dpkg -i" install
helps() { inside authtape --help | grep -q '^usage: authtape COMMAND'; }
check "authtape --help" helps
manual() { inside sh -c 'MANPAGER=cat MANWIDTH=80 man authtape-record' | grep -q 'record authorization events on a tape'; }
check "man authtape-record" manual
inside setcap cap_net_raw+ep /usr/bin/authtape
records() {
    inside su player -c 'cd && (timeout --preserve-status -s INT 4 authtape record --sandbox require -i lo --port 9420 -w live.tape 2>said & sleep 1.5
        grep -E "Cap(Eff|Prm)|Seccomp:|NoNew" /proc/$(pgrep -nx authtape || echo self)/status >status; wait)
        cat said status; authtape verify live.tape'
}
check "an ordinary user with the capability records on an interface" records
replays() { inside su player -c 'cd && authtape record -r /tmp/still_fails.pcap --app query:appid --user query:openid -w s.tape; authtape replay s.tape' | grep -q '^unexpected-failure (R5)'; }
check "and replays a capture" replays
removes() { inside sh -c 'dpkg -P authtape libauthtape0' && diff "$WORK/before" <(files); }
check "removal leaves nothing" removes
