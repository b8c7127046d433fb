#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Usage: demo.sh BUILD_DIR
#
# Show a guest whose NIC is a port of testpmd, if there is all that a guest needs.
# Otherwise say what is missing, run the demo device in one process and its client in
# another, and return the client's status.

set -euo pipefail

READY_TRIES=200 # of 50 ms each
STOP_TRIES=200

if [[ $# -ne 1 ]]; then
	echo "usage: $0 BUILD_DIR" >&2
	exit 2
fi
demo=$1/examples/vfio_user_demo
client=$1/examples/vfio_user_client
for program in "$demo" "$client"; do
	if [[ ! -x $program ]]; then
		echo "$0: $program is missing, build the tree first" >&2
		exit 2
	fi
done

missing=3
status=0
/usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/../tests/nic/demo.py" "$1" || status=$?
[[ $status -eq $missing ]] || exit "$status"
echo

dir=$(mktemp -d "${TMPDIR:-/tmp}/vfio-user-demo.XXXXXX")
log=$dir/demo.log
sock=$dir/demo.sock
demo_pid=
client_pid=

# Whatever happens: nothing that was started here stays behind.
# shellcheck disable=SC2317 # called by the trap
clean_up()
{
	local pid

	for pid in $client_pid $demo_pid; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

give_up()
{
	echo "$0: $1; the device said:" >&2
	cat "$log" >&2
	exit 1
}

"$demo" "$sock" >"$log" 2>&1 &
demo_pid=$!
tries=$READY_TRIES
until grep -q '^vfio_user_demo: listening on ' "$log"; do
	if ! kill -0 "$demo_pid" 2>/dev/null || ((tries-- == 0)); then
		give_up 'the demo device does not come up'
	fi
	sleep 0.05
done
echo "== Device: $demo, process $demo_pid"
cat "$log"
shown=$(wc -l <"$log")

echo
echo "== Client: $client"
status=0
"$client" "$sock" &
client_pid=$!
wait "$client_pid" || status=$?
client_pid=

# The device ends when it is asked to, with status 0 and without its socket.
echo
echo '== Device: asked to end'
kill -TERM "$demo_pid" 2>/dev/null || true
tries=$STOP_TRIES
while kill -0 "$demo_pid" 2>/dev/null; do
	((tries-- > 0)) || give_up 'the demo device does not end'
	sleep 0.05
done
demo_status=0
wait "$demo_pid" || demo_status=$?
demo_pid=
tail -n "+$((shown + 1))" "$log"
if [[ $demo_status -ne 0 || -e $sock ]]; then
	give_up "the demo device ended with status $demo_status, or left its socket"
fi
echo "vfio_user_demo: ended with status $demo_status"
exit "$status"
