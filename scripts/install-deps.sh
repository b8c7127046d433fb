#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: install-deps.sh [demo|vm|nic|docs|test|format|qemu|all]
#
# Install the Debian packages that are missing for a purpose; "all" is the
# default, "test" covers all but "format"; "qemu" is covered by itself alone. Nothing is
# asked, nothing is removed, and nothing is done when all of them are there.

set -euo pipefail

export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export DEBIAN_FRONTEND=noninteractive

# The library, its examples, and the drivers, whose headers fetch-driver-sdk.sh gets
# from a source package that the keyring checks.
build=(build-essential meson ninja-build pkg-config libdpdk-dev libjansson-dev python3
	debian-archive-keyring)

# The guest: its init is a static busybox; QEMU and the kernel are unpacked by
# fetch-qemu.sh and fetch-kernel.sh.
vm=(busybox-static xz-utils)

docs=(doxygen python3-sphinx)

format=(git clang-format)

# libsystemd-dev: DPDK as static libraries asks for it (through libpcap and
# D-Bus), and no package of Debian 12 depends on it. dpdk-dev: dpdk-telemetry.py.
# openssl: the results of the crypto example are compared with its. tshark: runs the
# dissector of app/vfio-user/wireshark.
checks=(python3-pytest universal-ctags clang pciutils shellcheck libsystemd-dev
	dpdk-dev babeltrace2 openssl tshark)

# A guest's NIC: dpdk-dev has testpmd; the others run at both ends.
nic=(dpdk-dev iproute2 iputils-ping iperf3 ethtool)

# What fetch-qemu-server.sh builds QEMU with.
qemu=(build-essential ninja-build pkg-config python3-venv debian-archive-keyring
	libglib2.0-dev libpixman-1-dev libjson-c-dev libcmocka-dev)

die()
{
	echo "install-deps.sh: $*" >&2
	exit 1
}

packages_for()
{
	case "$1" in
	demo) echo "${build[@]}" ;;
	nic) echo "${build[@]}" "${vm[@]}" "${nic[@]}" ;;
	vm) echo "${build[@]}" "${vm[@]}" ;;
	docs) echo "${docs[@]}" ;;
	format) echo "${format[@]}" ;;
	qemu) echo "${qemu[@]}" ;;
	test) echo "${build[@]}" "${vm[@]}" "${nic[@]}" "${docs[@]}" "${checks[@]}" ;;
	all) echo "${build[@]}" "${vm[@]}" "${nic[@]}" "${docs[@]}" "${checks[@]}" "${format[@]}" ;;
	*) die "unknown purpose '$1' (demo, vm, nic, docs, test, format, qemu, all)" ;;
	esac
}

# Print those of the packages that are not installed. A package that is
# provided by another one (pkg-config by pkgconf) counts as there.
missing()
{
	local status

	status=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' |
		sed -n 's/^installed //p' | tr -d ',' | tr ' ' '\n')
	for package in "$@"; do
		grep -qxF -- "$package" <<<"$status" || echo "$package"
	done
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo --preserve-env=DEBIAN_FRONTEND "$@"
	fi
}

install()
{
	as_root apt-get install -qq -y --no-install-recommends --no-remove \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >/dev/null
}

update()
{
	as_root apt-get update -qq -o DPkg::Lock::Timeout=300 >/dev/null
}

main()
{
	local purpose=${1:-all} wanted lacking

	[ $# -le 1 ] || die "one purpose at most"
	wanted=$(packages_for "$purpose")
	command -v apt-get >/dev/null ||
		die "not a Debian system; please install: $wanted"
	# shellcheck disable=SC2086 # one word per package
	lacking=$(missing $wanted)
	[ -n "$lacking" ] || return 0

	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		die "neither root nor sudo; please install: $(tr '\n' ' ' <<<"$lacking")"
	fi
	echo "install-deps.sh: installing $(tr '\n' ' ' <<<"$lacking")" >&2
	# The package lists may be absent or older than the mirror.
	# shellcheck disable=SC2086
	install $lacking || { update && install $lacking; } ||
		die "cannot install the packages"
}

main "$@"
