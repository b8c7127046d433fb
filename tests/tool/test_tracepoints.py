# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Tracepoints: what a trace holds is what the counters say."""

import collections
import re
import subprocess

import pytest

import tool as helpers
import telemetry
import vfio_user_wire as vu

EVENT = re.compile(r"lib\.([\w.]+): \{.*?\}, \{ (.*) \}$")


def read_trace(folder):
    """The events, as (name, fields), in the order in which they happened."""
    text = subprocess.run(["babeltrace2", str(folder)], capture_output=True, text=True,
                          timeout=helpers.LIMIT, check=True).stdout
    events = []
    for line in text.splitlines():
        name, fields = EVENT.search(line).groups()
        events.append((name, {key: int(value, 0) for key, value in
                              (field.split(" = ") for field in fields.split(", "))}))
    return events


@pytest.fixture
def run(build, tmp_path):
    """A demo device that a client has used: its counters and its trace."""
    def use():
        subprocess.run([build("examples", "vfio_user_client"), tmp_path / "demo.sock"],
                       stdout=subprocess.DEVNULL, timeout=helpers.LIMIT, check=True)

    def trace(pattern, use=use):
        folder = tmp_path / "trace"
        demo = telemetry.Process(build("examples", "vfio_user_demo"), "--trace=" + pattern,
                                 "--trace-dir=%s" % folder, "--trace-bufsz=16M", "--",
                                 tmp_path / "demo.sock")
        try:
            demo.wait_line("listening")
            demo.connect()
            use()
            stats = demo.ask("/vfio_user/stats,1")
        finally:
            demo.end()
        found = list(folder.glob("*/metadata"))
        return stats, read_trace(found[0].parent) if found else []

    return trace


def test_everything(run):
    stats, events = run("lib.vfio_user.*")
    names = collections.Counter(name for name, _ in events)
    assert names["vfio_user.recv"] == stats["messages_in"]
    assert names["vfio_user.reply"] == sum(stats["replies_out"].values())
    assert names["vfio_user.dispatch"] == sum(stats["requests_in"].values())
    assert names["vfio_user.dma.map"] == stats["dma_mapped"] > 0
    assert names["vfio_user.dma.unmap"] > 0
    assert names["vfio_user.irq.trigger"] > 100
    # by command, and to the byte
    for command, number in (("REGION_READ", 9), ("DMA_MAP", 2), ("DEVICE_SET_IRQS", 8)):
        sizes = [fields["size"] for name, fields in events
                 if name == "vfio_user.recv" and fields["command"] == number]
        assert len(sizes) == stats["requests_in"][command]
        assert sum(sizes) == stats["command_bytes_in"][command]
    errors = collections.Counter(fields["error"] for name, fields in events
                                 if name == "vfio_user.reply" and fields["error"] != 0)
    assert sum(errors.values()) == sum(stats["errnos_out"].values())
    assert len({fields["dev"] for _, fields in events}) == 1


def test_a_request_in_order(run):
    _, events = run("lib.vfio_user.*")
    maps = [(name, fields) for name, fields in events
            if name == "vfio_user.dma.map" or fields.get("command") == 2]
    assert [name.split(".", 1)[1] for name, _ in maps[:4]] == ["recv", "dispatch", "dma.map",
                                                              "reply"]
    assert maps[0][1]["msg_id"] == maps[3][1]["msg_id"] and maps[2][1]["ret"] == 0


def test_mappings_end(run, tmp_path):
    """Those of a client that leaves, too."""
    def use():
        peer = vu.Client.connect(str(tmp_path / "demo.sock"))
        peer.negotiate()
        peer.dma_map(0x10000, 0x1000)
        peer.dma_map(0x20000, 0x1000)
        peer.close()

    _, events = run("lib.vfio_user.dma.*", use)
    assert [(name.rsplit(".", 1)[1], fields["iova"], fields["size"], fields["ret"])
            for name, fields in events] == [("map", 0x10000, 0x1000, 0),
                                            ("map", 0x20000, 0x1000, 0), ("unmap", 0, 0, 0)]


def test_one_of_them(run):
    _, events = run("lib.vfio_user.irq.trigger")
    assert {name for name, _ in events} == {"vfio_user.irq.trigger"}


def test_off(run):
    stats, events = run("lib.eal.thread.*")
    assert stats["messages_in"] > 0
    assert not [name for name, _ in events if name.startswith("vfio_user")]
