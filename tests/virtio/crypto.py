# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Requests of a virtio crypto device (virtio 1.2, 5.9), in bytes."""

import collections
import struct

CIPHER, HASH, MAC, AEAD = range(4)
AES_CBC, AES_CTR = 3, 4
#: Numbers of the hashes and of their HMACs, which are the same.
SHA = {"sha1": 2, "sha224": 3, "sha256": 4, "sha384": 5, "sha512": 6}
ENCRYPT, DECRYPT = 1, 2
OP_CIPHER, OP_CHAINING = 1, 2
OK, ERR, BADMSG, NOTSUPP, INVSESS, NOSPC = range(6)
CREATE, DESTROY = 2, 3

CONFIG = struct.Struct("<12IQ")
Config = collections.namedtuple(
    "Config", "status max_dataqueues crypto_services cipher_algo_l cipher_algo_h hash_algo "
    "mac_algo_l mac_algo_h aead_algo max_cipher_key_len max_auth_key_len akcipher_algo max_size")


def opcode(service, operation):
    """An opcode."""
    return service << 8 | operation


def control(service, operation, body, op=None):
    """A request of the control queue."""
    return struct.pack("<4I", opcode(service, operation) if op is None else op, 0, 0, 0) \
        + body.ljust(56, b"\0")


def cipher_session(algo, key_len, direction, op_type=OP_CIPHER):
    """A request to create a cipher session, without the key."""
    body = struct.pack("<4I", algo, key_len, direction, 0).ljust(48, b"\0")
    return control(CIPHER, CREATE, body + struct.pack("<2I", op_type, 0))


def hash_session(algo, result_len):
    """A request to create a hash session."""
    return control(HASH, CREATE, struct.pack("<2I", algo, result_len))


def mac_session(algo, result_len, key_len):
    """A request to create a MAC session, without the key."""
    return control(MAC, CREATE, struct.pack("<4I", algo, result_len, key_len, 0))


def destroy(service, session):
    """A request to destroy a session."""
    return control(service, DESTROY, struct.pack("<Q", session))


def data_header(op, session, body):
    """The header of a request of a data queue."""
    return struct.pack("<2IQ2I", op, 0, session, 0, 0) + body.ljust(48, b"\0")


def cipher_header(session, direction, iv_len, src_len, dst_len, op_type=OP_CIPHER):
    """The header of a cipher request."""
    body = struct.pack("<4I", iv_len, src_len, dst_len, 0).ljust(40, b"\0")
    return data_header(opcode(CIPHER, direction - ENCRYPT), session,
                       body + struct.pack("<2I", op_type, 0))


def hash_header(service, session, src_len, result_len):
    """The header of a hash or MAC request."""
    return data_header(opcode(service, 0), session, struct.pack("<2I", src_len, result_len))


class Crypto:
    """A crypto device, of which one data queue is used."""

    def __init__(self, driver, data=0, control_queue=1):
        self.driver = driver
        self.data, self.control = data, control_queue

    def config(self):
        """The device configuration."""
        return Config(*CONFIG.unpack(self.driver.config(0, CONFIG.size)))

    def create(self, request, key=b""):
        """Create a session; return (status, id)."""
        used, answer = self.driver.submit(self.control, request, *([key] if key else []), 16)
        assert used == 16
        session, status, _ = struct.unpack("<Q2I", answer)
        return status, session

    def cipher(self, algo, key, direction):
        """The id of a new cipher session."""
        return self._good(cipher_session(algo, len(key), direction), key)

    def hash(self, name, result_len):
        """The id of a new hash session."""
        return self._good(hash_session(SHA[name], result_len))

    def mac(self, name, result_len, key):
        """The id of a new HMAC session."""
        return self._good(mac_session(SHA[name], result_len, len(key)), key)

    def _good(self, request, key=b""):
        status, session = self.create(request, key)
        assert status == OK
        return session

    def destroy(self, service, session):
        """Destroy a session; return the status."""
        used, answer = self.driver.submit(self.control, destroy(service, session), 1)
        assert used == 1
        return answer[0]

    def run(self, header, *parts, result=0, pieces=None):
        """Do a request; return (status, result). Pieces are the lengths of the result's parts."""
        room = [*(pieces or ([result] if result else [])), 1]
        used, answer = self.driver.submit(self.data, header, *[p for p in parts if p], *room)
        assert used == sum(room)
        return answer[-1], answer[:-1]

    def crypt(self, session, direction, iv, data):
        """Cipher data in one request; return the result."""
        header = cipher_header(session, direction, len(iv), len(data), len(data))
        status, result = self.run(header, iv, data, result=len(data))
        assert status == OK
        return result

    def digest(self, service, session, data, result_len):
        """Hash data in one request; return the result."""
        status, result = self.run(hash_header(service, session, len(data), result_len), data,
                                  result=result_len)
        assert status == OK
        return result
