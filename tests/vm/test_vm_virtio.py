# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The virtio examples, driven by the unmodified drivers of a Linux guest.

One guest has our entropy and crypto devices, and QEMU's own entropy device to
compare the rate with. Results of the crypto device are compared with OpenSSL's.
"""

import hashlib
import re
import signal
import subprocess

import pytest

import guests
import vm

MODULES = ("virtio_rng", "virtio_crypto", "algif_skcipher")
RNG, QEMU_RNG, CRYPTO = "0000:00:08.0", "0000:00:09.0", "0000:00:0a.0"
DRIVER = "virtio_crypto_aes_cbc"
KIB = 1024
KEY = bytes(range(0x40, 0x60))
IV = bytes(range(0xf0, 0x100))
EAL = ["--no-huge", "--no-pci", "-m", "64", "--no-shconf", "--no-telemetry",
       "--vdev", "crypto_openssl0", "--"]


class World:
    """The guest, and its devices' servers."""

    def __init__(self, lab, images, example):
        self.rng = lab.server(example("virtio_rng"), "rng")
        self.crypto = lab.server(example("virtio_crypto"), "crypto", EAL)
        self.guest = lab.guest(images, [
            vm.device(self.rng, addr="0x8"),
            {"driver": "virtio-rng-pci", "addr": "0x9"},
            vm.device(self.crypto, addr="0xa")])
        self.load()

    def load(self):
        """Load the drivers, after each boot."""
        for module in MODULES:
            self.guest.run("modprobe " + module)

    def counters(self):
        """What the crypto device counted, by name."""
        before = vm.tail(self.crypto.log, 1000).count("buffers in use")
        self.crypto.popen.send_signal(signal.SIGUSR1)
        log = vm.wait_for("counters", lambda: vm.tail(self.crypto.log, 1000), 5,
                          lambda text: text.count("buffers in use") > before)
        return {name: int(count)
                for count, name in re.findall(r"(\d+) (\w+)", log.splitlines()[-1])}


@pytest.fixture(scope="module")
def world(module_lab, tmp_path_factory, example):
    """Boot the guest, with the kernel that has a driver of virtio-crypto."""
    try:
        images = vm.Images.get(str(tmp_path_factory.mktemp("generic")), MODULES, "generic")
    except vm.Missing as error:
        return guests.missing(str(error))
    return World(module_lab, images, example)


@pytest.fixture
def guest(world):
    """Return the guest."""
    return world.guest


def virtio_name(guest, address):
    """The name of a PCI device's virtio device."""
    folder = "/sys/bus/pci/devices/%s/" % address
    return guest.run("ls -d %svirtio*" % folder).rsplit("/", 1)[-1]


@pytest.fixture
def hwrng(guest):
    """A function that makes one device the only source of /dev/hwrng."""
    driver = "/sys/bus/virtio/drivers/virtio_rng/"
    unbound = []

    def choose(address):
        for name in unbound:
            guest.run("echo %s > %sbind" % (name, driver))
        unbound.clear()
        for other in {RNG, QEMU_RNG} - {address}:
            unbound.append(virtio_name(guest, other))
            guest.run("echo %s > %sunbind" % (unbound[-1], driver))
        return guest.run("cat /sys/class/misc/hw_random/rng_current")

    yield choose
    for name in unbound:
        guest.run("echo %s > %sbind" % (name, driver))


def test_ids(guest):
    """Linux sees what the devices are."""
    ids = {address: guest.run("cd /sys/bus/pci/devices/%s; cat vendor device class" % address)
           for address in (RNG, CRYPTO)}
    assert ids[RNG].split()[:2] == ["0x1af4", "0x1044"]
    assert ids[CRYPTO].split() == ["0x1af4", "0x1054", "0x108000"]
    for address in (RNG, CRYPTO):
        assert guest.run("basename $(readlink /sys/bus/pci/devices/%s/driver)" % address) \
            == "virtio-pci"


def test_rng_delivers(guest, hwrng):
    """/dev/hwrng has random bytes of our device, different ones each time."""
    assert hwrng(RNG).startswith("virtio_rng.")
    sums = set()
    for _ in range(3):
        guest.run("dd if=/dev/hwrng of=/run/random bs=4096 count=16 iflag=fullblock")
        assert guest.run("stat -c %s /run/random") == str(64 * KIB)
        # What is not random is smaller when it is compressed.
        assert int(guest.run("gzip -c /run/random | wc -c")) > 64 * KIB
        sums.add(guest.run("sha256sum /run/random"))
    assert len(sums) == 3


