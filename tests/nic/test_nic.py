# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What a guest's unmodified virtio_net does with a NIC that is a port of testpmd.

The far end is a tap interface in a network namespace of this machine.
"""

import itertools
import os
import re

import pytest

import nic
import vm
from guests import NOTES
from world import GUEST, GUEST6, HOST, HOST6, NIC_PORT, TAP, World

LONG = os.environ.get("VFIO_USER_TEST_LONG") == "1"
MIB = 1 << 20
#: Of all checksummed transfers together.
TOTAL = (1024 if LONG else 48) * MIB
SECONDS = 5 if LONG else 2
#: Packets that show which queue they take.
COUNT = 20


def test_device(world, guest, eth):
    """The driver has found what the port offers."""
    assert nic.COMMON_FEATURES <= world.nic.features()
    folder = "/sys/class/net/%s/" % eth
    assert guest.run("cat %saddress" % folder) == nic.mac_address(NIC_PORT)
    assert guest.run("cat %scarrier" % folder) == "1"
    assert "driver: virtio_net" in guest.run("ethtool -i " + eth)
    assert re.search(r"Combined:\s*%d\n" % nic.QUEUES, guest.run("ethtool -l " + eth))
    assert world.pmd.link_up(NIC_PORT)


def test_ping(world):
    """Packets of all sizes come back, and from both sides."""
    for size in (16, 56, 700, 1472, 4000):
        world.nic.ping(size=size)
    world.far.run("ping -c 5 -i 0.2 -w 20 " + GUEST)


@pytest.mark.parametrize("options", ["", "-R", "-P 4", "-P 4 -R"])
def test_tcp(world, options):
    """TCP flows, from the guest and to it."""
    done = world.iperf("-t %d %s" % (SECONDS, options))
    assert done["sum_received"]["bytes"] > MIB // 4


@pytest.mark.parametrize("options", ["", "-R"])
def test_udp(world, options):
    """UDP at a rate that a slow guest can take is not lost on the way."""
    done = world.iperf("-u -b 5M -l 1400 -t %d %s" % (SECONDS, options))["sum"]
    assert done["packets"] >= SECONDS * 5e6 / 8 / 1400 * 0.5
    # What the sockets of a busy machine lose is no fault of the NIC's.
    assert done["lost_packets"] <= done["packets"] * 0.02



def used(world, direction, command):
    """The queues that carried packets of the guest's command."""
    before = world.provider.queue_packets(direction)
    world.guest.run(command)
    moved = [now - then for now, then in zip(world.provider.queue_packets(direction), before)]
    return {number for number, packets in enumerate(moved) if packets >= COUNT}


@pytest.mark.parametrize("pairs", [1, 2, 3, nic.QUEUES])
def test_queues(world, guest, eth, pairs):
    """The driver uses as many queue pairs as it was told, and no others, both ways."""
    guest.run("ethtool -L %s combined %d" % (eth, pairs))
    ping = "/bin/ping -q -c %d -i 0.005 -W 5 %s" % (COUNT, HOST)
    # Linux assigns the queues to CPUs.
    for direction in ("rx", "tx"):
        queues = [used(world, direction, "taskset %x %s" % (1 << cpu, ping)) for cpu in range(4)]
        assert set().union(*queues) == set(range(pairs))


def test_queues_change_under_traffic(world, guest, eth):
    """Connections live on while the number of queue pairs changes again and again."""
    pairs = itertools.cycle((1, 3, 2, 4))
    for options in ("-P 4", "-P 4 -R"):
        assert world.traffic(options, 3 * SECONDS, lambda: guest.run(
            "ethtool -L %s combined %d" % (eth, next(pairs)))) >= 2
    guest.run("ethtool -L %s combined %d" % (eth, nic.QUEUES))
    world.nic.ping()


#: Offloads of Linux; a backend has those that ethtool can change.
OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro", "rx-gro-hw")


def changeable(guest, eth):
    """The offloads that can be switched, and the state of each."""
    names = {"rx": "rx-checksumming", "tx": "tx-checksumming", "sg": "scatter-gather",
             "tso": "tcp-segmentation-offload", "gso": "generic-segmentation-offload",
             "gro": "generic-receive-offload", "rx-gro-hw": "rx-gro-hw"}
    text = guest.run("ethtool -k " + eth)
    states = {short: re.search(r"^%s: (\w+)(.*)$" % name, text, re.M)
              for short, name in names.items()}
    return {short: found[1] for short, found in states.items()
            if found and "fixed" not in found[2] and "requested" not in found[2]}


