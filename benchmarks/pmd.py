#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Packet rates of net_vfio_user with net_virtio_vfio_user, against vhost-user.

Two processes, one forwarding core each: the one with the device is called the host,
the one with the driver the guest. Both are testpmd; where it has no mode for what is
asked, the sender is pmd_traffic. A rate is what the far side received. What a packet
costs each end without a second core is told by pmd_cost, in one process. The peer is
net_vhost with net_virtio_user, at its faster of two settings; each run of ours is
followed by its peers', and a figure is the median of all runs that count: each
forwarding core must have had at least 95 % of its cpu.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
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
COST_TIMEOUT = 120  # seconds
SOCKET = "bench.sock"
DRIVERS = ("librte_net_vfio_user.so", "librte_net_virtio_vfio_user.so")
#: Sizes of seven small, four middle and one large packet, mixed.
IMIX = (64, 570, 64, 64, 570, 64, 1518, 64, 570, 64, 570, 64)
#: Round trips in about a second.
TRIPS = 1000000

#: Ring layout -> arguments of our driver.
OURS = {"split": "packed_vq=0", "packed": "packed_vq=1"}
#: Ring layout -> settings of the peer: arguments of its driver.
PEERS = {
    "split": ("", "mrg_rxbuf=0,in_order=0,vectorized=1"),
    "packed": ("packed_vq=1", "packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1"),
}

#: Direction -> forwarding modes of host and guest.
DIRECTIONS = {
    "to host": ("rxonly", "txonly"),
    "to guest": ("txonly", "rxonly"),
    "loop": ("io", "io"),
    "latency": ("io", "ping"),
    "cost": None,  # both ends in one thread: pmd_cost
}
#: Direction -> what is found in each run; all else is a rate.
FIGURES = {
    "latency": ("median", "p99"),
    "cost": ("driver sends", "device takes", "device gives", "driver receives"),
}
RATE_TARGET = "ratio >= 1.3"
LATENCY_TARGET = "ratio <= 1.1"

#: What is varied; all else is as in the first.
Setting = collections.namedtuple("Setting", "size burst queues", defaults=("64", 32, 1))
SWEEP = [Setting(size=size) for size in ("256", "1024", "1518", "imix")] + \
    [Setting(burst=burst) for burst in (8, 64)] + [Setting(queues=2)]


