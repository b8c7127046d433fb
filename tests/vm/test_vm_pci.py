# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What the device kit declares, seen by lspci and Linux in a QEMU guest."""

import os
import re

import pytest

import vm
from demo_device import DMA_COPIES, SCRATCH, DemoDevice

SLOT, PORT, FIRST_SLOT = "0000:00:08.0", "0000:00:04.0", "0000:00:09.0"

#: Each is inside one line of lspci -vvv, in that order. What QEMU adds to a
#: device (MSI routes, link speeds of the port above) is left out.
GOLDEN = (
    "0880: 1234:5646 (rev 01)",
    "Subsystem: 1234:0001",
    "Interrupt: pin A routed to IRQ",
    "(32-bit, non-prefetchable) [size=4K]",
    "(32-bit, non-prefetchable) [size=4K]",
    "(32-bit, prefetchable) [size=64K]",
    "Capabilities: [40] Power Management version 3",
    "Flags: PMEClk- DSI- D1- D2-",
    "NoSoftRst+ PME-Enable-",
    "Capabilities: [48] Express (v2)",
    "FLReset+",
    "DevSta:\tCorrErr- NonFatalErr- FatalErr- UnsupReq-",
    "Capabilities: [84] MSI-X: Enable- Count=4 Masked-",
    "Vector table: BAR=1 offset=00000000",
    "PBA: BAR=1 offset=00000800",
    "Capabilities: [100 v1] Device Serial Number 56-46-55-44-00-00-00-01",
)

COMPLAINT = re.compile(r"fail|error|invalid|bogus|can't|cannot|unable|timed? ?out|not ready|bug|"
                       r"warn|unknown|ignor", re.I)


@pytest.fixture(scope="module")
def devices(module_lab, lspci_images, demo):
    """A guest with lspci; a device behind a root port, one on the root bus.

    Besides there is the device of the guide's first chapter.
    """
    servers = [module_lab.server(demo, name) for name in ("dev0", "dev1")]
    first = module_lab.server(os.path.join(os.path.dirname(demo), "first_device"), "first")
    guest = module_lab.guest(lspci_images, [
        {"driver": "pcie-root-port", "id": "rp4", "chassis": 4, "slot": 4, "addr": "0x4"},
        vm.device(servers[0], bus="rp4"), vm.device(servers[1], addr="0x8"),
        vm.device(first, addr="0x9")])
    return [DemoDevice.at(guest, slot) for slot in (PORT, SLOT)]


@pytest.fixture(params=[0, 1], ids=["behind-port", "on-root-bus"])
def dev(request, devices):
    """Return each of the devices in turn."""
    return devices[request.param]


def complaints(dev):
    """Lines of the kernel's log that name the device and sound unhappy."""
    lines = dev.guest.run("dmesg").splitlines()
    assert any(dev.address in line for line in lines), "the log does not name the device"
    return [line for line in lines if dev.address in line and COMPLAINT.search(line)]


def test_lspci(dev):
    """lspci shows what was declared."""
    out = dev.guest.run("lspci -vvv -n -s " + dev.address)
    at = 0
    for part in GOLDEN:
        found = out.find(part, at)
        assert found >= 0, "%r is not in its place in:\n%s" % (part, out)
        at = out.find("\n", found)
    assert "<chain" not in out


def test_kernel_log(dev):
    """Linux enumerates the device without a complaint."""
    assert not complaints(dev)


def test_function_level_reset(dev):
    """Linux resets the device by its PCI Express capability."""
    methods = dev.guest.run("cat %s/reset_method" % dev.folder).split()
    assert "flr" in methods
    dev.works()
    dev.write(SCRATCH, 0x5c5c5c5c)
    assert dev.read(DMA_COPIES) > 0
    dev.guest.run("echo flr >%s/reset_method && echo 1 >%s/reset" % (dev.folder, dev.folder))
    assert dev.read(SCRATCH) == 0
    assert dev.read(DMA_COPIES) == 0
    dev.works()
    dev.intx(2)
    assert not complaints(dev)


def test_first_device(devices):
    """The guide's device is there, and keeps its registers until it is reset."""
    guest = devices[0].guest
    assert "1234:cafe" in guest.run("lspci -nn -s " + FIRST_SLOT)
    first = DemoDevice(guest, FIRST_SLOT)
    first.write(0, 0x12345678)
    assert first.read(0) == 0x12345678
    guest.run("echo flr >%s/reset_method && echo 1 >%s/reset" % (first.folder, first.folder))
    assert first.read(0) == 0
    assert not complaints(first)
