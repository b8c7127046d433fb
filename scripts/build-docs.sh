#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: build-docs.sh [FOLDER]
#
# Build the guides (FOLDER/guides) and the API reference (FOLDER/api). Every
# warning is an error. FOLDER is build/doc unless given.

set -euo pipefail

export PATH=/usr/bin:/bin:$PATH

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "${1:-$root/build/doc}"
out=$(cd "${1:-$root/build/doc}" && pwd)

version()
{
	sed -n "s/^ *version: '\(.*\)',$/\1/p" "$root/meson.build" | sed -n 1p
}

build_guides()
{
	sphinx-build -q -W --keep-going -b html -d "$out/doctrees" \
		-D "release=$(version)" "$root/doc/guides" "$out/guides"
}

# Doxygen reads names relative to the folder it runs in.
build_api()
{
	(cd "$root" && {
		cat doc/api/Doxyfile
		echo "PROJECT_NUMBER = $(version)"
		echo "OUTPUT_DIRECTORY = \"$out\""
	} | doxygen -)
}

# Both are built, so that one run reports the warnings of both.
status=0
build_guides || status=1
build_api || status=1
[ "$status" -eq 0 ] || {
	echo "build-docs.sh: there are errors or warnings" >&2
	exit 1
}
echo "guides:        $out/guides/index.html"
echo "API reference: $out/api/index.html"
