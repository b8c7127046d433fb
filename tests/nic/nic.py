# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A NIC of a guest that is an ethdev port of testpmd, by either of two ways.

The port is net_vfio_user's and the guest has the real PCI device (VfioUser), or
it is net_vhost's and QEMU emulates the PCI device (VhostUser). Both do the same
for the guest, and are tested by the same tests.
"""

import os
import re
import subprocess

import vm

QUEUES = 4
JUMBO = 9000
#: How long QEMU waits before it connects to a vhost-user server again.
RECONNECT_MS = 500

# Feature bits of virtio.
CSUM, GUEST_CSUM, MTU, MAC, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX = 0, 1, 3, 5, 15, 16, 17, 18
GUEST_ANNOUNCE, MQ, CTRL_MAC_ADDR, EVENT_IDX, VERSION_1, ACCESS_PLATFORM = 21, 22, 23, 29, 32, 33
#: What Linux negotiates with either backend.
COMMON_FEATURES = {CSUM, GUEST_CSUM, MTU, MAC, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX,
                   GUEST_ANNOUNCE, MQ, CTRL_MAC_ADDR, EVENT_IDX, VERSION_1}


class VhostUser:
    """DPDK's net_vhost, and vhost-user-net of QEMU."""

    name = "vhost_user"

    def __init__(self, _build):
        self.eal = []

    @staticmethod
    def vdev(number, path, queues=QUEUES, msix=True):  # pylint: disable=unused-argument
        """The words that give testpmd its end; QEMU decides about MSI-X."""
        return ["--vdev", "net_vhost%d,iface=%s,queues=%d" % (number, path, queues)]

    @staticmethod
    def remove_stale(path):
        """Remove the socket of a killed testpmd, which net_vhost refuses to replace."""
        if os.path.exists(path):
            os.unlink(path)

    @staticmethod
    def _device(name, mac, queues, properties):
        return {"driver": "virtio-net-pci", "id": name, "netdev": "net-" + name, "mac": mac,
                "mq": queues > 1, "vectors": 2 * queues + 2, "host_mtu": JUMBO,
                "disable-legacy": "on", **properties}

    def boot(self, name, path, mac, queues=QUEUES, **properties):
        """The words of a guest's command line, and its -device."""
        # QEMU connects again when the other end is gone.
        return (["-chardev", "socket,id=chr-%s,path=%s,reconnect-ms=%d"
                 % (name, path, RECONNECT_MS),
                 "-netdev", "vhost-user,id=net-%s,chardev=chr-%s,queues=%d"
                 % (name, name, queues)],
                self._device(name, mac, queues, properties))

    def plug(self, guest, name, path, mac, queues=QUEUES, **properties):
        """Give a running guest the device."""
        guest.qmp.run("chardev-add", id="chr-" + name, backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": False,
            "reconnect-ms": RECONNECT_MS}})
        guest.qmp.run("netdev_add", type="vhost-user", id="net-" + name, chardev="chr-" + name,
                      queues=queues)
        guest.qmp.run("device_add", **self._device(name, mac, queues, properties))

    @staticmethod
    def unplug(guest, name):
        """Take the device from a guest whose driver agrees."""
        guest.qmp.run("device_del", id=name)
        guest.qmp.wait_event("DEVICE_DELETED", device=name)
        guest.qmp.run("netdev_del", id="net-" + name)  # and with it the chardev


class VfioUser:
    """net_vfio_user, and vfio-user-pci of QEMU."""

    name = "vfio_user"

    def __init__(self, build):
        plugin = os.path.join(build, "drivers", "librte_net_vfio_user.so")
        if not os.path.exists(plugin):
            raise vm.Missing("no %s" % plugin)
        self.eal = ["-d", plugin]

    @staticmethod
    def vdev(number, path, queues=QUEUES, msix=True):
        """The words that give testpmd its end."""
        return ["--vdev", "net_vfio_user%d,iface=%s,queues=%d,mtu=%d,mac=%s%s"
                % (number, path, queues, JUMBO, mac_address(number), "" if msix else ",msix=0")]

    @staticmethod
    def remove_stale(path):
        """Leave the socket of a killed testpmd: net_vfio_user replaces it."""

    @staticmethod
    def _device(name, path, properties):
        return {"driver": "vfio-user-pci", "id": name,
                "socket": {"type": "unix", "path": path}, **properties}

    # pylint: disable=unused-argument, too-many-arguments
    def boot(self, name, path, mac, queues=QUEUES, **properties):
        """The words of a guest's command line, and its -device."""
        return [], self._device(name, path, properties)

    def plug(self, guest, name, path, mac, queues=QUEUES, **properties):
        """Give a running guest the device."""
        guest.qmp.run("device_add", **self._device(name, path, properties))

    @staticmethod
    def unplug(guest, name):
        """Take the device from a guest whose driver agrees.

        QEMU up to 11.1 at least aborts when the device has MSI-X, whatever the guest has
        done before.
        """
        guest.qmp.run("device_del", id=name)
        guest.qmp.wait_event("DEVICE_DELETED", device=name)


