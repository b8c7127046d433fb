#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Packet rates of net_vfio_user with net_virtio_vfio_user, against vhost-user.

Two testpmd processes, one forwarding core each: the one with the device is called
the host, the one with the driver the guest. What is measured is what the far side
received. The peer is net_vhost with net_virtio_user, at its faster of two
settings; each run of ours is followed by its peers', and a figure is the median of
all runs that count: each forwarding core must have had at least 95 % of its cpu.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

import run as table

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests" / "nic")]
import testpmd  # noqa: E402 pylint: disable=wrong-import-position
import vm  # noqa: E402 pylint: disable=wrong-import-position

SETTLE = 1.5  # seconds
SHARE = 0.95  # of its cpu, for a forwarding core
TRIES = 4  # for a run that counts
SOCKET = "bench.sock"
DRIVERS = ("librte_net_vfio_user.so", "librte_net_virtio_vfio_user.so")

#: Ring layout -> arguments of our driver.
OURS = {"split": "packed_vq=0", "packed": "packed_vq=1"}
#: Ring layout -> settings of the peer: arguments of its driver.
PEERS = {
    "split": ("", "mrg_rxbuf=0,in_order=0,vectorized=1"),
    "packed": ("packed_vq=1", "packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1"),
}

#: Direction -> forwarding modes of host and guest, and the target of the ratio.
DIRECTIONS = {
    "to host": ("rxonly", "txonly"),
    "to guest": ("txonly", "rxonly"),
    "loop": ("io", "io"),
}


