#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""TCP, UDP and ping of a guest over net_vfio_user, against net_vhost.

One guest (QEMU, software emulation) has both NICs, each served by a testpmd of its own
that forwards to a tap interface in a network namespace. Only the testpmd that is
measured forwards, on one core and with one pair of queues; the other one waits. The two take turns, and a figure is the median
of all runs. Root rights are needed.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import tempfile

import run as table

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests" / "nic")]
import nic  # noqa: E402 pylint: disable=wrong-import-position
import vm  # noqa: E402 pylint: disable=wrong-import-position
import world  # noqa: E402 pylint: disable=wrong-import-position

OURS, PEER = "vfio_user", "vhost_user"
PINGS = 200
#: Row -> options of iperf3, or None for ping.
FLOWS = {
    "TCP from the guest": "",
    "TCP to the guest": "-R",
    "UDP from the guest": "-u -b 0 -l 1400",
    "UDP to the guest": "-u -b 300M -l 1400 -R",
    "ping round trip": None,
}


def attach(lab, images, build):
    """Boot a guest with both NICs; return the links by the name of the backend."""
    providers, extra, devices = {}, [], []
    for number, name in enumerate((OURS, PEER)):
        backend = nic.BACKENDS[name](str(build))
        provider = world.Provider(lab, backend, number, queues=1)
        provider.pmd.run("stop")
        words, device = backend.boot("nic%d" % number, provider.path, nic.mac_address(number), 1,
                                     bus="rp%d" % number)
        extra += words
        devices += [vm.root_port("rp%d" % number, world.FIRST_SLOT + number), device]
        providers[name] = provider
    guest = lab.guest(images, devices, extra=extra)
    guest.run("modprobe virtio_net", 60)
    links = {name: world.Link(guest, world.FIRST_SLOT + number, provider, None)
             for number, (name, provider) in enumerate(providers.items())}
    for link in links.values():
        link.nic.up()
    return links


def figure(link, options, seconds):
    """One figure of one link: bit/s that were received, or nanoseconds."""
    link.provider.pmd.run("start")
    try:
        link.nic.ping()
        if options is None:
            said = link.guest.run("/bin/ping -q -c %d -i 0.01 %s" % (PINGS, link.nic.host), 120)
            return float(re.search(r"min/avg/max/mdev = [\d.]+/([\d.]+)/", said)[1]) * 1e6
        end = link.iperf("-t %g %s" % (seconds, options), 60 + int(seconds))
        flow = end.get("sum_received") or end["sum"]
        return flow["bits_per_second"] * (1 - flow.get("lost_percent", 0) / 100)
    finally:
        link.provider.pmd.run("stop")


def row(name, options, values):
    """One row: our median against the peer's."""
    ours, peer = (statistics.median(values[who]) for who in (OURS, PEER))
    found = {"name": name, "program": "guest", "unit": "ns" if options is None else "bit/s",
             "value": ours, "base": peer, "ratio": ours / peer, "values": values[OURS],
             "base_values": values[PEER],
             "target": "ratio <= 1.1" if options is None else "ratio >= 0.95"}
    found["met"] = table.met(found)
    return found


def measure(links, args):
    """The rows of the table."""
    values = {name: {OURS: [], PEER: []} for name in FLOWS}
    for number in range(args.runs):
        for name, options in FLOWS.items():
            print("run %d of %d: %s" % (number + 1, args.runs, name), file=sys.stderr)
            # Each goes first in every other run.
            for who in (OURS, PEER) if number % 2 == 0 else (PEER, OURS):
                values[name][who].append(figure(links[who], options, args.seconds))
    return [row(name, options, values[name]) for name, options in FLOWS.items()]


def options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--json", type=pathlib.Path, help="default: BUILD/bench-guest.json")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--quick", action="store_true", help="once, for a second")
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.json = args.json or args.build / "bench-guest.json"
    if args.quick:
        args.runs, args.seconds = 1, 1
    return args


def main():
    args = options()
    try:
        with tempfile.TemporaryDirectory(prefix="vfio-user-images-") as folder, vm.Lab() as lab:
            images = vm.Images.get(folder, world.MODULES, programs=world.PROGRAMS)
            rows = measure(attach(lab, images, args.build), args)
    except (vm.Missing, vm.Failure) as error:
        print("guest.py: %s" % error, file=sys.stderr)
        return 1
    args.json.write_text(json.dumps({"cpu": table.cpu_model(), "kernel": os.uname().release,
                                     "runs": args.runs, "rows": rows}, indent=1) + "\n",
                         encoding="utf-8")
    table.print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
