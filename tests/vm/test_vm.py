# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The demo device in real QEMU guests with an unmodified Linux.

The main guest has one device behind a PCIe root port, one on the root bus and
an empty port; tests that change it for good come last. A guest without shared
memory and one with an IOMMU have a boot of their own.
"""

import signal

import pytest

import vm
from demo_device import (BAR_SIZES, DMA_COPIES, DMA_DST, DMA_ERRNO, DMA_LEN, DMA_SRC, DOORBELL,
                         ID, ID_VALUE, IDS, IRQ_CAUSE, MEMORY_BAR, SCRATCH, STATUS,
                         STATUS_ERROR, TRAPPED, VERSION, DemoDevice)

MIB = 1 << 20
PORT, HOT_PORT, ROOT_SLOT = "0000:00:04.0", "0000:00:05.0", "0000:00:08.0"
HOT_ROUNDS = 20
EFAULT = 14


class World:
    """The main guest, and its devices' servers."""

    def __init__(self, lab, images, demo):
        self.servers = [lab.server(demo, name) for name in ("dev0", "dev1")]
        self.guest = lab.guest(images, [
            vm.root_port("rp4", 4), vm.root_port("rp5", 5),
            vm.device(self.servers[0], id="dev0", bus="rp4"),
            vm.device(self.servers[1], id="dev1", addr="0x8")])
        self.devices = [DemoDevice.at(self.guest, slot) for slot in (PORT, ROOT_SLOT)]


@pytest.fixture(scope="module")
def world(module_lab, images, demo):
    """Boot the main guest."""
    return World(module_lab, images, demo)


@pytest.fixture
def guest(world):
    """Return the main guest."""
    return world.guest


@pytest.fixture(params=[0, 1], ids=["behind-port", "on-root-bus"])
def dev(request, world):
    """Return each of the main guest's devices in turn."""
    return world.devices[request.param]


def test_enumeration(dev):
    """Linux sees the device as what it is."""
    assert dev.ids() == IDS
    bars = dev.bars()
    assert {number: bar.size for number, bar in bars.items()} == BAR_SIZES
    assert all(bar.memory for bar in bars.values())
    assert [number for number, bar in bars.items() if bar.prefetchable] == [MEMORY_BAR]


def test_capabilities(dev):
    """PM, PCI Express and MSI-X are in the capability list."""
    config = bytes.fromhex(dev.guest.run("xxd -p -l 256 %s/config" % dev.folder))
    found, position = set(), config[0x34]
    while position and len(found) < 16:
        found.add(config[position])
        position = config[position + 1]
    assert {0x01, 0x10, 0x11} <= found


def test_registers(dev):
    """Registers are what they are: read-only, or keeping what was written."""
    assert dev.read(ID) == ID_VALUE
    assert dev.read(VERSION) == 1
    dev.write(ID, 0)
    assert dev.read(ID) == ID_VALUE
    for value in (0x12345678, 0xfedcba98, 0):
        dev.write(SCRATCH, value)
        assert dev.read(SCRATCH) == value


@pytest.mark.parametrize("offset, length", [
    (0, TRAPPED), (TRAPPED, BAR_SIZES[MEMORY_BAR] - TRAPPED), (TRAPPED - 256, 512),
], ids=["trapped", "mapped", "across"])
def test_memory_bar(dev, offset, length):
    """BAR 2 is memory, whether an access is trapped or goes to mapped pages."""
    dev.vmdev("pattern", MEMORY_BAR, offset, length)


def test_dma(dev):
    """The device copies 16 MiB within guest memory."""
    before = dev.read(DMA_COPIES)
    print(dev.vmdev("dma", 16 * MIB))
    assert dev.read(DMA_COPIES) > before


