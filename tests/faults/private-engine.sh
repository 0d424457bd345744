#!/bin/bash
# An engine of a test's own, on a small disk of its own and without networks of this machine. Needs root.
# private-engine.sh DIR: runs it on unix://DIR/sock until it is ended. private-engine.sh DIR end: takes its disk away.
set -eu
D=$1
if [ "${2:-}" = end ]; then
	for mount in $(awk -v dir="$D/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r); do
		umount -l "$mount" || true
	done
	exit 0
fi
mkdir -p "$D/exec" "$D/mnt"
[ -f "$D/disk.img" ] || { truncate -s 300M "$D/disk.img"; mkfs.ext4 -q "$D/disk.img"; }
mountpoint -q "$D/mnt" || mount -o loop "$D/disk.img" "$D/mnt"
# One that was killed leaves its own behind, and the next would not start.
rm -f "$D/pid"
exec unshare -n dockerd --data-root "$D/mnt" --exec-root "$D/exec" --pidfile "$D/pid" -H "unix://$D/sock" \
	--bridge=none --iptables=false --ip6tables=false --default-address-pool base=10.231.0.0/16,size=24 >>"$D/log" 2>&1
