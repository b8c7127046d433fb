# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The crypto example with a driver of ours: results against OpenSSL's, and requests
that no driver should make."""

import hashlib
import hmac
import struct
import subprocess

import pytest

import crypto
from crypto import (AEAD, AES_CBC, AES_CTR, CIPHER, DECRYPT, ENCRYPT, ERR, HASH, INVSESS, MAC,
                    NOTSUPP, OK, OP_CHAINING, SHA)

IV = bytes(range(0xa0, 0xb0))
NEEDS_RESET = 0x40
SESSIONS = 1024
MAX_DATA = 96 * 1024


def pattern(length):
    """Bytes that repeat neither in a block nor in a page."""
    return bytes((i * 7 + (i >> 8) * 13) & 0xff for i in range(length))


def openssl(mode, direction, key, data):
    """What OpenSSL makes of the data."""
    return subprocess.run(["openssl", "enc", "-aes-%d-%s" % (8 * len(key), mode), "-nopad",
                           "-K", key.hex(), "-iv", IV.hex(),
                           "-e" if direction == ENCRYPT else "-d"],
                          input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(params=[[], ["-p"]], ids=["split", "packed"])
def device(request, crypto_server, drive):
    """The device with a driver; everything is free again when that has gone."""
    started = drive(crypto_server, "-q", "2", *request.param)
    yield crypto.Crypto(started)
    if started.process.poll() is None:
        started.close()
    counters = crypto_server.counters()
    assert (counters["sessions"], counters["buffers"]) == (0, 0)


def test_config(device):
    """The device tells what crypto_openssl can do."""
    config = device.config()
    assert config.status == 1
    assert config.max_dataqueues == 1
    assert config.crypto_services == 1 << CIPHER | 1 << HASH | 1 << MAC
    assert config.cipher_algo_l == 1 << AES_CBC | 1 << AES_CTR
    assert config.hash_algo == config.mac_algo_l == sum(1 << n for n in SHA.values())
    assert config.max_cipher_key_len == 32 and config.max_auth_key_len == 128
    assert config.max_size >= 2 * MAX_DATA


@pytest.mark.parametrize("direction", [ENCRYPT, DECRYPT], ids=["encrypt", "decrypt"])
@pytest.mark.parametrize("mode, lengths", [
    ("cbc", (16, 4096, MAX_DATA)), ("ctr", (1, 15, 16, 4097, MAX_DATA)),
])
@pytest.mark.parametrize("bits", [128, 192, 256])
def test_cipher(device, mode, lengths, bits, direction):
    """AES by the device is what OpenSSL makes."""
    key = pattern(bits // 8)
    session = device.cipher({"cbc": AES_CBC, "ctr": AES_CTR}[mode], key, direction)
    for length in lengths:
        data = pattern(length)
        assert device.crypt(session, direction, IV, data) == openssl(mode, direction, key, data)
    assert device.destroy(CIPHER, session) == OK


@pytest.mark.parametrize("mode", [AES_CBC, AES_CTR])
def test_cipher_of_nothing(device, mode):
    """Nothing is a multiple of each block length, and becomes nothing."""
    session = device.cipher(mode, bytes(16), ENCRYPT)
    assert device.crypt(session, ENCRYPT, IV, b"") == b""


@pytest.mark.parametrize("name", SHA)
def test_hash(device, name):
    """Hashes are right, also of nothing."""
    size = hashlib.new(name).digest_size
    session = device.hash(name, size)
    for length in (0, 1, 64, 4097, MAX_DATA):
        assert device.digest(HASH, session, pattern(length), size) \
            == hashlib.new(name, pattern(length)).digest()


@pytest.mark.parametrize("key_len", [1, 20, 64])
@pytest.mark.parametrize("name", SHA)
def test_mac(device, name, key_len):
    """HMACs are right, whole and truncated."""
    whole = hashlib.new(name).digest_size
    for size in (whole, 12):
        session = device.mac(name, size, pattern(key_len))
        for length in (0, 3, 4096):
            assert device.digest(MAC, session, pattern(length), size) \
                == hmac.new(pattern(key_len), pattern(length), name).digest()[:size]


def test_any_layout(device):
    """A request may be cut into descriptors anywhere."""
    key, data = pattern(16), pattern(4096)
    session = device.cipher(AES_CBC, key, ENCRYPT)
    whole = crypto.cipher_header(session, ENCRYPT, 16, 4096, 4096) + IV + data
    for cut in (1, 71, 72, 73, 88, 100, 4000):
        parts = [whole[:cut], whole[cut:cut + 1], whole[cut + 1:]]
        status, result = device.run(*parts, pieces=[cut, 4096 - cut] if cut < 4096 else None)
        assert (status, result) == (OK, openssl("cbc", ENCRYPT, key, data))


def test_more_room_than_result(device):
    """The status is the last byte of the room; what is between stays as it was."""
    session = device.hash("sha256", 32)
    status, result = device.run(crypto.hash_header(HASH, session, 3, 32), b"abc", result=100)
    assert (status, result[:32]) == (OK, hashlib.sha256(b"abc").digest())
    assert result[32:] == b"\xee" * 68  # what virtio_shell fills room with


def test_session_ids(device):
    """An id is used once; one of another service, or of none, is refused."""
    key, data = pattern(16), pattern(16)
    header = lambda i: crypto.cipher_header(i, ENCRYPT, 16, 16, 16)  # noqa: E731
    first = device.cipher(AES_CTR, key, ENCRYPT)
    assert device.destroy(HASH, first) == ERR
    assert device.destroy(CIPHER, first) == OK
    assert device.destroy(CIPHER, first) == ERR
    second = device.cipher(AES_CTR, key, ENCRYPT)
    assert second != first
    for session in (first, 0, SESSIONS, 1 << 32, second | 1 << 31, 2 ** 64 - 1):
        assert device.run(header(session), IV, data, result=16)[0] == INVSESS
        assert device.destroy(CIPHER, session) == ERR
    for service in (HASH, MAC):
        assert device.run(crypto.hash_header(service, second, 16, 20), data,
                          result=20)[0] == INVSESS
    assert device.crypt(second, ENCRYPT, IV, data) == openssl("ctr", ENCRYPT, key, data)


@pytest.mark.parametrize("request_, key, status", [
    (crypto.cipher_session(AES_CBC, 15, ENCRYPT), bytes(15), ERR),
    (crypto.cipher_session(AES_CBC, 0, ENCRYPT), b"", ERR),
    (crypto.cipher_session(AES_CBC, 33, ENCRYPT), bytes(33), ERR),
    (crypto.cipher_session(AES_CBC, 0xffffffff, ENCRYPT), bytes(32), ERR),
    (crypto.cipher_session(AES_CBC, 0x10010, ENCRYPT), bytes(32), ERR),
    (crypto.cipher_session(AES_CBC, 32, ENCRYPT), bytes(31), ERR),
    (crypto.cipher_session(AES_CBC, 16, 0), bytes(16), ERR),
    (crypto.cipher_session(AES_CBC, 16, 3), bytes(16), ERR),
    (crypto.cipher_session(AES_CBC, 16, ENCRYPT, 0), bytes(16), NOTSUPP),
    (crypto.cipher_session(AES_CBC, 16, ENCRYPT, OP_CHAINING), bytes(16), NOTSUPP),
    (crypto.cipher_session(0, 16, ENCRYPT), bytes(16), NOTSUPP),
    (crypto.cipher_session(2, 16, ENCRYPT), bytes(16), NOTSUPP),
    (crypto.cipher_session(0xffffffff, 16, ENCRYPT), bytes(16), NOTSUPP),
    (crypto.hash_session(SHA["sha256"], 31), b"", ERR),
    (crypto.hash_session(SHA["sha256"], 33), b"", ERR),
    (crypto.hash_session(1, 16), b"", NOTSUPP),
    (crypto.hash_session(0, 0), b"", NOTSUPP),
    (crypto.mac_session(SHA["sha1"], 20, 0), b"", ERR),
    (crypto.mac_session(SHA["sha1"], 0, 16), bytes(16), ERR),
    (crypto.mac_session(SHA["sha1"], 21, 16), bytes(16), ERR),
    (crypto.mac_session(SHA["sha1"], 0x10014, 16), bytes(16), ERR),
    (crypto.mac_session(SHA["sha1"], 20, 129), bytes(129), ERR),
    (crypto.mac_session(SHA["sha1"], 20, 0xffffffff), bytes(64), ERR),
    (crypto.mac_session(26, 16, 16), bytes(16), NOTSUPP),
    (crypto.control(AEAD, crypto.CREATE, b""), b"", NOTSUPP),
    (crypto.control(0, 0, b"", 0xffffffff), b"", NOTSUPP),
])
def test_bad_session(device, request_, key, status):
    """A session that cannot be is refused with the status that says why."""
    assert device.create(request_, key) == (status, 0)


def test_control_shapes(device):
    """Control requests that are too short, or have no room for the answer."""
    good = crypto.hash_session(SHA["sha1"], 20)
    submit = device.driver.submit
    for request, room in ((good[:71], 16), (good, 15), (good, 1)):
        used, answer = submit(device.control, request, room)
        assert (used, answer[0]) == (1, ERR)
    assert submit(device.control, 16) == (1, bytes([ERR]) + b"\xee" * 15)
    assert submit(device.control, good) == (0, b"")
    assert submit(device.control, crypto.destroy(HASH, 0)) == (0, b"")
    status, session = device.create(good)
    assert status == OK
    # The answer to a destruction is a byte, the first one of whatever room there is.
    assert submit(device.control, crypto.destroy(HASH, session), 16) \
        == (1, bytes([OK]) + b"\xee" * 15)


@pytest.fixture
def sessions(device):
    """A session of each kind."""
    return {"cbc": device.cipher(AES_CBC, bytes(16), ENCRYPT),
            "ctr": device.cipher(AES_CTR, bytes(16), DECRYPT),
            "hash": device.hash("sha1", 20), "mac": device.mac("sha1", 20, bytes(16))}


@pytest.mark.parametrize("kind, direction, iv_len, src_len, dst_len", [
    ("cbc", ENCRYPT, 16, 17, 17), ("cbc", ENCRYPT, 16, 16, 15), ("cbc", ENCRYPT, 16, 16, 17),
    ("cbc", ENCRYPT, 15, 16, 16), ("cbc", ENCRYPT, 0, 16, 16), ("cbc", ENCRYPT, 17, 16, 16),
    ("cbc", ENCRYPT, 0xffffffff, 16, 16), ("cbc", ENCRYPT, 16, 0xfffffff0, 0xfffffff0),
    ("cbc", ENCRYPT, 16, 0xfffffff0, 16), ("cbc", ENCRYPT, 16, 16, 0xffffffff),
    ("cbc", ENCRYPT, 16, MAX_DATA + 16, MAX_DATA + 16), ("cbc", DECRYPT, 16, 16, 16),
    ("ctr", ENCRYPT, 16, 16, 16), ("cbc", ENCRYPT, 16, 4096, 4096),
])
def test_bad_cipher_lengths(device, sessions, kind, direction, iv_len, src_len, dst_len):
    """Lengths that do not fit the session or the buffer, or the wrong direction."""
    header = crypto.cipher_header(sessions[kind], direction, iv_len, src_len, dst_len)
    status, result = device.run(header, IV, bytes(64), result=64)
    assert (status, result) == (ERR, b"\xee" * 64)
    assert device.crypt(sessions["cbc"], ENCRYPT, IV, bytes(16)) \
        == openssl("cbc", ENCRYPT, bytes(16), bytes(16))


@pytest.mark.parametrize("kind, service", [("hash", HASH), ("mac", MAC)])
@pytest.mark.parametrize("src_len, result_len", [
    (65, 20), (0xffffffff, 20), (MAX_DATA + 1, 20), (64, 19), (64, 21), (64, 0),
    (64, 0xffffffff),
])
def test_bad_hash_lengths(device, sessions, kind, service, src_len, result_len):
    """Lengths that do not fit the session or the buffer."""
    header = crypto.hash_header(service, sessions[kind], src_len, result_len)
    assert device.run(header, bytes(64), result=20) == (ERR, b"\xee" * 20)


def test_data_shapes(device, sessions):
    """Data requests that are too short, or have no room for the result."""
    header = crypto.hash_header(HASH, sessions["hash"], 3, 20)
    assert device.run(header[:71], result=20)[0] == ERR
    assert device.run(header, b"ab", result=20)[0] == ERR
    assert device.run(header, b"abc", result=19)[0] == ERR
    assert device.run(header, b"abc")[0] == ERR
    assert device.driver.submit(device.data, header, b"abc") == (0, b"")
    assert device.driver.submit(device.data, 1) == (1, bytes([ERR]))
    assert device.run(header, b"abc", result=20) == (OK, hashlib.sha1(b"abc").digest())


@pytest.mark.parametrize("op", [crypto.opcode(AEAD, 0), crypto.opcode(CIPHER, 2),
                                crypto.opcode(HASH, 1), crypto.opcode(4, 0), 0xffffffff])
def test_bad_opcode(device, op):
    """Operations that the device has not got."""
    assert device.run(crypto.data_header(op, 0, b""), result=16)[0] == NOTSUPP


def test_chaining_is_refused(device, sessions):
    """Requests that chain a cipher and a hash."""
    header = crypto.cipher_header(sessions["cbc"], ENCRYPT, 16, 16, 16, OP_CHAINING)
    assert device.run(header, IV, bytes(16), result=16)[0] == NOTSUPP


def test_too_many_sessions(device):
    """The table is bounded; what is destroyed makes room."""
    request = crypto.hash_session(SHA["sha1"], 20)
    ids = [device.create(request) for _ in range(SESSIONS)]
    assert {status for status, _ in ids} == {OK}
    assert len({session for _, session in ids}) == SESSIONS
    assert device.create(request) == (ERR, 0)
    assert device.destroy(HASH, ids[500][1]) == OK
    assert device.create(request)[0] == OK
    assert device.create(request)[0] == ERR


def test_broken_ring(device, sessions):
    """A buffer in no memory: only a reset helps, and does."""
    device.driver.post(device.data, bytes(72), None, 16)
    device.driver.wait_status(NEEDS_RESET)
    device.driver.reset()
    assert device.driver.status() & NEEDS_RESET == 0
    # The sessions went with the reset.
    header = crypto.hash_header(HASH, sessions["hash"], 3, 20)
    assert device.run(header, b"abc", result=20)[0] == INVSESS
    session = device.hash("sha1", 20)
    assert device.digest(HASH, session, b"abc", 20) == hashlib.sha1(b"abc").digest()


def test_random_requests(device):
    """Headers of random bytes are answered, with an error."""
    state = 12345
    for _ in range(300):
        words = []
        for _ in range(18):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            words.append(state >> 33 if state & 0x7000 else (state >> 33) % 5)
        request = struct.pack("<18I", *[word & 0xffffffff for word in words])
        assert device.run(request, bytes(64), result=64)[0] in (ERR, NOTSUPP, INVSESS)
        used, answer = device.driver.submit(device.control, request, bytes(64), 16)
        if used == 1:
            assert answer[0] == ERR
        else:
            assert used == 16 and struct.unpack("<Q2I", answer)[1] in (ERR, NOTSUPP)