def test_dma_outside_memory(dev):
    """A copy from where no memory is fails in the device, and only the copy."""
    for offset, value in ((DMA_SRC, 0), (DMA_SRC + 4, 0x7f), (DMA_DST, 0), (DMA_DST + 4, 0x7f),
                          (DMA_LEN, 4096), (DOORBELL, 1)):
        dev.write(offset, value)
    assert dev.read(STATUS) == STATUS_ERROR
    assert dev.read(DMA_ERRNO) == EFAULT
    assert dev.read(IRQ_CAUSE) & 2
    dev.write(IRQ_CAUSE, 0xffffffff)
    dev.works()


def test_intx(dev):
    """Level interrupts arrive, through QEMU's INTx and uio_pci_generic."""
    dev.intx(10)


def test_two_devices(world):
    """Each device has registers and memory of its own."""
    for number, dev in enumerate(world.devices):
        dev.write(SCRATCH, 0x1000 + number)
        dev.write(TRAPPED + 8, 0x2000 + number, MEMORY_BAR)
    for number, dev in enumerate(world.devices):
        assert dev.read(SCRATCH) == 0x1000 + number
        assert dev.read(TRAPPED + 8, MEMORY_BAR) == 0x2000 + number


@pytest.fixture
def pluggable(module_lab, demo):
    """Return a server of a device without MSI-X.

    QEMU up to 11.1 at least aborts when a vfio-user device with MSI-X is
    unplugged (it takes the pending-bit array's memory region out twice).
    """
    try:
        return module_lab.server(demo, "hot", ["-n"])
    except vm.Failure as error:
        if "usage:" not in str(error):
            raise
        return pytest.skip("no device that this QEMU can unplug: %s" % error)


def test_hotplug(guest, pluggable):
    """A device is plugged in and out again and again, and works each time."""
    for _ in range(HOT_ROUNDS):
        guest.qmp.run("device_add", **vm.device(pluggable, id="hot0", bus="rp5"))
        guest.wait_run("ls -d /sys/devices/pci0000:00/%s/0000:*:00.0" % HOT_PORT)
        dev = DemoDevice.at(guest, HOT_PORT)
        assert {number: bar.size for number, bar in dev.bars().items()}[MEMORY_BAR] \
            == BAR_SIZES[MEMORY_BAR]
        dev.works()
        guest.qmp.run("device_del", id="hot0")
        guest.qmp.wait_event("DEVICE_DELETED", device="hot0")


def test_reset(world, guest):
    """After a reset of the machine the devices are as new."""
    world.devices[0].write(SCRATCH, 0x5c5c5c5c)
    guest.reset()
    assert world.devices[0].read(SCRATCH) == 0
    for dev in world.devices:
        dev.works()
        dev.intx(1)


def test_server_killed(world, guest):
    """A device whose server dies reads as all-ones; nothing else is hurt."""
    world.servers[0].stop(signal.SIGKILL)
    for _ in range(3):
        assert world.devices[0].read(SCRATCH) == 0xffffffff
    world.devices[0].write(SCRATCH, 1)
    assert guest.run("echo alive") == "alive"
    world.devices[1].works()


def test_message_dma(lab, images, demo):
    """Without shared memory the same copy goes through DMA messages."""
    guest = lab.guest(images, [vm.device(lab.server(demo, "message"), addr="0x8")], shared=False)
    dev = DemoDevice.at(guest, ROOT_SLOT)
    assert dev.read(ID) == ID_VALUE
    for length in (4096, MIB, 16 * MIB):
        print(dev.vmdev("dma", length))


def test_msix_behind_iommu(lab, images, demo):
    """MSI-X and DMA through the guest's vfio-pci and its (virtual) IOMMU."""
    guest = lab.guest(images, [vm.device(lab.server(demo, "vfio"), addr="0x8")],
                      cmdline="intel_iommu=on iommu=pt",
                      extra=["-device", "intel-iommu,intremap=on,caching-mode=on"])
    dev = DemoDevice.at(guest, ROOT_SLOT)
    guest.run("modprobe vfio_iommu_type1")
    dev.bind("vfio-pci")
    print(dev.vmdev("vfio"))
