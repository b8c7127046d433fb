# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""net_virtio_vfio_user with a device that is not ours: QEMU serves its virtio-net-pci.

QEMU's other end of the network is a socket of datagrams, each a frame; a thread here
sends back what comes.
"""

import os
import socket
import threading

import pytest

import frames
import ports
import testpmd
import vm

MAC = "52:54:00:76:66:03"
LARGEST_DATAGRAM = 65536
WOKEN = "waked up from rx interrupt on port 0"


@pytest.fixture(scope="module")
def qemu():
    """The program; it takes minutes to build, so it is not required anywhere."""
    path = vm.run_script("fetch-qemu-server.sh", "--cached")
    return path or pytest.skip("no QEMU that serves vfio-user: scripts/fetch-qemu-server.sh")


class Reflector:
    """The far end of QEMU's network."""

    def __init__(self, lab):
        self.mine, self.qemus = lab.folder + "/reflector", lab.folder + "/network"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.mine)
        self.count = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            frame = self.socket.recv(LARGEST_DATAGRAM)
            self.count += 1
            try:
                self.socket.sendto(frame, self.qemus)
            except OSError:
                return  # QEMU has ended

    def send(self, frame):
        """Send a frame that did not come."""
        self.socket.sendto(bytes(frame), self.qemus)


class Card(vm.Process):
    """QEMU with a network card, and nothing else."""

    def __init__(self, lab, program, options):
        self.path = lab.folder + "/card"
        self.network = Reflector(lab)
        self.monitor = lab.folder + "/monitor"
        super().__init__(
            [program, "-machine", "x-remote,vfio-user=on,auto-shutdown=off", "-nodefaults",
             "-accel", "tcg", "-display", "none", "-m", "64",
             "-qmp", "unix:%s,server=on,wait=off" % self.monitor, "-netdev",
             "dgram,id=net,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s"
             % (self.network.qemus, self.network.mine), "-device",
             "virtio-net-pci,id=card,netdev=net,mac=%s,romfile=,disable-legacy=on,"
             "iommu_platform=on,%s" % (MAC, options), "-object",
             "x-vfio-user-server,id=server,type=unix,path=%s,device=card" % self.path],
            lab.folder + "/qemu.log")
        lab.add(self, self.log)
        vm.wait_for("socket of QEMU", self._there, 20)

    def _there(self):
        if not self.alive():
            raise vm.Failure("QEMU ended: " + vm.tail(self.log))
        return os.path.exists(self.path)


@pytest.mark.parametrize("layout", ["packed=on", "packed=off"])
@pytest.mark.parametrize("options", ["mrg_rxbuf=on", "mrg_rxbuf=off,event_idx=off,indirect_desc=off"])
def test_frames(lab, drivers, qemu, layout, options):
    """Frames go through QEMU's card and come back."""
    card = Card(lab, qemu, layout + "," + options)
    files = ports.Files(lab, 0)
    pmd = testpmd.Testpmd(lab, "testpmd", [*drivers, *files.vdev, *ports.consumer(0, card.path)],
                          ["--nb-cores=1", "--no-flush-rx"])
    pmd.run("set burst tx delay 10 retry 100000000")
    assert MAC in pmd.run("show port info 1").lower()
    assert pmd.link_up(1)
    sent = [frames.Frame(number, size) for number, size in enumerate(frames.sizes(ports.MOST))]
    for _ in range(2):
        got = ports.replay(pmd, {0: files}, {0: sent}, {0: len(sent)}, "0,1")[0]
        assert got == [bytes(frame) for frame in sent]
        pmd.run("port stop 1")
        pmd.run("port start 1")
    assert card.network.count == 2 * len(sent)


def test_link(lab, drivers, qemu):
    """A change of the configuration is an interrupt, by MSI-X."""
    card = Card(lab, qemu, "packed=on")
    pmd = testpmd.Testpmd(lab, "testpmd", [*drivers, *ports.consumer(0, card.path)], [])
    monitor = vm.Qmp(card.monitor)
    for up in (False, True) * 2:
        start = len(pmd.text)
        monitor.run("set_link", name="card", up=up)
        pmd.wait_text("Port 0: link state change event", start=start)
        assert pmd.link_up(0) == up


def test_filters(lab, drivers, qemu):
    """QEMU's card understands the commands for addresses."""
    card = Card(lab, qemu, "packed=on")
    pmd = testpmd.Testpmd(lab, "testpmd", [*drivers, *ports.consumer(0, card.path)],
                          ["--forward-mode=rxonly", "--nb-cores=1"])
    for command in ("set promisc 0 off", "mac_addr add 0 52:54:00:00:00:55",
                    "mcast_addr add 0 01:00:5e:00:00:01"):
        assert "rror" not in pmd.run(command)
    pmd.run("start")
    wanted = (MAC, "52:54:00:00:00:55", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff")
    for mac in ("52:54:00:00:00:56", "01:00:5e:00:00:02", *wanted):
        card.network.send(frames.Frame(1, 100, dst_mac=mac))
    vm.wait_for("frames", lambda: pmd.stats(0)["RX-packets"] >= len(wanted), 20)
    assert pmd.stats(0)["RX-packets"] == len(wanted)


def test_interrupts(lab, drivers, qemu, examples):
    """l3fwd-power sleeps, and a packet of QEMU's card wakes it."""
    card = Card(lab, qemu, "packed=on")
    app = testpmd.Application(
        lab, "l3fwd-power",
        [os.path.join(examples, "l3fwd-power"), "-l", "0", *testpmd.eal(lab, "app", 512), *drivers,
         *ports.consumer(0, card.path), "--", "-p", "1", "-P", "--config=(0,0,0)",
         "--interrupt-only", "--parse-ptype"])
    app.wait_text("entering main interrupt loop")
    for _ in range(3):
        start = len(app.text)

        def woken():
            """Send until it was asleep when a packet came."""
            card.network.send(frames.Frame(1, 100, dst="1.1.1.1"))
            return WOKEN in app.text[start:]  # pylint: disable=cell-var-from-loop

        vm.wait_for(WOKEN, woken, 20)
