#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Build everything and run all tests; see run_tests.py --help.

set -euo pipefail

# Debian's python3 has Debian's pytest; another one may come first in PATH.
export PATH=/usr/bin:/bin:$PATH
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run_tests.py" "$@"
