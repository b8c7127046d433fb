# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The demo PCI device (examples/vfio_user_demo) as a guest sees it."""

import collections

import vm

VENDOR, DEVICE = 0x1234, 0x5646
IDS = {"vendor": "0x1234", "device": "0x5646", "subsystem_vendor": "0x1234",
       "subsystem_device": "0x0001", "class": "0x088000"}

# Registers in BAR 0.
ID, VERSION, SCRATCH = 0x00, 0x04, 0x08
DMA_SRC, DMA_DST, DMA_LEN = 0x10, 0x18, 0x20
DOORBELL, STATUS, IRQ_CAUSE, DMA_ERRNO, DMA_COPIES = 0x24, 0x28, 0x2c, 0x34, 0x38
ID_VALUE = 0x56465544
STATUS_ERROR = 3

# BAR 2: memory whose first page is not mapped but trapped.
MEMORY_BAR = 2
TRAPPED = 0x1000
BAR_SIZES = {0: 0x1000, 1: 0x1000, 2: 0x10000}

IORESOURCE_MEM, IORESOURCE_PREFETCH = 0x200, 0x2000

Bar = collections.namedtuple("Bar", "size memory prefetchable")


class DemoDevice:
    """One device: its address in the guest and what can be done with it."""

    def __init__(self, guest, address):
        self.guest = guest
        self.address = address
        self.folder = "/sys/bus/pci/devices/" + address

    @classmethod
    def at(cls, guest, slot):
        """Find the device in a slot of the root bus, or below the port there."""
        found = "ls -d /sys/devices/pci0000:00/%s/0000:*:00.0 2>/dev/null || " \
                "ls -d /sys/bus/pci/devices/%s"
        return cls(guest, guest.run(found % (slot, slot)).rsplit("/", 1)[-1])

    def vmdev(self, command, *args, timeout=40):
        """Run vmdev's command on this device; return its output."""
        words = ["vmdev", command, self.address] + [str(arg) for arg in args]
        return self.guest.run(" ".join(words), timeout)

    def read(self, offset, bar=0):
        """Read 32 bits of a BAR."""
        return int(self.vmdev("read", bar, offset), 16)

    def write(self, offset, value, bar=0):
        """Write 32 bits of a BAR."""
        self.vmdev("write", bar, offset, value)

    def ids(self):
        """Return the numbers that tell what device it is."""
        names = list(IDS)
        values = self.guest.run("cd %s && cat %s" % (self.folder, " ".join(names)))
        return dict(zip(names, values.split()))

    def bars(self):
        """Return {number: Bar} of the BARs there are."""
        found = {}
        for number, line in enumerate(self.guest.run("cat %s/resource" % self.folder)
                                      .splitlines()[:6]):
            start, end, flags = (int(word, 16) for word in line.split())
            if flags:
                found[number] = Bar(end - start + 1, bool(flags & IORESOURCE_MEM),
                                    bool(flags & IORESOURCE_PREFETCH))
        return found

    def bind(self, driver):
        """Give the device to a driver of the guest's kernel."""
        self.guest.run("modprobe %s" % driver)
        self.guest.run("echo %s >%s/driver_override && echo %s >/sys/bus/pci/drivers_probe"
                       % (driver,
                          self.folder, self.address))
        if self.guest.execute("test -e %s/driver" % self.folder)[0] != 0:
            raise vm.Failure("%s does not take the device" % driver)

    def unbind(self):
        """Take the device from its driver."""
        self.guest.run("echo %s >%s/driver/unbind; echo >%s/driver_override"
                       % (self.address, self.folder, self.folder))

    def intx(self, count):
        """Take interrupts through uio_pci_generic and /dev/uioN."""
        self.bind("uio_pci_generic")
        try:
            name = self.guest.run("ls %s/uio" % self.folder)
            return self.vmdev("intx", "/dev/" + name, count)
        finally:
            self.unbind()

    def works(self):
        """Fail unless registers, memory and DMA work; for use after changes."""
        if self.read(ID) != ID_VALUE:
            raise vm.Failure("the device's ID register is wrong")
        self.vmdev("pattern", MEMORY_BAR, TRAPPED - 64, 128)
        self.vmdev("dma", 64 << 10)
