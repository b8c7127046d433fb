#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Usage: demo.py BUILD_DIR

Two processes: testpmd with a port of net_vfio_user, and a guest (QEMU, software
emulation) whose NIC that port is. The guest pings and runs iperf3 against this machine,
at a tap interface to which testpmd forwards. The exit status is 3 when something that
this needs is not there; everything that was started is stopped in any case.
"""

import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "vm"))

# pylint: disable=wrong-import-position
import nic
import vm
import world as worlds

MISSING = 3
FLOWS = {"TCP from the guest": "-t 3", "TCP to the guest": "-t 3 -R",
         "UDP from the guest, 20 Mbit/s": "-u -b 20M -l 1400 -t 2"}


def say(text):
    """Print what is done or was seen."""
    print(text, flush=True)


def show(world):
    """Print what the guest has, and what it reaches over it."""
    guest, eth = world.guest, world.nic.wait()
    say("== Guest: Linux %s, process %d" % (guest.run("uname -r"), guest.popen.pid))
    say("%s at %s: %s, address %s"
        % (eth, world.nic.pci(), guest.run("ethtool -i %s | head -1" % eth),
           guest.run("cat /sys/class/net/%s/address" % eth)))
    say("\n== Guest: ping %s" % world.nic.host)
    say(guest.run("/bin/ping -c 5 -i 0.2 -w 20 " + world.nic.host).splitlines()[-1])
    say("\n== Guest: iperf3 -c %s" % world.nic.host)
    for name, options in FLOWS.items():
        end = world.iperf(options)
        flow = end.get("sum_received") or end["sum"]
        say("%-30s %8.1f Mbit/s" % (name, flow["bits_per_second"] / 1e6))
    counters = world.pmd.stats(worlds.NIC_PORT)
    say("\n== testpmd: port %d received %d packets and sent %d"
        % (worlds.NIC_PORT, counters["RX-packets"], counters["TX-packets"]))


def demo(build, folder):
    """Run it; return the exit status."""
    backend = nic.VfioUser(build)
    images = vm.Images.get(folder, worlds.MODULES, programs=worlds.PROGRAMS)
    with vm.Lab() as lab:
        try:
            begin = time.monotonic()
            world = worlds.World(lab, images, backend, None)
            say("== testpmd: process %d, %s" % (world.pmd.popen.pid, " ".join(
                backend.vdev(0, world.provider.path))))
            say("both are up after %.1f s\n" % (time.monotonic() - begin))
            show(world)
        except vm.Failure as error:
            say("FAILED: %s" % error)
            for name, text in lab.report().items():
                print("--- %s\n%s" % (name, text), file=sys.stderr)
            return 1
    return 0


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: demo.py BUILD_DIR")
    # So that the with statements end the processes on this signal, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="vfio-user-images-") as folder:
            return demo(os.path.abspath(sys.argv[1]), folder)
    except vm.Missing as error:
        say("no guest: %s" % error)
        return MISSING
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
