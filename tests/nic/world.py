# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""testpmd between guests' NICs and network namespaces, and traffic over them."""

import contextlib
import json
import os
import subprocess

import nic
import testpmd
import vm

#: What a guest needs for all of this: modules of its kernel, programs of this machine.
MODULES = ("virtio_net", "8021q")
PROGRAMS = ("iperf3", "ethtool", "ip", "ping")

#: Root ports rp0, rp1, ... of a guest are in the slots from this one on.
FIRST_SLOT = 0x10
ROOT_PORTS = 7
TAP = "tap0"
NIC_PORT, TAP_PORT = 0, 1
STREAM_PORT = 5300


def host_address(number):
    """The far end of the NIC with a number."""
    return "10.9.%d.1" % number


def guest_address(number):
    """The guest's end."""
    return "10.9.%d.2" % number


HOST, GUEST = host_address(0), guest_address(0)
HOST6, GUEST6 = "fd00:9::1", "fd00:9::2"


class Provider:
    """testpmd that forwards between a NIC and a tap interface in a namespace."""

    def __init__(self, lab, backend, number, queues=nic.QUEUES, msix=True):
        self.lab = lab
        self.queues = queues
        self.backend = backend
        self.msix = msix
        self.path = os.path.join(lab.folder, "nic%d" % number)
        self.far = nic.Namespace(lab)
        self.start(number)

    def start(self, number):
        """Start testpmd, for the first time or again; the number is that of the addresses."""
        self.number = number
        self.host = host_address(number)
        self.backend.remove_stale(self.path)
        self.pmd = testpmd.Testpmd(
            self.lab, "testpmd%d" % self.number,
            [*self.backend.eal, *self.backend.vdev(number, self.path, self.queues, self.msix),
             "--vdev", "net_tap0,iface=" + TAP],
            ["--rxq=%d" % self.queues, "--txq=%d" % self.queues, "--nb-cores=1",
             "--forward-mode=io"], prefix=self.far.prefix)
        self.pmd.run("start")
        self._prepare_tap()

    def _prepare_tap(self):
        """Configure the far end's interface.

        A tap answers on the queue that a flow was last seen on, but it takes note of that
        after the first packet's way through the network stack. That way is made to begin
        on another CPU, else the first answer may go to a queue that the guest does not use.
        """
        self.far.run("echo 1 >/proc/sys/net/ipv6/conf/{0}/disable_ipv6; "
                     "for queue in /sys/class/net/{0}/queues/rx-*; do "
                     "echo 1 >$queue/rps_cpus; done; "
                     "ip addr add {1}/24 dev {0}; ip link set {0} up".format(TAP, self.host))

    def serve(self, *words):
        """Start a server at the far end; return it when it listens."""
        server = self.far.start(*words)
        vm.wait_for("listening " + words[0],
                    lambda: "listening" in vm.tail(server.log) or not server.alive(), 10)
        if not server.alive():
            raise vm.Failure("%s: %s" % (words[0], vm.tail(server.log)))
        return server

    def queue_packets(self, direction):
        """The packets that each queue of the port has carried: "rx" from the guest."""
        counters = self.pmd.xstats(NIC_PORT)
        return [counters["%s_q%d_packets" % (direction, queue)] for queue in range(nic.QUEUES)]


