# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""testpmd between a guest's NIC and a network namespace, and traffic over it."""

import contextlib
import json
import os
import time

import nic
import testpmd
import vm

SLOT, SPARE_SLOT, LAST_SLOT = 0x10, 0x11, 0x12
TAP = "tap0"
HOST, GUEST = "10.9.0.1", "10.9.0.2"
HOST6, GUEST6 = "fd00:9::1", "fd00:9::2"
NIC_PORT, TAP_PORT = 0, 1
STREAM_PORT = 5300


class World:
    """One guest with a NIC, testpmd, and the namespace with a tap interface."""

    def __init__(self, lab, images, backend, stream, cmdline=""):
        self.lab = lab
        self.backend = backend
        self.stream = stream
        self.seed = 0
        self.far = nic.Namespace(lab)
        self.path = os.path.join(lab.folder, "nic0")
        self.pmd = testpmd.Testpmd(
            lab, "testpmd", [*backend.eal, *backend.vdev(0, self.path), "--vdev",
                             "net_tap0,iface=" + TAP],
            ["--rxq=%d" % nic.QUEUES, "--txq=%d" % nic.QUEUES, "--nb-cores=1",
             "--forward-mode=io"], prefix=self.far.prefix)
        self.pmd.run("start")
        self.prepare_tap()
        extra, device = backend.boot("nic0", self.path, nic.mac_address(0), bus="rp0")
        self.guest = lab.guest(images, [vm.root_port("rp0", SLOT), vm.root_port("rp1", SPARE_SLOT),
                                        vm.root_port("rp2", LAST_SLOT), device],
                               cmdline=cmdline, extra=["-smp", "4", *extra])
        self.nic = nic.GuestNic(self.guest, SLOT, HOST, GUEST)
        self.load()

    def prepare_tap(self):
        """Configure the far end's interface.

        A tap answers on the queue that a flow was last seen on, but it takes note of that
        after the first packet's way through the network stack. That way is made to begin
        on another CPU, else the first answer may go to a queue that the guest does not use.
        """
        self.far.run("echo 1 >/proc/sys/net/ipv6/conf/{0}/disable_ipv6; "
                     "for queue in /sys/class/net/{0}/queues/rx-*; do "
                     "echo 1 >$queue/rps_cpus; done; "
                     "ip addr add {1}/24 dev {0}; ip link set {0} up".format(TAP, HOST))

    def load(self):
        """Load the driver and bring the NIC up, after each boot."""
        self.guest.run("modprobe virtio_net && modprobe 8021q")
        self.nic.up()

    def iperf(self, options, host=HOST, timeout=40):
        """Run iperf3 in the guest against a server of the far end; return its result."""
        server = self.serve("iperf3", "-s", "-1", "--forceflush")
        try:
            said = json.loads(self.guest.execute("iperf3 -J -i 0 -c %s %s" % (host, options),
                                                 timeout)[1] or "{}")
        finally:
            server.stop()
        if "error" in said or not said.get("end"):
            raise vm.Failure("iperf3 %s: %s" % (options, said.get("error", "nothing said")))
        return said["end"]

    def serve(self, *words):
        """Start a server at the far end; return it when it listens."""
        server = self.far.start(*words)
        vm.wait_for("listening " + words[0],
                    lambda: "listening" in vm.tail(server.log) or not server.alive(), 10)
        if not server.alive():
            raise vm.Failure("%s: %s" % (words[0], vm.tail(server.log)))
        return server

    def transfer(self, direction, size, host=HOST, source=""):
        """Send or receive made-up data; each byte is compared. Return what was said."""
        self.seed += 1
        other = "receive" if direction == "send" else "send"
        server = self.serve(self.stream, "listen", host, str(STREAM_PORT), other, str(self.seed),
                            str(size))
        said = self.guest.run("stream connect %s %d %s %d %d"
                              % (host, STREAM_PORT, direction, self.seed, size),
                              60 + size // 1000000)
        if server.popen.wait(30) != 0:
            raise vm.Failure("stream %s: %s" % (other, vm.tail(server.log)))
        return said

    def traffic(self, options, seconds, meanwhile):
        """Run iperf3, which must end well, and call meanwhile() until then; return how often."""
        server = self.serve("iperf3", "-s", "-1", "--forceflush")
        self.guest.run("rm -f /run/iperf.*; (iperf3 --forceflush -c %s -t %d %s "
                       ">/run/iperf.log 2>&1; echo $? >/run/iperf.status) >/dev/null 2>&1 &"
                       % (HOST, seconds, options))
        self.guest.wait_run("grep -q connected /run/iperf.log")
        done = 0
        deadline = time.monotonic() + seconds + 60
        while self.guest.execute("test -e /run/iperf.status")[0] != 0:
            if time.monotonic() > deadline:
                raise vm.Failure("iperf3 does not end: " + self.guest.run("cat /run/iperf.log"))
            meanwhile()
            done += 1
        server.stop()
        if self.guest.run("cat /run/iperf.status") != "0":
            raise vm.Failure("iperf3: " + self.guest.run("cat /run/iperf.log"))
        return done

    @contextlib.contextmanager
    def flood(self):
        """Send packets to the guest meanwhile, whether it takes them or not."""
        self.far.run("ip neigh replace %s lladdr %s dev %s"
                     % (GUEST, nic.mac_address(NIC_PORT), TAP))
        pings = [self.far.start("ping", "-q", "-i", "0.002", "-s", str(size), GUEST)
                 for size in (56, 1400)]
        yield
        for ping in pings:
            if not ping.alive():
                raise vm.Failure("ping ended: " + vm.tail(ping.log))
            ping.stop()
        self.far.run("ip neigh del %s dev %s" % (GUEST, TAP))

    def queue_packets(self, direction):
        """The packets that each queue of the port has carried: "rx" from the guest."""
        counters = self.pmd.xstats(NIC_PORT)
        return [counters["%s_q%d_packets" % (direction, queue)] for queue in range(nic.QUEUES)]

    def healthy(self):
        """Fail if the guest's kernel complained since the last call."""
        said = self.guest.execute("dmesg -c | grep -E 'BUG|WARNING|Call Trace|Oops|"
                                  "NETDEV WATCHDOG|timed out|virtio_net.*(fail|error|[Bb]ad)'")[1]
        if said:
            raise vm.Failure("the guest's kernel says: " + said)