def test_rng_rate(guest, hwrng):
    """The rate is reported next to that of QEMU's own device; neither is judged."""
    rates = {}
    for address in (RNG, QEMU_RNG):
        hwrng(address)
        said = guest.run("cat /proc/uptime; dd if=/dev/hwrng of=/dev/null bs=4096 count=64 "
                         "iflag=fullblock 2>/dev/null; cat /proc/uptime")
        begin, end = (float(line.split()[0]) for line in said.splitlines())
        rates[address] = 64 * 4096 / 1e6 / max(end - begin, 0.01)
    guests.NOTES.append("/dev/hwrng of a TCG guest: %.2f MB/s by examples/virtio_rng, "
                        "%.2f MB/s by QEMU's virtio-rng-pci"
                        % (rates[RNG], rates[QEMU_RNG]))


def test_crypto_selftest(guest):
    """The kernel's own test of the cipher passes on our device."""
    # The test begins when the cipher is used first.
    guest.run("head -c 16 /dev/zero | skcipher %s encrypt %s %s 16"
              % (DRIVER, KEY[:16].hex(), IV.hex()))
    entry = [text for text in guest.run("cat /proc/crypto").split("\n\n")
             if re.search(r"driver +: %s\n" % DRIVER, text) and "larval" not in text]
    assert len(entry) == 1
    assert re.search(r"selftest +: passed", entry[0])
    assert re.search(r"priority +: 150\n", entry[0])
    assert re.search(r"async +: yes", entry[0])


def numbers(length):
    """What "seq 1 1000000 | head -c LENGTH" prints."""
    text, i = [], 1
    size = 0
    while size < length:
        text.append("%d\n" % i)
        size += len(text[-1])
        i += 1
    return "".join(text).encode()[:length]


def openssl(direction, key, data):
    """What OpenSSL makes of the data."""
    return subprocess.run(["openssl", "enc", "-aes-%d-cbc" % (8 * len(key)), "-nopad",
                           "-K", key.hex(), "-iv", IV.hex(),
                           "-e" if direction == "encrypt" else "-d"],
                          input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("direction", ["encrypt", "decrypt"])
@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("size, piece", [
    (16, 16), (48, 16), (100 * KIB, 4096), (256 * KIB, 64 * KIB),
])
def test_crypto_cbc(guest, direction, bits, size, piece):
    """AF_ALG's cbc(aes) by our device gives what OpenSSL gives."""
    key = KEY[:bits // 8]
    said = guest.run("seq 1 1000000 | head -c %d | skcipher %s %s %s %s %d | sha256sum"
                     % (size, DRIVER, direction, key.hex(), IV.hex(), piece), 60)
    expected = hashlib.sha256(openssl(direction, key, numbers(size))).hexdigest()
    assert expected in said
    if bits == 256 and size > 4096:
        guests.NOTES.append("cbc(aes) of a TCG guest by examples/virtio_crypto, %s, 256 bits, "
                            "pieces of %d bytes: %s MB/s" %
                            (direction, piece, re.search(r"([\d.]+) MB/s", said)[1]))


def test_crypto_counters(world, guest):
    """What the driver gave back is free again, and all of it when it is unbound."""
    counters = world.counters()
    assert counters["requests"] > 0 and counters["dropped"] == 0
    guest.run("rmmod virtio_crypto")
    counters = world.counters()
    assert (counters["sessions"], counters["buffers"]) == (0, 0)
    guest.run("modprobe virtio_crypto")
    test_crypto_cbc(guest, "encrypt", 128, 4096, 4096)


def test_reset(world, guest, hwrng):
    """After a reset of the machine the devices work again."""
    guest.reset()
    world.load()
    assert hwrng(RNG).startswith("virtio_rng.")
    guest.run("dd if=/dev/hwrng of=/dev/null bs=4096 count=1 iflag=fullblock")
    test_crypto_cbc(guest, "decrypt", 256, 4096, 4096)


def test_devices_end_well(world, guest):
    """Both servers end by a signal, with everything given back."""
    guest.stop()
    assert world.rng.stop() == 0
    assert world.crypto.stop() == 0
    assert re.search(r"\d+ bytes in \d+ buffers", vm.tail(world.rng.log))
    assert "0 sessions, 0 buffers in use" in vm.tail(world.crypto.log)