class Link:
    """A NIC of a guest and what is at its other end: traffic."""

    def __init__(self, guest, slot, provider, stream):
        self.guest = guest
        self.provider = provider
        self.far = provider.far
        self.stream = stream
        self.seed = 0
        self.nic = nic.GuestNic(guest, slot, provider.host, guest_address(provider.number))

    def iperf(self, options, timeout=40):
        """Run iperf3 in the guest against a server of the far end; return its result."""
        server = self.provider.serve("iperf3", "-s", "-1", "--forceflush")
        try:
            said = self.guest.execute("iperf3 -J -i 0 -c %s %s" % (self.nic.host, options),
                                      timeout)[1]
        finally:
            server.stop()
        # What is no JSON text comes from the shell: the command was killed.
        result = json.loads(said) if said.startswith("{") else {"error": said}
        if "error" in result:
            raise vm.Failure("iperf3 %s: %s" % (options, result["error"]))
        return result["end"]

    def transfer(self, direction, size, host=None):
        """Send or receive made-up data; each byte is compared."""
        self.seed += 1
        other = "receive" if direction == "send" else "send"
        host = host or self.nic.host
        server = self.provider.serve(self.stream, "listen", host, str(STREAM_PORT), other,
                                     str(self.seed), str(size))
        self.guest.run("stream connect %s %d %s %d %d"
                       % (host, STREAM_PORT, direction, self.seed, size), 60 + size // 1000000)
        if server.popen.wait(30) != 0:
            raise vm.Failure("stream %s: %s" % (other, vm.tail(server.log)))

    def traffic(self, options, seconds, meanwhile):
        """Run iperf3, which must end well, and call meanwhile() until then; return how often."""
        server = self.provider.serve("iperf3", "-s", "-1", "--forceflush")
        job = self.guest.start("iperf3 --forceflush -c %s -t %d %s"
                               % (self.nic.host, seconds, options))
        job.wait_text("connected")
        done = 0
        while not job.ended():
            meanwhile()
            done += 1
        job.finish()
        server.stop()
        return done

    @contextlib.contextmanager
    def flood(self):
        """Send packets to the guest meanwhile, whether it takes them or not."""
        self.far.run("ip neigh replace %s lladdr %s dev %s"
                     % (self.nic.address, nic.mac_address(self.provider.number), TAP))
        pings = [self.far.start("ping", "-q", "-i", "0.002", "-s", str(size), self.nic.address)
                 for size in (56, 1400)]
        yield
        for ping in pings:
            if not ping.alive():
                raise vm.Failure("ping ended: " + vm.tail(ping.log))
            ping.stop()
        self.far.run("ip neigh del %s dev %s" % (self.nic.address, TAP))


class Frames:
    """Our generator of frames, and the NIC that it serves."""

    NUMBER = 3  # of the NIC and of the root port

    def __init__(self, lab, program, world):
        self.log = os.path.join(lab.folder, "frame_gen.log")
        self.answers = 0
        path = os.path.join(lab.folder, "frames")
        backend = world.backend
        self.process = vm.Process([program, "-l", "0", *testpmd.eal(lab, "frames"), *backend.eal,
                                   *backend.vdev(self.NUMBER, path, 1)], self.log, subprocess.PIPE)
        lab.add(self.process, self.log)
        vm.wait_for("frame_gen", lambda: "listening" in vm.tail(self.log), 20)
        self.guest = world.guest
        backend.plug(self.guest, "frames", path, nic.mac_address(self.NUMBER), 1,
                     bus="rp%d" % self.NUMBER)
        self.eth = nic.GuestNic(self.guest, FIRST_SLOT + self.NUMBER, None,
                                guest_address(self.NUMBER)).up(nic.JUMBO)

    def command(self, *words):
        """Give the generator a command."""
        self.process.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.popen.stdin.flush()

    def answer(self, timeout):
        """Wait for the answer to a command, which must be a good one; return it."""
        self.answers += 1
        lines = vm.wait_for("answer of frame_gen", self._answered, timeout)
        if not lines[-1].startswith("right"):
            raise vm.Failure("frame_gen: " + lines[-1])
        return lines[-1]

    def _answered(self):
        lines = [line for line in vm.tail(self.log, 1000).splitlines()
                 if line.startswith(("right", "wrong"))]
        return lines if len(lines) == self.answers else None


class World(Link):
    """One guest with a NIC and room for more, and the NIC's other end."""

    def __init__(self, lab, images, backend, stream):
        self.lab = lab
        self.backend = backend
        provider = Provider(lab, backend, 0)
        extra, device = backend.boot("nic0", provider.path, nic.mac_address(0), bus="rp0")
        ports = [vm.root_port("rp%d" % n, FIRST_SLOT + n) for n in range(ROOT_PORTS)]
        super().__init__(lab.guest(images, [*ports, device], extra=["-smp", "4", *extra]),
                         FIRST_SLOT, provider, stream)
        self.load()

    @property
    def pmd(self):
        """The testpmd that serves the NIC."""
        return self.provider.pmd

    def load(self):
        """Load the driver and bring the NIC up, after each boot."""
        self.guest.run("modprobe virtio_net && modprobe 8021q")
        self.nic.up()

    def plug(self, provider, port):
        """Give the guest one more NIC behind a root port; return the link."""
        self.backend.plug(self.guest, "nic%d" % port, provider.path,
                          nic.mac_address(provider.number), bus="rp%d" % port)
        link = Link(self.guest, FIRST_SLOT + port, provider, self.stream)
        link.nic.up()
        return link

    def healthy(self):
        """Fail if the guest's kernel complained since the last call."""
        said = self.guest.execute("dmesg -c | grep -E 'BUG|WARNING|Call Trace|Oops|"
                                  "NETDEV WATCHDOG|timed out|virtio_net.*(fail|error|[Bb]ad)'")[1]
        if said:
            raise vm.Failure("the guest's kernel says: " + said)
