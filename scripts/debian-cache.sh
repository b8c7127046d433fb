# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Sourced by the fetch-*.sh scripts: unpack Debian packages into a cache folder,
# those of a release other than the installed one with apt and "dpkg -x" alone,
# or the installed one's sources. Nothing is installed, no root rights are needed,
# and apt's own state on the machine is neither used nor changed.

# The newest release that has what we need; its backports have QEMU >= 10.1.
DEBIAN_RELEASE=${DEBIAN_RELEASE:-trixie}
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
CACHE=${VFIO_USER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/dpdk-vfio-user

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# One run at a time per cache: the second one finds the first one's result.
lock_cache()
{
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock"
	flock -w 600 9 || die "another run holds $CACHE/lock"
}

debian_codename()
{
	# shellcheck source=/dev/null
	(. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") ||
		die "not a Debian machine: cannot tell the mirror"
}

# Print "SUITE URI" of what apt takes the machine's own packages from, so that a
# mirror behind a firewall or cache is kept.
debian_suites()
{
	local codename

	codename=$(debian_codename)
	apt-get indextargets --no-release-info \
		--format "\$(CREATED_BY)|\$(COMPONENT)|\$(RELEASE) \$(REPO_URI)" |
		sed -n "s/^Packages|main|\($codename\)/\1/p" | sort -u
}

# Print the mirror of the installed release.
debian_mirror()
{
	local mirror

	mirror=$(debian_suites | sed -n "s/^$(debian_codename) //p" | sed -n 1p)
	[ -n "$mirror" ] || die "apt has no Debian mirror configured"
	echo "$mirror"
}

# Sources for apt: of the newer release, at the mirror of the installed one.
binary_sources()
{
	local mirror suite

	mirror=$(debian_mirror)
	for suite in "$DEBIAN_RELEASE" "$DEBIAN_RELEASE-backports"; do
		echo "deb [arch=amd64 signed-by=$DEBIAN_KEYRING] $mirror $suite main"
	done
}

# Sources for apt: of the source packages of what is installed.
source_sources()
{
	debian_suites | while read -r suite uri; do
		echo "deb-src [signed-by=$DEBIAN_KEYRING] $uri $suite main"
	done
}

# "PACKAGE VERSION" of the sources that the installed DPDK was built from, or nothing.
dpdk_source()
{
	dpkg-query -W -f '${source:Package} ${source:Version}\n' libdpdk-dev 2>/dev/null || true
}

# unpack_source PACKAGE[=VERSION]: print the folder, which is in $tmp/source.
unpack_source()
{
	echo "${0##*/}: fetching the sources of $1" >&2
	mkdir "$tmp/source"
	(cd "$tmp/source" && in_apt -qq source "$1") || die "cannot get the sources of $1"
	echo "$tmp"/source/*/
}

# Write apt's configuration for a state of its own below $1, with the sources that
# $2 prints. It is given with -c, so that it is read last: the machine's settings
# for the network (proxy, credentials) hold, its update hooks are taken out.
write_apt_conf()
{
	local dir=$1

	[ -r "$DEBIAN_KEYRING" ] || die "no $DEBIAN_KEYRING (package debian-archive-keyring)"
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: >"$dir/status"
	"$2" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-CONF
		#clear APT::Update;
		#clear DPkg;
		#clear Dir::Cache;
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "root";
		APT::Install-Recommends "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Debug::NoLocking "true";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State "$dir";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir";
		Dir::Cache::archives "$dir/archives";
	CONF
}

# begin DIR [SOURCES]: start filling $CACHE/DIR.tmp, which publish turns into
# $CACHE/DIR, so that DIR is complete or absent. The lock says that a DIR.tmp found
# here is what an interrupted run left.
begin()
{
	tmp=$CACHE/$1.tmp
	rm -rf "$tmp"
	mkdir -p "$tmp/apt" "$tmp/root"
	write_apt_conf "$tmp/apt" "${2:-binary_sources}"
	in_apt -qq update || die "apt-get update failed"
}

in_apt()
{
	apt-get -c "$tmp/apt/apt.conf" "$@" >&2
}

# unpack_with_depends SUITE PACKAGE...: the status file is empty, so that apt
# resolves as for an empty machine and takes every library that is needed.
unpack_with_depends()
{
	echo "${0##*/}: fetching ${*:2} of Debian $1 and what it depends on" >&2
	in_apt -qq -y -t "$1" --download-only install "${@:2}" ||
		die "cannot download ${*:2} of $1"
	unpack
}

# unpack_alone PACKAGE...: the packages as they are.
unpack_alone()
{
	echo "${0##*/}: fetching $*" >&2
	(cd "$tmp/apt/archives" && in_apt -qq download "$@") ||
		die "cannot download $*"
	unpack
}

unpack()
{
	local deb

	for deb in "$tmp"/apt/archives/*.deb; do
		dpkg -x "$deb" "$tmp/root"
	done
}

# copy_driver_headers TO PACKAGE[=VERSION]: from a source package of DPDK, the headers
# that drivers outside of its tree need and that Debian does not install.
copy_driver_headers()
{
	local to=$1 from folder header

	from=$(unpack_source "$2") || exit 1
	for folder in lib/eal/include lib/ethdev drivers/bus/vdev; do
		for header in "$from/$folder"/*.h; do
			case ${header##*/} in
			*_driver.h | ethdev_*.h) cp "$header" "$to/" ;;
			esac
		done
	done
	for header in ethdev_driver.h ethdev_vdev.h bus_vdev_driver.h dev_driver.h; do
		[ -r "$to/$header" ] || die "the sources of DPDK have no $header where it is expected"
	done
	rm -rf "$tmp/source"
}

publish()
{
	rm -rf "$tmp/apt" "${CACHE:?}/$1"
	mv "$tmp" "$CACHE/$1"
}
