# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The demo device and clients that do it harm."""

import os
import struct

import vfio_user_wire as vu

SIZE = 0x10000
DMA_SRC, DOORBELL, STATUS = 0x10, 0x24, 0x28
DONE = 2


def copy(client, source, target, length):
    """Have the device copy."""
    client.write(0, DMA_SRC, struct.pack("<QQI", source, target, length))
    client.write(0, DOORBELL, struct.pack("<I", 1))


def negotiated(path):
    """A client with memory of its own at address 0."""
    client = vu.Client.connect(path)
    client.negotiate()
    memory = vu.Memory(SIZE, 1)
    client.dma_map(0, SIZE, fd=memory.fd)
    return client, memory


def test_truncated_memory(demo):
    """A client that truncates its memory costs its connection only."""
    client, memory = negotiated(demo.path)
    os.truncate(memory.fd, 0)
    copy(client, 0, SIZE // 2, SIZE // 2)
    client.assert_closed()
    client.close()
    memory.close()
    client, memory = negotiated(demo.path)
    copy(client, 0, SIZE // 2, 64)
    while client.read(0, STATUS, 4) != struct.pack("<I", DONE):
        pass
    assert memory.read(64, SIZE // 2) == memory.read(64)
    client.close()
    memory.close()
