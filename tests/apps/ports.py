# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""An application with a port of each driver, and testpmd at the far ends of both.

    frames in -> net_pcap0 -> net_vfio_user  <-> net_virtio_vfio_user -> application
    frames out <- net_pcap1 <- net_virtio_vfio_user <-> net_vfio_user <-

and the other way round. The two processes need each other's socket: testpmd is given
its net_virtio_vfio_user port when the application serves that of its net_vfio_user.
"""

import os
import time

import frames
import testpmd
import vm

DRIVERS = ("librte_net_vfio_user.so", "librte_net_virtio_vfio_user.so")
#: Ports of the application.
PROVIDER, CONSUMER = 0, 1
#: Ports of testpmd: the far end of each of those, and its file.
FAR = {CONSUMER: 1, PROVIDER: 3}
FILE = {CONSUMER: 0, PROVIDER: 2}
MACS = {PROVIDER: "52:54:00:76:66:01", CONSUMER: "52:54:00:76:66:02"}
#: A machine may be too busy for what is usual.
PATIENT = ",connect=60000,timeout=60000"
#: So many frames overflow no queue, however slow an application is.
MOST = 200


def load(build):
    """The words that load both drivers."""
    paths = [os.path.join(build, "drivers", name) for name in DRIVERS]
    for path in paths:
        if not os.path.exists(path):
            raise vm.Missing("no " + path)
    return [word for path in paths for word in ("-d", path)]


def provider(number, path, more=""):
    """The words for a port with a device at a path."""
    return ["--vdev", "net_vfio_user%d,iface=%s%s" % (number, path, more)]


def consumer(number, path, more=""):
    """The words for a port with the driver of a device at a path."""
    return ["--vdev", "net_virtio_vfio_user%d,path=%s%s%s" % (number, path, PATIENT, more)]


class Files:
    """Where a net_pcap port gets frames from and puts them."""

    def __init__(self, lab, number):
        self.source = os.path.join(lab.folder, "in%d.pcap" % number)
        self.sink = os.path.join(lab.folder, "out%d.pcap" % number)
        self.vdev = ["--vdev", "net_pcap%d,rx_pcap=%s,tx_pcap=%s"
                     % (number, self.source, self.sink)]
        frames.write(self.source, [])


def replay(pmd, files, given, wanted, portlist, mode="io retry"):
    """Let testpmd forward frames from files into files; return what came.

    All are by the port of the file; what is wanted is the number of frames.
    """
    for port, file in files.items():
        frames.write(file.source, given.get(port, []))
        pmd.run("port stop %d" % port)
        pmd.run("port start %d" % port)
    pmd.run("set fwd " + mode)
    pmd.run("set portlist " + portlist)
    pmd.run("clear port stats all")
    pmd.run("start")
    vm.wait_for("frames: %s" % wanted, lambda: all(
        pmd.stats(port)["TX-packets"] >= count for port, count in wanted.items()), 20)
    pmd.run("stop")
    for port in files:  # closes the file
        pmd.run("port stop %d" % port)
    return {port: frames.read(file.sink) for port, file in files.items()}


class Crossing:
    """The application, and testpmd around it."""

    def __init__(self, lab, drivers, program, options=(), provided=""):
        sockets = {port: os.path.join(lab.folder, "port%d" % port) for port in FAR}
        self.files = {port: Files(lab, port) for port in FAR}
        self.pmd = testpmd.Testpmd(
            lab, "testpmd", [*drivers, *self.files[CONSUMER].vdev,
                             *provider(0, sockets[CONSUMER], ",mac=%s%s"
                                       % (MACS[CONSUMER], provided)),
                             *self.files[PROVIDER].vdev],
            ["--nb-cores=1", "--forward-mode=io", "--txonly-multi-flow",
             "--no-flush-rx"])
        self.app = testpmd.Application(
            lab, os.path.basename(program),
            [program, "-l", "0", *testpmd.eal(lab, "app", 512), *drivers,
             *provider(0, sockets[PROVIDER], ",mac=%s%s" % (MACS[PROVIDER], provided)),
             *consumer(0, sockets[CONSUMER]), "--", *options])
        vm.wait_for("port of " + self.app.name, lambda: self._served(sockets[PROVIDER]), 30)
        said = self.pmd.run("port attach net_virtio_vfio_user0,path=%s%s"
                            % (sockets[PROVIDER], PATIENT))
        if "Now total ports is 4" not in said:
            raise vm.Failure("port attach: " + said)
        self.pmd.run("port start 3")
        self.pmd.run("set burst tx delay 10 retry 100000000")

    def _served(self, path):
        if not self.app.alive():
            raise vm.Failure("%s ended: %s" % (self.app.name, self.app.text[-2000:]))
        return os.path.exists(path)

    def exchange(self, given, wanted):
        """Give the application frames; return what came of them, all by its ports."""
        def by_file(values):
            return {FILE[port]: value for port, value in values.items()}

        got = replay(self.pmd, by_file(self.files), by_file(given), by_file(wanted), "0,1,2,3")
        return {port: got[FILE[port]] for port in FILE}

    def flood(self, mode, seconds):
        """Send packets to both ports of the application, as fast as may be."""
        self.pmd.run("set portlist 1,3")
        self.pmd.run("set fwd " + mode)
        self.pmd.run("start")
        time.sleep(seconds)
        self.pmd.run("stop")
        # What the application still had is on its way.
        self.pmd.run("set fwd rxonly")
        self.pmd.run("start")
        vm.wait_for("end of traffic", self._quiet(), 20)
        self.pmd.run("stop")

    def _quiet(self):
        """A function that tells whether nothing has been received since its last call."""
        last = []

        def quiet():
            now = [self.pmd.stats(port)["RX-packets"] for port in FAR.values()]
            last.append(now)
            return len(last) > 30 and all(one == now for one in last[-30:])
        return quiet

    def end(self, wanted=0):
        """End the application as a user does; return all that it said."""
        status = self.app.stop(timeout=20)
        if status != wanted:
            raise vm.Failure("%s: exit status %d: %s"
                             % (self.app.name, status, self.app.text[-2000:]))
        return self.app.text


class Echo:
    """A testpmd that has a file at a port, and one that sends back what it gets."""

    FILE, NEAR = 0, 1

    def __init__(self, lab, drivers, far, more=""):
        path = os.path.join(lab.folder, "port")
        self.lab, self.drivers = lab, drivers
        self.files = Files(lab, 0)
        vdevs = {PROVIDER: provider(0, path, ",mac=%s%s" % (MACS[PROVIDER], more)),
                 CONSUMER: consumer(0, path)}
        starts = {True: lambda: self._far(vdevs[far]),
                  False: lambda: self._near(vdevs[1 - far])}
        for which in (far == PROVIDER, far != PROVIDER):  # what listens is first
            starts[which]()

    def _near(self, vdev):
        self.near = testpmd.Testpmd(self.lab, "near", [*self.drivers, *self.files.vdev, *vdev],
                                    ["--nb-cores=1", "--no-flush-rx"])
        self.near.run("set burst tx delay 10 retry 100000000")

    def _far(self, vdev):
        self.far = testpmd.Testpmd(self.lab, "far", [*self.drivers, *vdev],
                                   ["--nb-cores=1", "--port-topology=loop", "--no-flush-rx"],
                                   cpus="1,0")

    def exchange(self, sent, more=0):
        """Send frames to the far testpmd, which forwards; return what came back: so many more."""
        vm.wait_for("link", lambda: self.near.link_up(self.NEAR) and self.far.link_up(0), 20)
        return replay(self.near, {self.FILE: self.files}, {self.FILE: sent},
                      {self.FILE: len(sent) + more}, "0,1")[self.FILE]
