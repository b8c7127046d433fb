#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Show the demo device in a real guest, step by step (see scripts/demo-vm.sh)."""

import os
import signal
import sys
import tempfile
import time

import vm
from demo_device import (BAR_SIZES, ID, ID_VALUE, IDS, MEMORY_BAR, SCRATCH, TRAPPED, VERSION,
                         DemoDevice)

MIB = 1 << 20
SLOTS = ("0000:00:04.0", "0000:00:08.0")
IOMMU = ["-device", "intel-iommu,intremap=on,caching-mode=on"]


class Demo:
    """The steps; each prints what was seen, and ends the demo when it is wrong."""

    def __init__(self, lab, images, binary):
        self.lab = lab
        self.images = images
        self.binary = binary
        self.servers = []
        self.guest = None
        self.devices = []

    def start_servers(self):
        """Start one process per device"""
        for name in ("dev0", "dev1"):
            self.servers.append(self.lab.server(self.binary, name))
            say("process %d: %s" % (self.servers[-1].popen.pid, self.servers[-1].path))

    def boot(self):
        """Boot a guest that has both devices"""
        start = time.monotonic()
        self.guest = self.lab.guest(self.images, [
            vm.root_port("rp4", 4),
            vm.device(self.servers[0], bus="rp4"), vm.device(self.servers[1], addr="0x8")],
            cmdline="intel_iommu=on iommu=pt", extra=IOMMU)
        self.devices = [DemoDevice.at(self.guest, slot) for slot in SLOTS]
        say("Linux %s is up after %.1f s (software emulation)"
            % (self.guest.run("uname -r"), time.monotonic() - start))

    def layout(self):
        """What the guest's Linux sees"""
        for dev in self.devices:
            ids, bars = dev.ids(), dev.bars()
            say("%s  id %s:%s  subsystem %s:%s  class %s" % (
                dev.address, ids["vendor"][2:], ids["device"][2:], ids["subsystem_vendor"][2:],
                ids["subsystem_device"][2:], ids["class"][2:]))
            for number, bar in bars.items():
                say("    BAR %d: memory, %d KiB%s" % (
                    number, bar.size >> 10, ", prefetchable" if bar.prefetchable else ""))
            expect(ids == IDS, "other numbers than %s" % IDS)
            expect({n: bar.size for n, bar in bars.items()} == BAR_SIZES, "other BAR sizes")

    def registers(self):
        """Registers in BAR 0: each access is a message to the server"""
        dev = self.devices[0]
        say("ID 0x%08x, version %d" % (dev.read(ID), dev.read(VERSION)))
        expect(dev.read(ID) == ID_VALUE, "the ID should be 0x%08x" % ID_VALUE)
        for value in (0xdeadbeef, 0x00c0ffee):
            dev.write(SCRATCH, value)
            say("scratch: wrote 0x%08x, read 0x%08x" % (value, dev.read(SCRATCH)))
            expect(dev.read(SCRATCH) == value, "the register lost its value")

    def memory(self):
        """Memory in BAR 2: the first page is trapped, the rest is mapped"""
        dev = self.devices[0]
        say(dev.vmdev("pattern", MEMORY_BAR, 0, TRAPPED))
        say(dev.vmdev("pattern", MEMORY_BAR, TRAPPED, BAR_SIZES[MEMORY_BAR] - TRAPPED))

    def dma(self):
        """The device copies within guest memory"""
        for dev in self.devices:
            say("%s  %s" % (dev.address, dev.vmdev("dma", 16 * MIB)))

    def intx(self):
        """Interrupts by INTx, taken through uio_pci_generic"""
        for dev in self.devices:
            say("%s  %s" % (dev.address, dev.intx(10)))

    def msix(self):
        """Interrupts by MSI-X and DMA behind an IOMMU, through vfio-pci"""
        dev = self.devices[1]
        self.guest.run("modprobe vfio_iommu_type1")
        dev.bind("vfio-pci")
        say("%s  %s" % (dev.address, dev.vmdev("vfio")))
        dev.unbind()

    def kill(self):
        """Kill the first device's server: the guest lives on"""
        self.servers[0].stop(signal.SIGKILL)
        value = self.devices[0].read(ID)
        say("%s  reads 0x%08x" % (self.devices[0].address, value))
        expect(value == 0xffffffff, "a device that is gone reads as all-ones")
        self.devices[1].works()
        say("%s  still works" % self.devices[1].address)

    def run(self):
        """Do all steps."""
        steps = (self.start_servers, self.boot, self.layout, self.registers, self.memory,
                 self.dma, self.intx, self.msix, self.kill)
        for number, step in enumerate(steps, 1):
            headline("%d/%d  %s" % (number, len(steps), step.__doc__))
            step()


def headline(text):
    """Print a step's title."""
    print("\n==> " + text, flush=True)


def say(text):
    """Print what a step saw."""
    print("    " + text, flush=True)


def expect(condition, text):
    """End the demo unless the condition holds."""
    if not condition:
        raise vm.Failure(text)


def show_logs(lab):
    """Print the last lines of what the processes wrote."""
    for name, text in lab.report().items():
        print("--- %s\n%s" % (name, text), file=sys.stderr)


def demo(binary, folder):
    """Prepare, run the demo and tidy up; return the exit status."""
    headline("QEMU, guest kernel and initramfs (the first run downloads about 100 MB)")
    images = vm.Images.get(folder)
    say("%s\n    %s" % (images.qemu, images.kernel))
    with vm.Lab() as lab:
        try:
            Demo(lab, images, binary).run()
        except vm.Failure as error:
            print("\nFAILED: %s" % error, file=sys.stderr)
            show_logs(lab)
            return 1
    headline("all steps passed, everything is stopped")
    return 0


def main():
    """Run with the build folder as the only argument."""
    if len(sys.argv) != 2:
        sys.exit("usage: demo.py BUILD_DIR")
    binary = os.path.join(os.path.abspath(sys.argv[1]), "examples", "vfio_user_demo")
    if not (os.path.isfile(binary) and os.access(binary, os.X_OK)):
        sys.exit("no program %s: build first" % binary)
    # So that the with statements end the processes on this signal, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="vfio-user-images-") as folder:
            sys.exit(demo(binary, folder))
    except vm.Missing as error:
        sys.exit("cannot run: %s" % error)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
