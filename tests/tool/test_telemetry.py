# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""/vfio_user/list, /vfio_user/dev and /vfio_user/stats."""

import errno
import os
import shutil
import subprocess
import time

import pytest

import tool as helpers
import telemetry
import vfio_user_wire as vu


@pytest.fixture
def demo(build, tmp_path):
    """A demo device with telemetry."""
    process = telemetry.demo(build, tmp_path / "demo.sock")
    yield process
    process.end()


@pytest.fixture
def many(build, tmp_path):
    """Starts processes with many devices."""
    processes = []

    def start(count, *words):
        process = telemetry.Process(build("tests", "tool", "many_devices"), "--", tmp_path, count,
                                    *words)
        processes.append(process)
        process.wait_line("ready")
        process.connect()
        return process

    yield start
    for process in processes:
        process.end()


def connect(demo):
    """A client that has negotiated."""
    peer = vu.Client.connect(demo.path)
    peer.negotiate()
    eventually(lambda: demo.ask("/vfio_user/dev,1")["state"], "connected")
    return peer


def eventually(read, wanted):
    """What read() returns, once it is what is wanted."""
    deadline = time.monotonic() + helpers.LIMIT
    while read() != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read() == wanted


def test_a_device(demo):
    assert demo.ask("/vfio_user/list") == {"devices": [1], "total": 1, "next": 0}
    dev = demo.ask("/vfio_user/dev,1")
    assert (dev["role"], dev["socket"], dev["state"]) == ("server", str(demo.path), "no client")
    assert "peer_pid" not in dev and "version" not in dev
    assert dev["regions"] == 9 and dev["irqs"] == 5
    assert len(dev["region_sizes"]) == 9 and len(dev["irq_counts"]) == 5
    assert dev["irqs_assigned"] == [0] * 5


def test_its_client(demo):
    peer = connect(demo)
    dev = demo.ask("/vfio_user/dev,1")
    assert (dev["peer_pid"], dev["peer_uid"]) == (os.getpid(), os.getuid())
    assert dev["version"] == "0.2" and dev["max_dma_maps"] > 0
    peer.close()
    eventually(lambda: demo.ask("/vfio_user/dev,1")["state"], "no client")
    assert "peer_pid" not in demo.ask("/vfio_user/dev,1")


def test_the_counters(demo):
    """The same as the wire says, to the byte."""
    peer = connect(demo)
    before = demo.ask("/vfio_user/stats,1")
    assert before["connections"] == 1 and before["requests_in"] == {"VERSION": 1}
    for _ in range(5):
        assert len(peer.read(7, 0, 4)) == 4
    peer.fails(errno.EINVAL, vu.REGION_READ, vu.p_access(7, 1 << 40, 4))
    stats = demo.ask("/vfio_user/stats,1")
    assert stats["requests_in"] == {"VERSION": 1, "REGION_READ": 6}
    assert stats["replies_out"] == {"VERSION": 1, "REGION_READ": 6}
    assert stats["errors_out"] == {"REGION_READ": 1} and stats["errnos_out"] == {"EINVAL": 1}
    assert stats["messages_in"] == 7 and stats["messages_out"] == 7
    assert stats["command_bytes_in"]["REGION_READ"] == 6 * 32
    assert stats["command_bytes_out"]["REGION_READ"] == 5 * 36 + 16
    assert stats["bytes_in"] == before["bytes_in"] + 6 * 32
    peer.close()
    eventually(lambda: demo.ask("/vfio_user/stats,1")["disconnections"], 1)


def test_dma_maps(demo):
    peer = connect(demo)
    peer.dma_map(0x10000, 0x3000)
    assert demo.ask("/vfio_user/dev,1")["dma_bytes"] == 0x3000
    peer.close()
    eventually(lambda: demo.ask("/vfio_user/dev,1")["dma_maps"], 0)
    stats = demo.ask("/vfio_user/stats,1")
    assert (stats["dma_mapped"], stats["dma_unmapped"]) == (1, 1)


@pytest.mark.parametrize("command", (
    "/vfio_user/dev", "/vfio_user/dev,", "/vfio_user/dev,2", "/vfio_user/dev,0",
    "/vfio_user/dev,-1", "/vfio_user/dev,1x", "/vfio_user/dev,99999999999999999999999",
    "/vfio_user/stats", "/vfio_user/stats,2", "/vfio_user/list,x", "/vfio_user/list,-1",
))
def test_wrong_parameters(demo, command):
    assert demo.ask(command) is None


def test_pages(many):
    """Telemetry has 512 entries and 16 KiB for an answer."""
    process = many(1100)
    seen, sizes, first = [], [], 0
    while True:
        page = process.ask("/vfio_user/list,%d" % first if first else "/vfio_user/list")
        assert page["total"] == 1100
        seen += page["devices"]
        sizes.append(len(page["devices"]))
        first = page["next"]
        if first == 0:
            break
        assert page["devices"][-1] < first
    assert sizes == [512, 512, 76] and len(set(seen)) == 1100 and seen == sorted(seen)
    assert process.ask("/vfio_user/dev,%d" % seen[-1])["role"] == "server"
    assert process.ask("/vfio_user/list,%d" % (seen[-1] + 1))["devices"] == []


def test_while_devices_go(many):
    """Devices are destroyed and created while they are looked at."""
    process = many(20, "churn")
    until = time.monotonic() + 3
    shown = gone = last = 0
    while time.monotonic() < until:
        page = process.ask("/vfio_user/list")
        assert 19 <= page["total"] <= 20 and page["devices"] == sorted(page["devices"])
        for dev in page["devices"]:
            answer = process.ask("/vfio_user/dev,%d" % dev)
            stats = process.ask("/vfio_user/stats,%d" % dev)
            assert answer is None or answer["id"] == dev
            shown += answer is not None and stats is not None
            gone += answer is None
            last = max(last, dev)
    assert shown and gone and last > 20


def test_the_usual_program(demo):
    """dpdk-telemetry.py of DPDK's usertools."""
    program = shutil.which("dpdk-telemetry.py")
    if program is None:
        pytest.skip("dpdk-telemetry.py is not installed (package dpdk)")
    done = subprocess.run([program, "-f", demo.prefix], input="/vfio_user/list\nquit\n",
                          text=True, capture_output=True, timeout=helpers.LIMIT, check=False)
    assert '"devices": [' in done.stdout, done


def test_help(demo):
    assert "/vfio_user/list" in demo.ask("/")
    for name in ("list", "dev", "stats"):
        assert "Parameters: " in str(demo.ask("/help,/vfio_user/" + name))
