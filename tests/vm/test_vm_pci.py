# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What the device kit declares, seen by lspci and Linux in a QEMU guest.

The guest has the demo device, the device of the guide's first chapter, and those
of app/test/pci_devices.c, which together have all that can be declared.
"""

import collections
import hashlib
import os
import re
import subprocess

import pytest

import vm
from demo_device import DMA_COPIES, SCRATCH, Bar, DemoDevice

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

#: The devices of pci_devices.c, each behind a root port and on the root bus.
KIT_BARS = {
    "plain": {0: Bar(32, False, False)},
    "demo": {0: Bar(4096, True, False), 1: Bar(4096, True, False), 2: Bar(65536, True, True)},
    "all": {0: Bar(1 << 34, True, True), 2: Bar(16384, True, False), 5: Bar(256, False, False)},
    "empty_head": {},
}
KIT_PORT, KIT_ROOT = 0x10, 0x18  # slots of the first one
PLACES = ("behind-port", "on-root-bus")
# of "all"
WIDE_BAR, IO_BAR, DOORBELL, DOORBELL_ERRORS = 0, 5, 0x10, 0x100
UNCOR_MASK, UNCOR_SEVERITY = 0x150 + 8, 0x150 + 12
POISONED_TLP, UNSUPPORTED_REQUEST = 1 << 12, 1 << 20

#: Parts of their golden lines that are not the device's to say, and may be
#: anything here: lspci -F shows what its test's client wrote.
FREE = {
    "Command": r"(?<=^Control: ).*",
    "level of the line at the moment": r"(?<= INTx)[+-]",
    "addresses, by the firmware": r"(?<= at )[0-9a-f]+",
    "interrupt routes, by the firmware": r"(?<=routed to IRQ )\d+",
    "power state": r"(?<=^Status: )D\d",
    "Device Control": r"(?<=^DevCtl:\t).*|(?<=^RlxdOrd).*|(?<=^MaxPayload) \d+ bytes, MaxRead.*",
    "MSI and MSI-X, by the driver": r"(?<=: Enable)[+-](?: Count=\d+(?=/))?|(?<=^Address: ).*|"
                                    r"(?<=^Masking: )[0-9a-f]+",
}
#: Lines that are not there: lspci prints it for a bus master only.
GONE = "Latency: 0"
#: On the root bus QEMU makes an Integrated Endpoint of it: it has no link and no slot.
ROOT_FREE = r"(?<=\(v2\) )(?=Endpoint)|AttnBtn- AttnInd- PwrInd- "
ROOT_GONE = ("Lnk", "ASPMOptComp", "Target Link Speed")

COMPLAINT = re.compile(r"fail|error|invalid|bogus|can't|cannot|unable|timed? ?out|not ready|bug|"
                       r"warn|unknown|ignor", re.I)


def attach_kit(lab, program, name, number):
    """Start a server for each place of a kit's device; return both, and QEMU's options."""
    servers = [lab.server(program, "%s-%s" % (name, place), ["serve", name]) for place in PLACES]
    port = "kit%d" % number
    return servers, [vm.root_port(port, KIT_PORT + number), vm.device(servers[0], bus=port),
                     vm.device(servers[1], addr="0x%x" % (KIT_ROOT + number))]


@pytest.fixture(scope="module")
def world(module_lab, lspci_images, demo, pci_device):
    """Boot a guest that has lspci, an IOMMU, and all the devices."""
    servers = [module_lab.server(demo, name) for name in ("dev0", "dev1")]
    first = module_lab.server(os.path.join(os.path.dirname(demo), "first_device"), "first")
    options = [vm.root_port("rp4", 4), vm.device(servers[0], bus="rp4"),
               vm.device(servers[1], addr="0x8"), vm.device(first, addr="0x9")]
    kit_servers = []
    for number, name in enumerate(KIT_BARS):
        started, more = attach_kit(module_lab, pci_device, name, number)
        kit_servers += started
        options += more
    guest = module_lab.guest(lspci_images, options, cmdline="intel_iommu=on iommu=pt",
                             extra=["-device", "intel-iommu,intremap=on,caching-mode=on"])
    kit = {(name, place): DemoDevice.at(guest, "0000:00:%02x.0" % (first_slot + number))
           for number, name in enumerate(KIT_BARS)
           for place, first_slot in zip(PLACES, (KIT_PORT, KIT_ROOT))}
    return World([DemoDevice.at(guest, slot) for slot in (PORT, SLOT)], kit, kit_servers,
                 pci_device)


@pytest.fixture(params=[0, 1], ids=PLACES)
def dev(request, world):
    """Return each of the demo devices in turn."""
    return world.demos[request.param]


@pytest.fixture(params=PLACES)
def everything(request, world):
    """Return each of the devices with all that can be declared in turn."""
    return world.kit["all", request.param]


World = collections.namedtuple("World", "demos kit servers program")


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


def test_first_device(world):
    """The guide's device is there, and keeps its registers until it is reset."""
    guest = world.demos[0].guest
    assert "1234:cafe" in guest.run("lspci -nn -s " + FIRST_SLOT)
    first = DemoDevice(guest, FIRST_SLOT)
    first.write(0, 0x12345678)
    assert first.read(0) == 0x12345678
    guest.run("echo flr >%s/reset_method && echo 1 >%s/reset" % (first.folder, first.folder))
    assert first.read(0) == 0
    assert not complaints(first)


