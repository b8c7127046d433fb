#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Print the path of a qemu-system-x86_64 that has the vfio-user-pci device
# (QEMU >= 10.1): the system's own when it is new enough, else one unpacked
# from Debian's packages into the cache folder on the first run. The path is
# the only line on stdout; progress and errors go to stderr.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

qemu=$CACHE/qemu/qemu-system-x86_64

# The device is what counts, and its absence covers every older version.
has_vfio_user()
{
	[[ $("$1" -device help 2>/dev/null) == *'"vfio-user-pci"'* ]]
}

# QEMU runs from outside its own Debian release: by that release's dynamic
# loader and libraries, whatever the machine's own are.
write_wrapper()
{
	cat >"$1" <<-'EOS'
		#!/bin/sh
		root=$(dirname "$(readlink -f "$0")")/root
		lib=$root/usr/lib/x86_64-linux-gnu
		QEMU_MODULE_DIR=$lib/qemu
		export QEMU_MODULE_DIR
		exec "$root/usr/lib64/ld-linux-x86-64.so.2" \
			--library-path "$lib:$root/lib/x86_64-linux-gnu" \
			"$root/usr/bin/qemu-system-x86_64" \
			-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
			-L "$root/usr/lib/ipxe/qemu" "$@"
	EOS
	chmod +x "$1"
}

fetch()
{
	[ "$(uname -m)" = x86_64 ] || die "no QEMU >= 10.1, and none to fetch for $(uname -m)"
	lock_cache
	[ ! -x "$qemu" ] || return 0 # another run was faster
	begin qemu
	unpack_with_depends "$DEBIAN_RELEASE-backports" qemu-system-x86
	write_wrapper "$tmp/qemu-system-x86_64"
	has_vfio_user "$tmp/qemu-system-x86_64" ||
		die "the QEMU of $DEBIAN_RELEASE-backports has no vfio-user-pci"
	publish qemu
}

main()
{
	local system

	system=$(command -v qemu-system-x86_64 || true)
	if [ -n "$system" ] && has_vfio_user "$system"; then
		echo "$system"
		return
	fi
	[ -x "$qemu" ] || fetch
	echo "$qemu"
}

main
