# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Two guests that one testpmd connects, the second one with an IOMMU of its own.

What the tap interface of the other tests cannot do is shown here: jumbo frames and VLANs.
"""

import json
import os

import pytest

import nic
import testpmd
import vm
from guests import NOTES
from world import FIRST_SLOT, STREAM_PORT

MIB = 1 << 20
LONG = os.environ.get("VFIO_USER_TEST_LONG") == "1"
SECONDS = 5 if LONG else 2
#: Numbers of the NICs; the first one is also that of the root port.
FIRST, SECOND = 4, 5
FIRST_ADDRESS, SECOND_ADDRESS = "10.9.4.1", "10.9.4.2"


class Pair:
    """The guest of the other tests, another one, and testpmd between them."""

    def __init__(self, lab, images, world):
        backend = world.backend
        self.name = backend.name
        # net_vhost drops the packets whose addresses its IOTLB does not have yet, which are
        # most of them behind an IOMMU that unmaps each buffer after use.
        self.iommu = backend.name == "vfio_user"
        # Each buffer behind the IOMMU costs two messages through QEMU's main loop.
        self.size = (4 if LONG else 1) * (MIB // 4 if self.iommu else 4 * MIB)
        paths = [os.path.join(lab.folder, "guest%d" % n) for n in (FIRST, SECOND)]
        self.pmd = testpmd.Testpmd(lab, "between", [
            *backend.eal, *backend.vdev(FIRST, paths[0], 1),
            *backend.vdev(SECOND, paths[1], 1)], ["--forward-mode=io", "--nb-cores=1"])
        self.pmd.run("start")
        backend.plug(world.guest, "between", paths[0], nic.mac_address(FIRST), 1,
                     bus="rp%d" % FIRST)
        extra, device = backend.boot("nic0", paths[1], nic.mac_address(SECOND), 1, bus="rp0")
        if self.iommu:
            extra = ["-device", "intel-iommu,intremap=on,caching-mode=on", *extra]
        self.second = lab.guest(
            images, [vm.root_port("rp0", FIRST_SLOT), device],
            cmdline="intel_iommu=on iommu=nopt iommu.strict=1", extra=extra)
        self.second.run("modprobe virtio_net && modprobe 8021q", 60)
        self.nics = [nic.GuestNic(world.guest, FIRST_SLOT + FIRST, SECOND_ADDRESS, FIRST_ADDRESS),
                     nic.GuestNic(self.second, FIRST_SLOT, FIRST_ADDRESS, SECOND_ADDRESS)]
        self.seed = 0
        for one in self.nics:
            one.up()

    def transfer(self, sender, size, host=SECOND_ADDRESS):
        """Let the guest with a number send made-up data to the other; each byte is compared."""
        self.seed += 1
        words = ["%s %s %d %s %d %d" % (role, host, STREAM_PORT, what, self.seed, size)
                 for role, what in (("connect", "receive" if sender else "send"),
                                    ("listen", "send" if sender else "receive"))]
        server = self.second.start("stream " + words[1])
        server.wait_text("listening")
        self.nics[0].guest.run("stream " + words[0], 60 + size // 10000)
        server.finish(60)

    def iperf(self, options):
        """Run iperf3 in the first guest against a server in the second one."""
        server = self.second.start("iperf3 -s -1 --forceflush")
        server.wait_text("listening")
        said = json.loads(self.nics[0].guest.run("iperf3 -J -i 0 -c %s -t %d %s" % (
            SECOND_ADDRESS, SECONDS, options), 60))
        server.finish()
        return said["end"]


@pytest.fixture(scope="module")
def pair(backend_lab, images, world):
    """Boot the second guest, while the first one's other NIC rests."""
    world.pmd.run("stop")
    yield Pair(backend_lab, images, world)
    world.pmd.run("start")


def test_behind_iommu(pair):
    """The second guest's driver uses addresses that only its IOMMU knows."""
    if not pair.iommu:
        pytest.skip("net_vhost loses packets behind an IOMMU that unmaps each buffer")
    assert nic.ACCESS_PLATFORM in pair.nics[1].features()
    assert pair.second.run("cat /sys/bus/pci/devices/%s/iommu_group/type"
                           % pair.nics[1].pci()) == "DMA"


def test_ping(pair):
    """Packets of all sizes come back, in both directions."""
    for one in pair.nics:
        for size in (16, 700, 1472, 4000):
            one.ping(size=size)


@pytest.mark.parametrize("sender", [0, 1])
def test_transfer(pair, sender):
    """Data arrive right, in both directions, while pages are mapped and unmapped for them."""
    pair.transfer(sender, pair.size)


@pytest.mark.parametrize("options", ["", "-R", "-u -b 2M -l 1400"])
def test_iperf(pair, options):
    """TCP flows in both directions, and UDP."""
    done = pair.iperf(options)
    flow = done.get("sum_received") or done["sum"]
    assert flow["bytes"] > 16384
    NOTES.append("%s: %.1f Mbit/s between two guests%s: iperf3 %s"
                 % (pair.name, flow["bits_per_second"] / 1e6,
                    ", one behind an IOMMU" if pair.iommu else "", options))


def test_jumbo(pair):
    """Frames of 9000 bytes go through whole; a larger MTU is refused."""
    for one in pair.nics:
        name = one.up(nic.JUMBO)
        assert one.guest.execute("/bin/ip link set %s mtu %d" % (name, nic.JUMBO + 1))[0] != 0
    for one in pair.nics:
        one.ping(size=nic.JUMBO - 28, options="-M do")
    for sender in (0, 1):
        pair.transfer(sender, pair.size)
    for one in pair.nics:
        one.up()


def test_vlan(pair):
    """Tagged frames go through, and belong to their VLAN only."""
    addresses = ["10.9.5.1", "10.9.5.2"]
    names = [one.wait() for one in pair.nics]
    for one, name, address in zip(pair.nics, names, addresses):
        one.guest.run("/bin/ip link add link {0} name {0}.5 type vlan id 5 && "
                      "/bin/ip addr add {1}/24 dev {0}.5 && /bin/ip link set {0}.5 up"
                      .format(name, address))
    pair.nics[0].ping(host=addresses[1], size=1472, options="-M do")
    for sender in (0, 1):
        pair.transfer(sender, pair.size // 2, host=addresses[1])
    # The other guest has left the VLAN.
    pair.second.run("/bin/ip link del %s.5" % names[1])
    assert pair.nics[0].guest.execute("/bin/ping -c 1 -W 1 " + addresses[1])[0] != 0
    pair.nics[0].guest.run("/bin/ip link del %s.5" % names[0])
    pair.nics[0].ping()


def test_reload(pair):
    """The driver goes and comes, and with it all that the IOMMU had mapped for it."""
    for _ in range(2):
        pair.second.run("modprobe -r virtio_net && modprobe virtio_net", 60)
        pair.nics[1].up()
        pair.nics[1].ping()
    pair.transfer(1, pair.size // 4)


def test_reset(pair):
    """The machine is reset, and with it the IOMMU."""
    pair.second.reset()
    pair.second.run("modprobe virtio_net && modprobe 8021q", 60)
    pair.nics[1].up()
    pair.nics[1].ping()
    pair.transfer(0, pair.size // 4)
