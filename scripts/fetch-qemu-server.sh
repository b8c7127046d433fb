#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: fetch-qemu-server.sh [--cached]
#
# Print the path of a qemu-system-x86_64 that serves its own devices over vfio-user
# (-object x-vfio-user-server). Debian's has that left out, so it is built from the
# sources of the installed release's package, with nothing else in it, into the cache
# folder; that takes minutes. What it needs is installed by "install-deps.sh qemu".
# The path is the only line on stdout; progress and errors go to stderr.
#
# --cached: build nothing; print nothing if it is not there.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

qemu=$CACHE/qemu-server/qemu-system-x86_64

serves()
{
	[[ $("$1" -object help 2>/dev/null) == *x-vfio-user-server* ]]
}

build()
{
	local sources=$1

	echo "${0##*/}: building QEMU" >&2
	mkdir "$tmp/build"
	(cd "$tmp/build" && "$sources/configure" --target-list=x86_64-softmmu \
		--without-default-features --enable-system --enable-tcg --enable-kvm \
		--enable-multiprocess --enable-vfio-user-server \
		--disable-docs --disable-install-blobs >configure.log 2>&1 &&
		ninja qemu-system-x86_64 >ninja.log 2>&1) || {
		tail -n 30 "$tmp"/build/*.log >&2
		die "cannot build QEMU"
	}
}

# QEMU has its own copy of the library.
install_built()
{
	mkdir "$tmp/lib"
	cp "$tmp/build/qemu-system-x86_64" "$tmp/lib/"
	find "$tmp/build/subprojects" -name 'libvfio-user.so*' ! -name '*.symbols' ! -type d \
		-exec cp -d {} "$tmp/lib/" \;
	cat >"$tmp/qemu-system-x86_64" <<-'EOS'
		#!/bin/sh
		lib=$(dirname "$(readlink -f "$0")")/lib
		LD_LIBRARY_PATH=$lib exec "$lib/qemu-system-x86_64" "$@"
	EOS
	chmod +x "$tmp/qemu-system-x86_64"
}

fetch()
{
	local sources

	lock_cache
	[ ! -x "$qemu" ] || return 0 # another run was faster
	begin qemu-server source_sources
	sources=$(unpack_source qemu)
	build "$sources"
	install_built
	serves "$tmp/qemu-system-x86_64" || die "this QEMU has no x-vfio-user-server"
	rm -rf "$tmp/root" "$tmp/source" "$tmp/build"
	publish qemu-server
}

main()
{
	local system

	[ "${1:-}" = --cached ] || [ $# -eq 0 ] || die "unknown argument '$1'"
	system=$(command -v qemu-system-x86_64 || true)
	if [ -n "$system" ] && serves "$system"; then
		echo "$system"
		return
	fi
	if [ ! -x "$qemu" ]; then
		[ $# -eq 0 ] || return 0
		fetch
	fi
	echo "$qemu"
}

main "$@"
