# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Requests of the crypto example that are on their way when something ends: with a
cryptodev that works at once, and with one that works in a thread of its own."""

import hashlib
import os
import subprocess

import pytest

import conftest
import crypto
from crypto import AES_CBC, CIPHER, ENCRYPT, HASH, INVSESS, OK

IV = bytes(range(0xa0, 0xb0))
NEEDS_RESET = 0x40
SIZE = 65536
#: Requests, of 5 descriptors each: so many that a driver can interfere before a cryptodev
#: in a thread of its own is done with them.
MANY = 96
SCHEDULER = [*conftest.EAL[:-1], "-l", "0,1", "--vdev",
             "crypto_scheduler0,worker=crypto_openssl0,mode=multi-core,corelist=1", "--",
             "-d", "crypto_scheduler0"]


@pytest.fixture(scope="module", params=["sync", "async"])
def server(request, build):
    """The crypto device."""
    if request.param == "async" and conftest.cpus() < 2:
        pytest.skip("a cryptodev with a thread of its own needs a second cpu")
    yield from conftest.serve(build, "virtio_crypto",
                              SCHEDULER if request.param == "async" else conftest.EAL)


@pytest.fixture
def start(server, drive):
    """A function that starts a driver of the device."""
    return lambda *options: crypto.Crypto(drive(server, "-q", "2", *options))


def post_many(device, count=MANY):
    """Requests on their way; the id of their session."""
    session = device.cipher(AES_CBC, bytes(16), ENCRYPT)
    header = crypto.cipher_header(session, ENCRYPT, 16, SIZE, SIZE)
    device.driver.post(device.data, header, IV, bytes(SIZE), SIZE, 1, count=count)
    return session


def works(device):
    """The device does what it is there for."""
    session = device.hash("sha1", 20)
    assert device.digest(HASH, session, b"abc", 20) == hashlib.sha1(b"abc").digest()
    assert device.destroy(HASH, session) == OK


def all_free(server, sessions=0):
    """Wait until nothing but sessions is in use: what is on its way ends by itself."""
    for _ in range(1000):
        counters = server.counters()
        # A scheduler's session takes two buffers, a request no less than three.
        if counters["sessions"] == sessions and counters["buffers"] <= 2 * sessions:
            return counters
    pytest.fail("still in use: %s" % counters)


def test_many_at_once(server, start):
    """All of many requests that are in the ring together come back."""
    device = start()
    for _ in range(4):
        session = post_many(device)
        device.driver.collect(device.data, MANY)
        assert device.destroy(CIPHER, session) == OK
    works(device)
    all_free(server)


def test_destroyed_while_in_use(server, start):
    """A session that is destroyed before its requests are answered."""
    device = start()
    session = post_many(device)
    assert device.destroy(CIPHER, session) == OK
    device.driver.collect(device.data, MANY)
    header = crypto.cipher_header(session, ENCRYPT, 16, 16, 16)
    assert device.run(header, IV, bytes(16), result=16)[0] == INVSESS
    all_free(server)


def test_reset_in_the_middle(request, server, start):
    """A reset with requests on their way: their results are dropped, nothing is lost."""
    device = start()
    before = server.counters()["dropped"]
    for _ in range(50):
        post_many(device)
        device.driver.reset()
        works(device)
        if server.counters()["dropped"] > before:
            break
    # A device that works at once has none on their way.
    assert (all_free(server)["dropped"] > before) == ("async" in request.node.name)


@pytest.mark.parametrize("options", ["-r", "-rp"], ids=["split", "packed"])
def test_queue_reset_in_the_middle(request, server, start, options):
    """
    A reset of the data queue alone: no result comes into its new ring, and sessions stay.
    """
    device = start(options)
    before = server.counters()["dropped"]
    for _ in range(50):
        session = post_many(device)
        device.driver.restart(device.data)
        works(device)
        assert device.destroy(CIPHER, session) == OK
        if server.counters()["dropped"] > before:
            break
    assert (all_free(server)["dropped"] > before) == ("async" in request.node.name)


def test_unmapped_in_the_middle(request, server, start):
    """Memory that goes with requests on their way: the driver is told that they are lost."""
    device = start()
    before = server.counters()["dropped"]
    for _ in range(50):
        post_many(device)
        device.driver.command("unmap")
        dropped = all_free(server, sessions=1)["dropped"]
        if dropped > before:
            device.driver.wait_status(NEEDS_RESET)
        device.driver.command("map")
        device.driver.reset()
        works(device)
        if dropped > before:
            break
    assert (all_free(server)["dropped"] > before) == ("async" in request.node.name)


def test_killed_in_the_middle(server, start):
    """A driver that is killed with requests on their way; the next one finds all well."""
    for _ in range(5):
        device = start()
        post_many(device)
        device.driver.kill()
    works(start())
    all_free(server)


def test_truncated_memory(server, start):
    """A driver that truncates its memory, with requests in it and on their way."""
    for _ in range(3):
        device = start()
        session = device.cipher(AES_CBC, bytes(16), ENCRYPT)
        header = crypto.cipher_header(session, ENCRYPT, 16, SIZE, SIZE)
        device.driver.add(device.data, header, IV, bytes(SIZE), SIZE, 1, count=MANY // 2)
        device.driver.command("kick", device.data)
        device.driver.truncate(device.data)
    works(start())
    all_free(server)


def test_server_ends_in_the_middle(build, drive):
    """A server that is told to end waits for its cryptodev and gives everything back."""
    serving = conftest.serve(build, "virtio_crypto", conftest.EAL)
    device = crypto.Crypto(drive(next(serving), "-q", "2"))
    post_many(device)
    with pytest.raises(StopIteration):
        next(serving)
    device.driver.kill()


def test_several_queues(build, drive):
    """Sessions are of the device: each of its data queues can use them."""
    for server in conftest.serve(build, "virtio_crypto", [*conftest.EAL, "-q", "4"]):
        driver = drive(server, "-q", "5")
        devices = [crypto.Crypto(driver, queue, 4) for queue in range(4)]
        assert devices[0].config().max_dataqueues == 4
        session = devices[0].hash("sha1", 20)
        for device in devices:
            assert device.digest(HASH, session, b"abc", 20) == hashlib.sha1(b"abc").digest()
        for device in devices:
            post_many(device, MANY // 4)
        for device in devices:
            driver.collect(device.data, MANY // 4)
        driver.close()


@pytest.mark.parametrize("options, said", [
    (conftest.EAL[:-3] + ["--"], "cryptodev (the first one): No such device"),
    (conftest.EAL + ["-d", "none"], "cryptodev none: No such device"),
    (conftest.EAL + ["-q", "9"], "usage:"),
    (conftest.EAL + ["-q", "65537"], "usage:"),
    (conftest.EAL + ["-q", "2x"], "usage:"),
])
def test_cannot_start(build, tmp_path, options, said):
    """Without a cryptodev, or with bad options, it ends and says why."""
    done = subprocess.run([os.path.join(build, "examples", "virtio_crypto"), *options,
                           str(tmp_path / "s")], check=False, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == (2 if said == "usage:" else 1)
    assert said in done.stdout
