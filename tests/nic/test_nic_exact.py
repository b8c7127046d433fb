# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Frames of all sizes arrive as they were sent: all of them, in turn, each byte.

One end is our generator on the ethdev API, the other one a packet socket in the guest.
"""

import os

import pytest

from guests import built
from world import Frames

COUNT = 100000 if os.environ.get("VFIO_USER_TEST_LONG") == "1" else 3000
TIMEOUT = 60 + COUNT // 100
SMALL, LARGE = 1514, 9014


@pytest.fixture(scope="module")
def frames(request, world, backend_lab):
    """The generator, with a NIC of its own."""
    return Frames(backend_lab, built(request, "tests", "nic", "frame_gen"), world)


@pytest.mark.parametrize("segments", [1, 2, 7])
@pytest.mark.parametrize("most", [SMALL, LARGE])
def test_to_guest(frames, most, segments):
    """The guest receives what was sent in one mbuf or in several."""
    seed = 1000 + most + segments
    job = frames.guest.start("frames %s receive %d %d %d" % (frames.eth, seed, COUNT, most))
    job.wait_text("listening")
    frames.command("send", seed, COUNT, most, segments)
    said = frames.answer(TIMEOUT)
    assert "%d frames right" % COUNT in job.finish()
    assert (int(said.split()[4]) > COUNT) == (segments > 1)


@pytest.mark.parametrize("most", [SMALL, LARGE])
def test_from_guest(frames, most):
    """The application receives what the guest sent, in several mbufs if it is long."""
    frames.command("receive", most, COUNT, most)
    frames.guest.run("frames %s send %d %d %d" % (frames.eth, most, COUNT, most), TIMEOUT)
    assert int(frames.answer(TIMEOUT).split()[4]) > COUNT
