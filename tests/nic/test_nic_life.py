# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A guest's NIC comes and goes: resets, hot-plug, and testpmd that is killed."""

import re
import signal

import pytest

import nic
import vm
from world import FIRST_SLOT, NIC_PORT, Link, Provider

MIB = 1 << 20


def test_guest_reset(world, guest):
    """After a reset of the machine, in the midst of traffic, all is as before."""
    for _ in range(2):
        with world.flood():
            guest.reset()
            world.load()
        world.nic.ping()
        world.transfer("receive", MIB)
    assert nic.COMMON_FEATURES <= world.nic.features()


def test_rescan(world, guest):
    """The guest forgets the PCI device and finds it again, with traffic to it."""
    for _ in range(3):
        with world.flood():
            guest.run("echo 1 >/sys/bus/pci/devices/%s/remove" % world.nic.pci())
            guest.run("echo 1 >/sys/bus/pci/rescan")
            world.nic.up()
        world.nic.ping()
    world.transfer("send", MIB)


def test_hotplug(world, backend_lab, backend):
    """A second NIC is plugged into the running guest, and both work."""
    world.second = Provider(backend_lab, backend, 1)
    link = world.plug(world.second, 1)
    for one in (link, world):
        one.nic.ping()
        one.transfer("send", MIB)


def test_provider_killed(world, guest):
    """testpmd is killed: the guest lives on, with its other NIC, and can have a new one."""
    provider = world.second
    provider.pmd.stop(signal.SIGKILL)
    assert guest.run("echo alive") == "alive"
    world.nic.ping()
    if world.backend.name == "vhost_user":
        # QEMU emulates the device, which outlives a lost vhost-user connection.
        provider.start(1)
        guest.run("/bin/ip neigh flush all")  # the tap has another address now
        link = Link(guest, FIRST_SLOT + 1, provider, world.stream)
        guest.wait_run("/bin/ping -c 1 -W 1 " + link.nic.host)
    else:
        # QEMU never connects again: the guest gets another device in another slot.
        provider.start(2)
        link = world.plug(provider, 2)
    for one in (link, world):
        one.nic.ping()
        one.transfer("receive", MIB)
    provider.pmd.run("stop")


def test_replug(world, guest):
    """The NIC is unplugged and plugged in again, with traffic to it."""
    for _ in range(3):
        with world.flood():
            unplug(world, guest)
            guest.wait_run("! ls -d %s/0000:*:00.0" % world.nic.folder)
            world.backend.plug(guest, "nic0", world.path, nic.mac_address(NIC_PORT), bus="rp0")
            world.nic.up()
        world.nic.ping()
        world.transfer("send", MIB)


def unplug(world, guest):
    """Unplug the NIC, where QEMU can.

    QEMU up to 11.1 at least aborts when a vfio-user device with MSI-X is unplugged,
    whatever the guest has done before.
    """
    try:
        world.backend.unplug(guest, "nic0")
    except vm.Closed:
        guest.popen.wait()
        reason = re.search(r"Assertion `subregion->container == mr' failed", vm.tail(guest.log))
        if world.backend.name != "vfio_user" or not reason:
            raise
        pytest.skip("this QEMU aborts when it unplugs a vfio-user device with MSI-X: "
                    + reason[0])
