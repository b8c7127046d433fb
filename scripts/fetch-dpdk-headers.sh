#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: fetch-dpdk-headers.sh SUITE
#
# Print a folder with the headers of the DPDK of another Debian suite, such as trixie:
# in include what its libdpdk-dev installs, and in driver-sdk the headers for drivers,
# if the mirror has the sources. They are fetched on the first run, into the cache
# folder; nothing is installed. The path is the only line on stdout; progress and
# errors go to stderr.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

[ $# -eq 1 ] || die "one suite"
suite=$1

# Sources for apt: of both kinds, of that suite alone.
suite_sources()
{
	local mirror

	mirror=$(debian_mirror)
	echo "deb [arch=amd64 signed-by=$DEBIAN_KEYRING] $mirror $suite main"
	echo "deb-src [signed-by=$DEBIAN_KEYRING] $mirror $suite main"
}

fetch()
{
	begin "$1" suite_sources
	unpack_alone libdpdk-dev
	mv "$tmp/root/usr/include" "$tmp/include"
	mkdir "$tmp/driver-sdk"
	(copy_driver_headers "$tmp/driver-sdk" dpdk) || rm -r "$tmp/driver-sdk"
	rm -rf "$tmp/root" "$tmp/source"
	publish "$1"
}

lock_cache
name=dpdk-headers-$suite
[ -d "$CACHE/$name" ] || fetch "$name"
[ -d "$CACHE/$name/driver-sdk" ] ||
	echo "${0##*/}: no headers for drivers; remove $CACHE/$name to try again" >&2
echo "$CACHE/$name"
