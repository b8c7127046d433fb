# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The entropy example with a driver of ours."""

import os
import subprocess

import pytest

NEEDS_RESET = 0x40
BUFFER_MAX = 65536
ROOM = b"\xee"  # what virtio_shell fills room with


@pytest.fixture(params=[[], ["-p"]], ids=["split", "packed"])
def rng(request, rng_server, drive):
    """A driver of the device."""
    return drive(rng_server, *request.param)


def random_bytes(rng, *room):
    """What the device delivers into room of these lengths."""
    used, content = rng.submit(0, *room)
    assert 0 < used <= sum(room)
    assert content[used:] == ROOM * (len(content) - used)
    return content[:used]


def test_bytes_differ(rng):
    """Each buffer has other bytes."""
    found = [random_bytes(rng, 64) for _ in range(8)]
    assert len(set(found)) == 8


def test_large_buffer(rng):
    """A buffer need not be filled wholly, but has as much as it says."""
    content = random_bytes(rng, 3 * BUFFER_MAX)
    assert len(content) <= BUFFER_MAX
    if len(content) == BUFFER_MAX:
        assert all(content.count(value) for value in range(256))


def test_pieces(rng):
    """A buffer may be in pieces."""
    assert random_bytes(rng, 1, 7, 1, 55)


def test_limit(request, rng):
    """With a limit a buffer has no more than one second's worth."""
    if "unlimited" in request.node.name:
        assert len(random_bytes(rng, BUFFER_MAX)) == BUFFER_MAX
    else:
        assert len(random_bytes(rng, BUFFER_MAX)) <= 4096


def test_odd_buffers(rng):
    """A buffer to read is given back untouched, and one of both kinds is filled."""
    assert rng.submit(0, b"abc") == (0, b"")
    used, content = rng.submit(0, b"abc", 16)
    assert used > 0 and content[used:] == ROOM * (16 - used)


def test_broken_ring(rng):
    """A buffer in no memory: the device asks for a reset, and works after it."""
    rng.post(0, None, 16)
    rng.wait_status(NEEDS_RESET)
    rng.reset()
    assert random_bytes(rng, 16)


def test_next_client(rng_server, drive):
    """A client that was killed leaves nothing behind that hurts the next one."""
    for _ in range(3):
        rng = drive(rng_server)
        for _ in range(8):
            rng.post(0, 4096)
        rng.kill()
    assert random_bytes(drive(rng_server), 64)


def test_truncated_memory(rng_server, drive):
    """A client that truncates its memory, rings included, costs its connection only."""
    for _ in range(3):
        rng = drive(rng_server)
        rng.add(0, 4096, count=4)
        rng.truncate(0)
    assert random_bytes(drive(rng_server), 64)


@pytest.mark.parametrize("options", [
    ["-r", "1k"], ["-r", ""], ["-r", "-1"], ["-r", "0"], ["-r", "4294967296"],
    ["-i", "x"], ["-i", "0"], ["-i", "99999"], ["-z"], ["one"],
])
def test_bad_options(build, tmp_path, options):
    """What is not a number within the limits, or not an option, is refused."""
    done = subprocess.run([os.path.join(build, "examples", "virtio_rng"), *options,
                           str(tmp_path / "s")], check=False, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 2 and "usage:" in done.stdout