def combinations(names):
    """All on, all off, each alone on, each alone off."""
    sets = [set(names), set()]
    for name in names:
        sets += [{name}, set(names) - {name}]
    return sets


def test_offloads(world, guest, eth):
    """Data arrive right, both ways, with offloads on and off."""
    before = changeable(guest, eth)
    assert {"tx", "gso", "gro"} <= set(before)
    sets = combinations(sorted(before))
    size = TOTAL // (2 * len(sets)) + 1
    for on in sets:
        switch(guest, eth, {name: "on" if name in on else "off" for name in before})
        for direction in ("send", "receive"):
            world.transfer(direction, size)
    switch(guest, eth, before)
    assert changeable(guest, eth) == before
    NOTES.append("%s: %d MiB right in %d transfers, with %s on and off"
                 % (world.backend.name, 2 * len(sets) * size // MIB, 2 * len(sets),
                    " ".join(sorted(before))))


def switch(guest, eth, states):
    """Set the offloads; one may depend on another, so what comes out may differ."""
    guest.run("ethtool -K %s %s" % (eth, " ".join("%s %s" % pair for pair in states.items())))


def test_ipv6(world, guest, eth):
    """The same over IPv6."""
    for where, name, address in ((world.far, TAP, HOST6), (guest, eth, GUEST6)):
        where.run("echo 0 >/proc/sys/net/ipv6/conf/%s/disable_ipv6; "
                  "ip -6 addr add %s/64 dev %s%s"
                  % (name, address, name, " nodad" if where is world.far else ""))
    guest.wait_run("/bin/ping -6 -c 1 -W 1 " + HOST6)
    for direction in ("send", "receive"):
        world.transfer(direction, 4 * MIB, host=HOST6)
    for where, name in ((world.far, TAP), (guest, eth)):
        where.run("echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name)


def test_mac_change(world, guest, eth):
    """The guest gives its NIC another address, and has it."""
    for mac in ("02:00:00:00:00:77", nic.mac_address(NIC_PORT)):
        guest.run("/bin/ip link set %s address %s" % (eth, mac))
        world.far.run("ip neigh flush dev " + TAP)
        world.nic.ping()
        assert mac in world.far.run("ip neigh show dev " + TAP)


def test_filters(world, guest, eth):
    """Promiscuous and all-multicast mode, and many addresses, are accepted."""
    for what in ("promisc", "allmulticast"):
        for state in ("on", "off"):
            guest.run("/bin/ip link set %s %s %s" % (eth, what, state))
    for what in ("add", "del"):
        guest.run("for i in $(seq 10 49); do /bin/ip maddr %s 33:33:00:00:01:$i dev %s || exit 1; "
                  "done" % (what, eth))
        world.nic.ping()


def test_link_flaps(world, guest, eth):
    """The interface goes down and up again and again, with traffic to it."""
    with world.flood():
        for _ in range(20):
            guest.run("/bin/ip link set {0} down && /bin/ip link set {0} up".format(eth))
    world.nic.up()
    world.nic.ping()


@pytest.mark.parametrize("how", ["module", "binding"])
def test_driver_reload(world, guest, how):
    """The driver goes and comes again, with traffic to the NIC."""
    virtio = guest.run("basename $(ls -d %s/0000:*:00.0/virtio*)" % world.nic.folder)
    if how == "module":
        commands = "modprobe -r virtio_net && modprobe virtio_net"
    else:
        commands = "cd /sys/bus/virtio/drivers/virtio_net && echo {0} >unbind && echo {0} >bind" \
            .format(virtio)
    with world.flood():
        for _ in range(5):
            guest.run(commands)
            world.nic.up()
    world.nic.ping()
    assert nic.COMMON_FEATURES <= world.nic.features()
    world.transfer("send", MIB)


def test_link_follows_driver(world, guest):
    """The port's link is up while the guest's driver drives the device."""
    guest.run("modprobe -r virtio_net")
    vm.wait_for("link down", lambda: not world.pmd.link_up(NIC_PORT), 10)
    guest.run("modprobe virtio_net")
    world.nic.up()
    vm.wait_for("link up", lambda: world.pmd.link_up(NIC_PORT), 10)


def test_port_restart(world):
    """The application stops its port and starts it again, twice."""
    for _ in range(2):
        world.pmd.run("stop")
        world.pmd.run("port stop %d" % NIC_PORT)
        world.pmd.run("port start %d" % NIC_PORT)
        world.pmd.run("start")
        world.nic.guest.wait_run("/bin/ping -c 1 -W 1 " + HOST)
    world.nic.ping()