def golden_patterns(golden, place):
    """Yield each golden line that must be there, and a pattern of it."""
    root = place == "on-root-bus"
    free = "|".join([*FREE.values(), *([ROOT_FREE] if root else [])])
    for line in golden.splitlines():
        if line != GONE and not (root and line.startswith(ROOT_GONE)):
            yield line, ".*".join(re.escape(part) for part in re.split(free, line))


def config_write(dev, offset, value):
    """Write 32 bits of the configuration space."""
    text = "".join("\\x%02x" % byte for byte in value.to_bytes(4, "little"))
    dev.guest.run("printf '%s' | dd of=%s/config bs=4 seek=%d count=1 conv=notrunc" %
                  (text, dev.folder, offset // 4))


def have_errors(dev):
    """Bring the error registers of "all" into the state that the golden text has."""
    config_write(dev, UNCOR_MASK, POISONED_TLP)
    config_write(dev, UNCOR_SEVERITY, UNSUPPORTED_REQUEST)
    dev.vmdev("out", IO_BAR, DOORBELL, 4, DOORBELL_ERRORS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", KIT_BARS)
def test_kit_bars(world, name, place):
    """The BARs are what was declared; Linux found a place for each."""
    assert world.kit[name, place].bars() == KIT_BARS[name]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", KIT_BARS)
def test_kit_lspci(world, name, place):
    """lspci shows of a live device what it makes of its configuration space."""
    dev = world.kit[name, place]
    golden = subprocess.run([world.program, "golden", name], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    if name == "all":
        have_errors(dev)
    out = dev.guest.run("lspci -vvv -n -s " + dev.address)
    assert out.count("Capabilities:") == golden.count("Capabilities:"), out
    assert "<chain" not in out
    at = 0
    for line, pattern in golden_patterns(golden, place):
        found = re.compile(pattern).search(out, at)
        assert found, "%r is not in its place in:\n%s" % (line, out)
        at = out.find("\n", found.end())


def test_kit_wide_bar(everything):
    """A 64-bit BAR of 16 GiB: the device gets all bits of an address."""
    last = (1 << 34) - 4
    for offset in (0, 0x145678000, 0x245678000, 0x345678000, last):
        assert everything.read(offset, WIDE_BAR) == offset // 4
    everything.write(0x345678000, 0x89abcdef, WIDE_BAR)
    assert everything.read(0x345678000, WIDE_BAR) == 0x89abcdef
    assert everything.read(0x245678000, WIDE_BAR) == 0x245678000 // 4
    everything.write(0x3ffc, 0x76543210, 2)
    assert everything.read(0x3ffc, 2) == 0x76543210
    assert everything.read(0x345678000, WIDE_BAR) == 0x89abcdef


def test_kit_io_bar(everything):
    """An I/O BAR takes accesses of each width."""
    everything.vmdev("out", IO_BAR, 0xfc, 4, 0x12345678)
    for offset, length, value in ((0xfc, 4, 0x12345678), (0xfe, 2, 0x1234), (0xfd, 1, 0x56)):
        assert int(everything.vmdev("in", IO_BAR, offset, length), 16) == value
    everything.vmdev("out", IO_BAR, 0xfd, 1, 0xaa)
    everything.vmdev("out", IO_BAR, 0xfe, 2, 0xbbbb)
    assert int(everything.vmdev("in", IO_BAR, 0xfc, 4), 16) == 0xbbbbaa78


def test_kit_rom(everything, world):
    """Linux reads the expansion ROM: the whole image, as its header has the length."""
    image = subprocess.run([world.program, "rom"], check=True, stdout=subprocess.PIPE).stdout
    out = everything.guest.run("cd %s && echo 1 >rom && cat rom >/tmp/rom && echo 0 >rom && "
                               "wc -c </tmp/rom && sha256sum /tmp/rom" % everything.folder)
    assert out.split()[:2] == [str(len(image)), hashlib.sha256(image).hexdigest()]


def test_kit_aer(everything):
    """Linux has found the error registers and keeps statistics by them."""
    assert "TOTAL_ERR_FATAL 0" in everything.guest.run("cat %s/aer_dev_fatal" % everything.folder)


def test_kit_msi(everything):
    """MSI through the guest's vfio-pci: vectors, mask bits, fewer than there are."""
    everything.guest.run("modprobe vfio_iommu_type1")
    everything.bind("vfio-pci")
    try:
        print(everything.vmdev("msi", IO_BAR, DOORBELL))
    finally:
        everything.unbind()


def test_kit_logs(world):
    """After all that neither Linux nor the servers have anything to complain of."""
    for dev in world.kit.values():
        assert not complaints(dev)
    for server in world.servers:
        assert server.alive()
        assert vm.tail(server.log).count("\n") == 1, vm.tail(server.log)
