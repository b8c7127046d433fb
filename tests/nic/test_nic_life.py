# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A guest's NIC comes and goes: resets, hot-plug, and testpmd that is killed."""

import signal

import nic
from world import FIRST_SLOT, Link, Provider

MIB = 1 << 20
#: Numbers of NICs, and of the root ports behind which they are plugged in.
SECOND, REPLACEMENT, PLUGGED = 1, 2, 6


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
    world.second = Provider(backend_lab, backend, SECOND)
    link = world.plug(world.second, SECOND)
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
        provider.start(SECOND)
        guest.run("/bin/ip neigh flush all")  # the tap has another address now
        link = Link(guest, FIRST_SLOT + SECOND, provider, world.stream)
        guest.wait_run("/bin/ping -c 1 -W 1 " + link.nic.host)
    else:
        # QEMU never connects again: the guest gets another device in another slot.
        provider.start(REPLACEMENT)
        link = world.plug(provider, REPLACEMENT)
    for one in (link, world):
        one.nic.ping()
        one.transfer("receive", MIB)
    provider.pmd.run("stop")


def test_replug(world, guest, backend_lab, backend):
    """A NIC is unplugged and plugged in again, with traffic to it."""
    number = PLUGGED
    provider = Provider(backend_lab, backend, number, msix=False)
    link = world.plug(provider, number)
    for _ in range(3):
        with link.flood():
            backend.unplug(guest, "nic%d" % number)
            guest.wait_run("! ls -d %s/0000:*:00.0" % link.nic.folder)
            link = world.plug(provider, number)
        link.nic.ping()
        link.transfer("send", MIB)
    provider.pmd.run("stop")
