#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: demo-vm.sh BUILD_DIR
#
# Boot a guest (QEMU, software emulation) with two demo devices served by
# BUILD_DIR/examples/vfio_user_demo, and show that they work: layout, registers,
# mapped memory, DMA, interrupts. The exit status is not 0 when a step fails;
# everything that was started is stopped in any case.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

[ $# -eq 1 ] || {
	echo "usage: ${0##*/} BUILD_DIR" >&2
	exit 2
}
exec /usr/bin/python3 "$here/../tests/vm/demo.py" "$1"
