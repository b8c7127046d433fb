#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Print a folder with some of DPDK's example applications, built as they are. Their
# sources are those of the package that the installed DPDK was built from; they are
# fetched and compiled on the first run, into the cache folder. The path is the only
# line on stdout; progress and errors go to stderr.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

# Folders of DPDK's examples, each with the program that it builds.
examples=(l2fwd:l2fwd l3fwd:l3fwd l3fwd-power:l3fwd-power skeleton:basicfwd)

# With the shared libraries: these load plugins.
build_example()
{
	local from=$1 program=$2

	echo "${0##*/}: building $program" >&2
	make -s -C "$from" shared >&2 || die "cannot build $program"
	cp "$from/build/$program-shared" "$tmp/$program"
}

fetch()
{
	local name=$1 package=$2 version=$3 sources example

	lock_cache
	[ ! -x "$CACHE/$name/l2fwd" ] || return 0 # another run was faster
	begin "$name" source_sources
	sources=$(unpack_source "$package=$version")
	for example in "${examples[@]}"; do
		build_example "$sources/examples/${example%:*}" "${example#*:}"
	done
	rm -rf "$tmp/root" "$tmp/source"
	publish "$name"
}

main()
{
	local package version name

	[ $# -eq 0 ] || die "unknown argument '$1'"
	read -r package version <<<"$(dpdk_source)"
	[ -n "$version" ] || die "DPDK is not installed from a Debian package"
	name=examples-$version
	[ -x "$CACHE/$name/l2fwd" ] || fetch "$name" "$package" "$version"
	echo "$CACHE/$name"
}

main "$@"
