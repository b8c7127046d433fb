# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The peer of these tests, client end against server end."""

import errno
import socket
import struct

import pytest

import vfio_user_wire as vu


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    with vu.Client(a) as client, vu.Conn(b) as server:
        client.timeout = server.timeout = 1
        yield client, server


def test_version_request_of_qemu():
    assert len(vu.message(vu.VERSION, vu.p_version(vu.QEMU_JSON))) == 214


def test_sizes():
    """Payload sizes of the specification."""
    assert len(vu.p_dma_map(0, 0)) == 32
    assert len(vu.p_dma_unmap(0, 0)) == 24
    assert len(vu.p_info()) == len(vu.p_irq_info(0)) == 16
    assert len(vu.p_region_info(0)) == 32
    assert len(vu.p_io_fds(0)) == len(vu.p_access(0, 0, 0)) == 16
    assert len(vu.p_set_irqs(0, 0, 0, 0)) == 20
    assert len(vu.p_multi([(0, 0, b"x")] * 3)) == 8 + 3 * 24


def test_round_trip(pair):
    client, server = pair
    mid = client.send(vu.GET_INFO, vu.p_info())
    msg = server.recv_command(vu.GET_INFO)
    assert msg.payload == vu.p_info() and msg.id == mid
    server.reply(msg, b"answer")
    reply = client.recv_reply()
    assert (reply.id, reply.flags, reply.payload) == (mid, vu.REPLY, b"answer")
    server.reply(msg, err=errno.EBUSY)
    vu.check_error(client.recv_reply(), errno.EBUSY)


def test_fds_belong_to_their_message(pair, memory):
    client, server = pair
    fd = memory(4096).fd
    client.send(1, b"no fd")
    client.send(2, b"one", fds=[fd])
    client.send(3, b"three", fds=[fd] * 3)
    client.send(4)
    assert [len(server.recv().fds) for _ in range(4)] == [0, 1, 3, 0]


def test_commands_in_between(pair):
    client, server = pair
    server.send(vu.DMA_READ, vu.p_dma(1, 2), mid=9)
    server.send_raw(vu.message(vu.GET_INFO, mid=5, flags=vu.REPLY))
    assert client.recv_reply().id == 5
    assert client.recv_command(vu.DMA_READ).id == 9


def test_end(pair):
    client, server = pair
    client.assert_silent(0.01)
    server.send_raw(vu.message(1)[:7])
    server.close()
    with pytest.raises(vu.Closed):
        client.recv()


def test_parse_capabilities():
    caps = struct.pack("=HHI", 1, 1, 64) + struct.pack("=IIQQ", 1, 0, 16, 32)
    caps += struct.pack("=HHI", 2, 1, 0) + struct.pack("=II", 3, 4)
    payload = struct.pack("=IIIIQQ", 80, 15, 2, 32, 0, 0) + caps
    info, got = vu.parse_region_info(payload)
    assert info.argsz == 80 == len(payload)
    assert vu.parse_sparse(got[1][1]) == [(16, 32)]
    assert got[2] == (1, struct.pack("=II", 3, 4))