def worker_time(pid):
    """Processor time of a process's forwarding core so far, in seconds."""
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        name = (task / "comm").read_text(encoding="utf-8")
        if name.startswith(("lcore-worker", "dpdk-worker", "rte-worker")):
            return int((task / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
    raise vm.Failure("no forwarding core")


def eal_args(main_cpu, vdev):
    return ["--main-lcore=%d" % main_cpu, "--force-max-simd-bitwidth=512", *vdev]


class Forwarder(testpmd.Testpmd):
    """A testpmd."""

    def __init__(self, lab, name, main_cpu, args, setting, vdev, mode):
        options = ["--forward-mode=" + mode, "--nb-cores=1", "--burst=%d" % setting.burst,
                   "--rxq=%d" % setting.queues, "--txq=%d" % setting.queues]
        if setting.size != "imix":
            options.append("--txpkts=%s" % setting.size)
        super().__init__(lab, name, eal_args(main_cpu, vdev), options, memory=512, mbufs=16384,
                         cpus=args.cpus)

    def up(self):
        """Tell whether its port's link is up."""
        return self.link_up(0)

    def begin(self, loop=False):
        """Start to forward."""
        self.run("start tx_first 8" if loop else "start")

    def received(self):
        """Packets received so far, and when."""
        packets = self.stats(0)["RX-packets"]
        return packets, time.monotonic()


class Traffic:
    """A pmd_traffic."""

    def __init__(self, lab, name, main_cpu, args, vdev, words):
        self.log = os.path.join(lab.folder, name + ".log")
        with open(self.log, "w", encoding="utf-8") as errors:
            self.popen = subprocess.Popen(
                [str(args.build / "benchmarks" / "pmd_traffic"), "-l", args.cpus,
                 *testpmd.eal(lab, name, 512), *eal_args(main_cpu, vdev), "--",
                 *(str(word) for word in words)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                preexec_fn=vm.die_with_parent)
        lab.add(self, self.log)
        self.is_up = False
        self.line("started")

    def line(self, start):
        """The next line that it prints that starts with something."""
        for line in self.popen.stdout:
            if line.startswith(start):
                return line
        raise vm.Failure("pmd_traffic has ended: " + vm.tail(self.log))

    def up(self):
        """Wait until the link is up."""
        self.is_up = self.is_up or bool(self.line("up"))
        return self.is_up

    def begin(self):
        """Start."""
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def result(self):
        """What it found in the end."""
        return json.loads(self.line("{"))

    def stop(self):
        """End the process, as it removes its socket if it is asked."""
        try:
            self.popen.communicate(timeout=10)  # ends its input
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def start_side(lab, name, main_cpu, args, setting, vdev, mode):
    """One of the two processes."""
    if mode == "ping":
        words = ("pingpong", args.ring, int(args.seconds * TRIPS), setting.size)
    elif mode == "txonly" and setting.size == "imix":
        words = ("send", args.ring, setting.burst, *IMIX)
    else:
        return Forwarder(lab, name, main_cpu, args, setting, vdev, mode)
    return Traffic(lab, name, main_cpu, args, vdev, words)


def watched(args, sides, measure):
    """What measure() returns, or None if a core had too little of its cpu meanwhile."""
    begin = time.monotonic()
    used = [worker_time(side.popen.pid) for side in sides]
    found = measure()
    passed = time.monotonic() - begin
    share = min(worker_time(side.popen.pid) - was for side, was in zip(sides, used)) / passed
    share = min(share, found.get("share", 1))
    if share < SHARE and not args.quick:
        print("  a forwarding core had %.0f %% of its cpu" % (100 * share), file=sys.stderr)
        return None
    return found


def packet_rate(args, receiver):
    """Mpps."""
    packets, begin = receiver.received()
    time.sleep(args.seconds)
    more, end = receiver.received()
    return {"rate": (more - packets) / (end - begin)}


def cost(lab, args, setting, host_vdev, guest_vdev):
    """What pmd_cost finds."""
    load = [word for vdev in (host_vdev, guest_vdev) for word in vdev[:-2]]
    ends = [word for vdev in (host_vdev, guest_vdev) for word in vdev[-1].split(",", 1)]
    cpu = args.cpus.split(",")[1]
    done = subprocess.run([str(args.build / "benchmarks" / "pmd_cost"), "-l", cpu,
                           *testpmd.eal(lab, "cost", 256), *eal_args(int(cpu), load), "--", *ends,
                           str(args.ring), setting.size, str(setting.burst)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=COST_TIMEOUT, preexec_fn=vm.die_with_parent)
    if done.returncode != 0:
        raise vm.Failure("pmd_cost: " + done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def one_run(lab, args, setting, mode, host_vdev, guest_vdev):
    """What one run found, or None if it does not count."""
    if mode == "cost":
        return cost(lab, args, setting, host_vdev, guest_vdev)
    cpus = [int(cpu) for cpu in args.cpus.split(",")]
    host_mode, guest_mode = DIRECTIONS[mode]
    sides = []
    try:
        host = start_side(lab, "host", cpus[0], args, setting, host_vdev, host_mode)
        sides.append(host)
        guest = start_side(lab, "guest", cpus[1], args, setting, guest_vdev, guest_mode)
        sides.append(guest)
        vm.wait_for("link", lambda: guest.up() and host.up(), 10)
        if mode == "latency":
            host.begin()
            guest.begin()
            return watched(args, [host], guest.result)
        receiver, sender = (guest, host) if host_mode == "txonly" else (host, guest)
        receiver.begin()
        sender.begin(*((True,) if mode == "loop" else ()))
        time.sleep(SETTLE)
        return watched(args, sides, lambda: packet_rate(args, receiver))
    finally:
        for side in reversed(sides):
            side.stop()


def counted_run(lab, args, setting, mode, vdevs):
    """What a run found that counts."""
    for _ in range(TRIES):
        path = os.path.join(lab.folder, SOCKET)
        found = one_run(lab, args, setting, mode, *vdevs(path))
        if found is not None:
            return found
    raise vm.Failure("no run counts: is the machine busy?")


def ours(args, setting, layout):
    """A function that gives our EAL arguments of host and guest for a socket."""
    load = [word for name in DRIVERS for word in ("-d", str(args.build / "drivers" / name))]

    def vdevs(path):
        return (load + ["--vdev", "net_vfio_user0,iface=%s,queues=%d,queue_size=%d"
                        % (path, setting.queues, args.ring)],
                load + ["--vdev", "net_virtio_vfio_user0,path=%s,queues=%d,queue_size=%d,%s"
                        % (path, setting.queues, args.ring, OURS[layout])])
    return vdevs


def peers(args, setting, devargs):
    """The same for devargs of the peer."""
    extra = "," + devargs if devargs else ""

    def vdevs(path):
        return (["--vdev", "net_vhost0,iface=%s,queues=%d" % (path, setting.queues)],
                ["--vdev", "net_virtio_user0,path=%s,queues=%d,queue_size=%d%s"
                 % (path, setting.queues, args.ring, extra)])
    return vdevs


def measure(args):
    """The rows of the table."""
    values = collections.defaultdict(list)
    cases = [(setting, layout, mode) for setting in args.settings for layout in args.layouts
             for mode in args.directions if setting.size != "imix" or mode.startswith("to ")]
    for number in range(1, args.runs + 1):
        for case in cases:
            setting, layout, mode = case
            print("run %d of %d: %s" % (number, args.runs, name_of(*case)), file=sys.stderr)
            with vm.Lab() as lab:
                values[case, None].append(counted_run(lab, args, setting, mode,
                                                      ours(args, setting, layout)))
                for devargs in PEERS[layout]:
                    values[case, devargs].append(
                        counted_run(lab, args, setting, mode, peers(args, setting, devargs)))
    return [row for case in cases for row in rows(args, values, *case)]


def name_of(setting, layout, mode):
    """The name of a row; of the setting what is not usual."""
    usual = Setting()
    words = [layout, mode]
    if setting.size != usual.size:
        words.append(setting.size if setting.size == "imix" else setting.size + " bytes")
    if setting.burst != usual.burst:
        words.append("burst %d" % setting.burst)
    if setting.queues != usual.queues:
        words.append("%d queues" % setting.queues)
    return ", ".join(words)


def rows(args, values, setting, layout, mode):
    """Our medians against those of the better setting of the peer."""
    case = (setting, layout, mode)
    found = []
    for key in FIGURES.get(mode, ("rate",)):
        rate = key == "rate"
        medians = {devargs or "default": statistics.median(run[key] for run in
                                                           values[case, devargs])
                   for devargs in PEERS[layout]}
        best = (max if rate else min)(medians, key=medians.get)
        runs = [run[key] for run in values[case, None]]
        row = {"name": name_of(*case) + ("" if rate else ", " + key), "program": "pmd",
               "unit": "1/s" if rate else "ns", "value": statistics.median(runs),
               "base": medians[best], "values": runs, "peer": best, "peers": medians,
               **setting._asdict(), "ring": args.ring}
        if mode != "cost":
            row["target"] = RATE_TARGET if rate else LATENCY_TARGET
        row["ratio"] = row["value"] / row["base"]
        row["met"] = table.met(row)
        found.append(row)
    return found


def options():
    """Parse the command line."""
    usual = Setting()
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--json", type=pathlib.Path, help="default: BUILD/bench-pmd.json")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--size", default=usual.size,
                        help='bytes of a frame, or "imix" (default: %s)' % usual.size)
    parser.add_argument("--burst", type=int, default=usual.burst)
    parser.add_argument("--queues", type=int, default=usual.queues)
    parser.add_argument("--sweep", action="store_true",
                        help="all sizes, bursts and numbers of queues, without the usual ones")
    parser.add_argument("--ring", type=int, default=256)
    parser.add_argument("--cpus", default="0,1", metavar="A,B")
    parser.add_argument("--layout", dest="layouts", action="append", choices=list(OURS))
    parser.add_argument("--direction", dest="directions", action="append",
                        choices=list(DIRECTIONS))
    parser.add_argument("--quick", action="store_true", help="once, for half a second")
    parser.add_argument("--rst", action="store_true",
                        help="print what the JSON file has as a table for the guide")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.layouts = args.layouts or list(OURS)
    args.directions = args.directions or [mode for mode in DIRECTIONS
                                          if mode not in FIGURES or not args.sweep]
    args.settings = SWEEP if args.sweep else [Setting(args.size, args.burst, args.queues)]
    if args.queues != usual.queues and set(args.directions) & set(FIGURES):
        args.directions = [mode for mode in args.directions if mode not in FIGURES]
        print("latency and cost are those of one queue: left out", file=sys.stderr)
    args.json = args.json or args.build / "bench-pmd.json"
    if args.quick:
        args.runs, args.seconds = 1, 0.5
    return args


def main():
    args = options()
    if args.rst:
        table.print_rst(json.loads(args.json.read_text(encoding="utf-8"))["rows"])
        return 0
    found = measure(args)
    args.json.write_text(json.dumps({"cpu": table.cpu_model(), "rows": found}, indent=1) + "\n",
                         encoding="utf-8")
    table.print_table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