BACKENDS = {backend.name: backend for backend in (VfioUser, VhostUser)}


def mac_address(number):
    """The MAC address of the device at the port with a number."""
    return "52:54:00:76:66:%02x" % number


class Namespace:
    """A network namespace of this machine: the far end of a NIC."""

    def __init__(self, lab):
        self.lab = lab
        self.name = "%s-%d" % (os.path.basename(lab.folder), len(lab.processes))
        self.prefix = ["ip", "netns", "exec", self.name]
        self.started = 0
        for need, what in ((os.geteuid() == 0, "not root: no network namespace"),
                           (os.path.exists("/dev/net/tun"), "no /dev/net/tun")):
            if not need:
                raise vm.Missing(what)
        done = subprocess.run(["ip", "netns", "add", self.name], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise vm.Missing("ip netns add: " + done.stdout.strip())
        lab.add(self)
        self.run("ip link set lo up")

    def execute(self, command, timeout=60):
        """Run a shell command line; return its exit status and its output."""
        done = subprocess.run([*self.prefix, "sh", "-c", command], check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
        return done.returncode, done.stdout

    def run(self, command, timeout=60):
        """Run a command that must succeed; return its output."""
        status, output = self.execute(command, timeout)
        if status != 0:
            raise vm.Failure("%s: exit status %d: %s" % (command, status, output))
        return output

    def start(self, *words):
        """Start a program; return it."""
        self.started += 1
        log = os.path.join(self.lab.folder, "%s-%d.log" % (self.name, self.started))
        process = vm.Process([*self.prefix, *words], log)
        self.lab.add(process)
        return process

    def stop(self):
        """Remove the namespace; what lived in it was stopped before."""
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class GuestNic:
    """A NIC as the guest sees it, behind a root port."""

    def __init__(self, guest, slot, host, address):
        self.guest = guest
        self.folder = "/sys/devices/pci0000:00/0000:00:%02x.0" % slot
        self.host = host
        self.address = address

    def wait(self, timeout=20):
        """Wait for the network interface; return its name."""
        return self.guest.wait_run("basename $(ls -d %s/0000:*:00.0/virtio*/net/*)"
                                   % self.folder, timeout)

    def pci(self):
        """The PCI address."""
        return self.guest.run("basename $(ls -d %s/0000:*:00.0)" % self.folder)

    def features(self):
        """The numbers of the negotiated feature bits."""
        text = self.guest.run("cat %s/0000:*:00.0/virtio*/features" % self.folder)
        return {bit for bit, value in enumerate(text) if value == "1"}

    def up(self, mtu=1500):
        """Bring the interface up with its address; return its name."""
        name = self.wait()
        # Without neighbour and router discovery there is no traffic but that of the tests.
        self.guest.run("echo 1 >/proc/sys/net/ipv6/conf/{0}/disable_ipv6; "
                       "/bin/ip link set {0} mtu {1} up && /bin/ip addr replace {2}/24 dev {0}"
                       .format(name, mtu, self.address), 60)
        return name

    def ping(self, count=5, size=56, options="", host=None):
        """Ping the far end, by one queue; every packet must come back, in order, however late."""
        host = host or self.host
        # What waits for the address of a new neighbour is sent by whoever gets that, by
        # another queue, when later packets are under way.
        self.guest.run("/bin/ping -q -c 1 -w 20 %s" % host, 60)
        # Until so many have come back: more may have been sent.
        said = self.guest.run("taskset 1 /bin/ping -c %d -i 0.02 -w 20 -s %d %s %s"
                              % (count, size, options, host), 60)
        came = re.findall(r"icmp_seq=(\d+)(.*DUP)?", said)
        if came != [(str(n + 1), "") for n in range(len(came))]:
            raise vm.Failure("ping: " + said)