class Side(testpmd.Testpmd):
    """A testpmd whose forwarding core is watched."""

    def __init__(self, lab, name, main_cpu, cpus, args, vdev, mode):
        options = ["--forward-mode=" + mode, "--nb-cores=1", "--burst=%d" % args.burst,
                   "--rxq=%d" % args.queues, "--txq=%d" % args.queues]
        if mode == "txonly" and args.size != "imix":
            options.append("--txpkts=%s" % args.size)
        super().__init__(lab, name, ["--main-lcore=%d" % main_cpu, "--force-max-simd-bitwidth=512",
                                     *vdev], options, memory=512, mbufs=16384, cpus=cpus)

    def worker(self):
        """Processor time of the forwarding core so far, in seconds."""
        tasks = pathlib.Path("/proc/%d/task" % self.popen.pid)
        for task in tasks.iterdir():
            name = (task / "comm").read_text(encoding="utf-8")
            if name.startswith(("lcore-worker", "dpdk-worker", "rte-worker")):
                return int((task / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
        raise vm.Failure("testpmd has no forwarding core")

    def received(self):
        """Packets received so far, and when."""
        packets = self.stats(0)["RX-packets"]
        return packets, time.monotonic()


def rate(lab, args, mode, host_vdev, guest_vdev):
    """Mpps in one run, or None if a core had too little of its cpu."""
    cpus = [int(cpu) for cpu in args.cpus.split(",")]
    host_mode, guest_mode = DIRECTIONS[mode]
    host = Side(lab, "host", cpus[0], args.cpus, args, host_vdev, host_mode)
    guest = None
    try:
        guest = Side(lab, "guest", cpus[1], args.cpus, args, guest_vdev, guest_mode)
        receiver, sender = (guest, host) if host_mode == "txonly" else (host, guest)
        vm.wait_for("link", lambda: host.link_up(0) and guest.link_up(0), 10)
        receiver.run("start")
        sender.run("start tx_first 8" if mode == "loop" else "start")
        time.sleep(SETTLE)
        sides = (host, guest)
        packets, begin = receiver.received()
        used = [side.worker() for side in sides]
        time.sleep(args.seconds)
        more, end = receiver.received()
        shares = [(side.worker() - was) / (end - begin) for side, was in zip(sides, used)]
        if min(shares) < SHARE and not args.quick:
            print("  a forwarding core had %.0f %% of its cpu" % (100 * min(shares)),
                  file=sys.stderr)
            return None
        return (more - packets) / (end - begin) / 1e6
    finally:
        for side in (guest, host):
            if side is not None:
                side.stop()


def counted_rate(lab, args, mode, vdevs):
    """The rate of a run that counts."""
    for _ in range(TRIES):
        path = os.path.join(lab.folder, SOCKET)
        found = rate(lab, args, mode, *vdevs(path))
        if found is not None:
            return found
    raise vm.Failure("no run counts: is the machine busy?")


def ours(args, layout):
    """A function that gives our EAL arguments of host and guest for a socket."""
    load = [word for name in DRIVERS for word in ("-d", str(args.build / "drivers" / name))]

    def vdevs(path):
        return (load + ["--vdev", "net_vfio_user0,iface=%s,queues=%d,queue_size=%d"
                        % (path, args.queues, args.ring)],
                load + ["--vdev", "net_virtio_vfio_user0,path=%s,queues=%d,queue_size=%d,%s"
                        % (path, args.queues, args.ring, OURS[layout])])
    return vdevs


def peers(args, setting):
    """The same for a setting of the peer."""
    extra = "," + setting if setting else ""

    def vdevs(path):
        return (["--vdev", "net_vhost0,iface=%s,queues=%d" % (path, args.queues)],
                ["--vdev", "net_virtio_user0,path=%s,queues=%d,queue_size=%d%s"
                 % (path, args.queues, args.ring, extra)])
    return vdevs


def measure(args):
    """The rows of the table."""
    values = {}
    for number in range(1, args.runs + 1):
        for layout in args.layouts:
            for mode in args.directions:
                print("run %d of %d: %s, %s" % (number, args.runs, layout, mode), file=sys.stderr)
                with vm.Lab() as lab:
                    mine = values.setdefault((layout, mode, None), [])
                    mine.append(counted_rate(lab, args, mode, ours(args, layout)))
                    for setting in PEERS[layout]:
                        theirs = values.setdefault((layout, mode, setting), [])
                        theirs.append(counted_rate(lab, args, mode, peers(args, setting)))
    return [row(args, values, layout, mode) for layout in args.layouts
            for mode in args.directions]


def row(args, values, layout, mode):
    """One row: our median against that of the faster setting of the peer."""
    medians = {setting: statistics.median(values[layout, mode, setting])
               for setting in PEERS[layout]}
    best = max(medians, key=medians.get)
    value = statistics.median(values[layout, mode, None])
    found = {"name": "%s, %s" % (layout, mode), "program": "pmd", "unit": "1/s",
             "value": value * 1e6, "base": medians[best] * 1e6, "ratio": value / medians[best],
             "values": [v * 1e6 for v in values[layout, mode, None]],
             "peer": best or "default", "peers": {k or "default": v for k, v in medians.items()},
             "size": args.size, "burst": args.burst, "queues": args.queues, "ring": args.ring,
             "target": "ratio >= 1.3"}
    found["met"] = table.met(found)
    return found


def options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--json", type=pathlib.Path, help="default: BUILD/bench-pmd.json")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--size", default="64", help="bytes of a frame (default: 64)")
    parser.add_argument("--burst", type=int, default=32)
    parser.add_argument("--queues", type=int, default=1)
    parser.add_argument("--ring", type=int, default=256)
    parser.add_argument("--cpus", default="0,1", metavar="A,B")
    parser.add_argument("--layout", dest="layouts", action="append", choices=list(OURS))
    parser.add_argument("--direction", dest="directions", action="append",
                        choices=list(DIRECTIONS))
    parser.add_argument("--quick", action="store_true", help="once, for half a second")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.layouts = args.layouts or list(OURS)
    args.directions = args.directions or list(DIRECTIONS)
    args.json = args.json or args.build / "bench-pmd.json"
    if args.quick:
        args.runs, args.seconds = 1, 0.5
    return args


def main():
    args = options()
    rows = measure(args)
    args.json.write_text(json.dumps({"cpu": table.cpu_model(), "rows": rows}, indent=1) + "\n",
                         encoding="utf-8")
    table.print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
