#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: fetch-driver-sdk.sh [--cached]
#
# Print a folder with those headers of the installed DPDK that drivers outside of
# its tree need and that Debian does not install. They are taken from the source
# package that the installed DPDK was built from, on the first run, into the cache
# folder. The path is the only line on stdout; progress and errors go to stderr.
#
# --cached: fetch nothing; print nothing if the headers are not there.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

fetch()
{
	local name=$1 package=$2 version=$3

	lock_cache
	[ ! -r "$CACHE/$name/ethdev_driver.h" ] || return 0 # another run was faster
	begin "$name" source_sources
	copy_driver_headers "$tmp" "$package=$version"
	rm -rf "$tmp/root"
	publish "$name"
}

main()
{
	local package version name

	[ "${1:-}" = --cached ] || [ $# -eq 0 ] || die "unknown argument '$1'"
	read -r package version <<<"$(dpdk_source)"
	name=driver-sdk-$version
	if [ ! -r "$CACHE/$name/ethdev_driver.h" ]; then
		[ $# -eq 0 ] || return 0
		[ -n "$version" ] || die "DPDK is not installed from a Debian package"
		fetch "$name" "$package" "$version"
	fi
	echo "$CACHE/$name"
}

main "$@"
