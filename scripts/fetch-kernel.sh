#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: fetch-kernel.sh [cloud|generic]
#
# Print a folder with a guest kernel: "vmlinuz" and "modules" (the folder that
# is /lib/modules/RELEASE in a guest). It is Debian's cloud kernel, or the
# generic one: three times as large, but with drivers that the other has not,
# such as that of virtio-crypto. It is unpacked into the cache folder on the
# first run. The path is the only line on stdout.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=debian-cache.sh
. "$here/debian-cache.sh"

flavour=${1:-cloud}
case $flavour in
cloud) name=kernel metapackage=linux-image-cloud-amd64 ;;
generic) name=kernel-generic metapackage=linux-image-amd64 ;;
*) die "unknown kernel '$flavour' (cloud, generic)" ;;
esac
kernel=$CACHE/$name

# The metapackage's dependency is the package with the kernel in it. It alone
# is wanted, not what an installation of it needs (initramfs-tools, ...).
image_package()
{
	apt-cache -c "$tmp/apt/apt.conf" depends -t "$DEBIAN_RELEASE" "$metapackage" |
		sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | sed -n 1p
}

# Names without the release in them, and nothing that a guest has no use for.
arrange()
{
	local release

	release=$(basename "$tmp"/root/usr/lib/modules/*)
	mv "$tmp/root/boot/vmlinuz-$release" "$tmp/vmlinuz"
	mv "$tmp/root/boot/config-$release" "$tmp/config"
	mv "$tmp/root/usr/lib/modules/$release" "$tmp/modules"
	rm -rf "$tmp"/modules/kernel/{sound,drivers/{gpu,infiniband,media,net/wireless}}
	echo "$release" >"$tmp/release"
	rm -rf "$tmp/root"
}

fetch()
{
	local package

	lock_cache
	[ ! -r "$kernel/vmlinuz" ] || return 0 # another run was faster
	begin "$name"
	package=$(image_package)
	[ -n "$package" ] || die "no $flavour kernel in Debian $DEBIAN_RELEASE"
	unpack_alone "$package"
	arrange
	publish "$name"
}

[ -r "$kernel/vmlinuz" ] || fetch
echo "$kernel"
