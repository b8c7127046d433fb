# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""irq, dma-test and bench."""

import errno
import os
import signal
import struct
import threading
import time

import liar
import pytest
import tool as t
import vfio_user_wire as vu

RAISE = "bar0:0x30=4"  # has the demo device signal its vector 1
SRC, DST = 0x100000000, 0x100100000


def copy_words(src, dst, size):
    """Have the demo device copy."""
    return ("--poke", "bar0:0x10=0x%x/8" % src, "--poke", "bar0:0x18=0x%x/8" % dst,
            "--poke", "bar0:0x20=%d" % size, "--poke", "bar0:0x24=1")


# -- irq

def test_irq_list(tool, demo):
    irqs = {row["name"]: row for row in tool.json("irq", demo.path)["irqs"]}
    assert irqs["msix"]["count"] == 4 and irqs["intx"]["count"] == 1
    assert "msix        4  eventfd" in tool.ok("irq", demo.path)


@pytest.mark.parametrize("option", ("--trigger", "--bool"))
def test_irq_loopback(tool, demo, option):
    got = tool.json("irq", demo.path, "msix", option, "--count", 4, "--timeout", 10)
    assert got["interrupts"] == 4 and got["name"] == "msix"
    assert got["vectors"] == [{"vector": i, "interrupts": 1} for i in range(4)]


def test_irq_of_the_device(tool, demo):
    text = tool.ok("irq", demo.path, "msix", "--poke", RAISE, "-n", 1, "-t", 10, "-v")
    assert " s  msix 1: 1\n" in text and "\nmsix 1: 1\n1 interrupt in " in text


def test_irq_of_some_vectors(tool, demo):
    got = tool.json("irq", demo.path, "msix", "--vectors", "1-2", "--poke", RAISE, "-n1", "-t10")
    assert got["vectors"] == [{"vector": 1, "interrupts": 1}, {"vector": 2, "interrupts": 0}]


def test_irq_line_is_unmasked(tool, demo):
    """It masks itself, and comes again while the device has a cause."""
    assert tool.json("irq", demo.path, "intx", "--poke", RAISE, "-n", 5, "-t", 10)[
        "interrupts"] >= 5


def test_irq_timeout(tool, demo):
    done = tool("irq", demo.path, "msix", "--trigger", "-n", 5, "-t", 1)
    assert done.status == t.TIMEOUT and "4 interrupts in" in done.out
    assert "timeout after 4 of 5 interrupts" in done.err
    line = tool.fails(t.TIMEOUT, "irq", demo.path, "msix", "-n", 1, "-t", 0.1)
    assert line.endswith("timeout after 0 of 1 interrupt")
    assert tool.json("irq", demo.path, "msix", "-t", 0.1)["interrupts"] == 0


@pytest.mark.parametrize("sig", (signal.SIGINT, signal.SIGTERM))
def test_irq_is_interrupted(tool, device, sig):
    server = device()
    run = tool.start("irq", server.path, "msix", "--json")
    while not server.count(vu.SET_IRQS):
        time.sleep(0.01)
    run.proc.send_signal(sig)
    done = run.end()
    assert done.status == t.OK and done.json["interrupts"] == 0


@pytest.mark.parametrize("words, status, said", (
    (("--trigger",), t.USAGE, "no INDEX given"),
    (("msix", "--count", 0), t.USAGE, "--count: it must be at least 1"),
    (("msix", "-n0x0", "-t1"), t.USAGE, "--count: it must be at least 1"),
    (("nmi",), t.USAGE, "no interrupt index is called 'nmi'"),
    (("msix", "--vectors", "3-1"), t.USAGE, "is not a range"),
    (("msix", "--vectors", "0-99999"), t.USAGE, "is not a range"),
    (("msix", "--vectors", "2-4"), t.FAILED, "has 4 vectors only"),
    (("intx", "--vectors", "0-1"), t.FAILED, "has 1 vector only"),
    (("msi",), t.FAILED, "the device has no msi"),
    ((99,), t.FAILED, "irq99"),
))
def test_irq_wrong_arguments(tool, demo, words, status, said):
    assert said in tool.fails(status, "irq", demo.path, *words)


@pytest.mark.parametrize("answer, status", (
    (liar.die, t.FAILED), (liar.never, t.TIMEOUT), (liar.refuse(errno.EINVAL), t.FAILED)))
def test_irq_of_a_bad_server(tool, device, answer, status):
    server = device({vu.SET_IRQS: answer})
    tool.fails(status, "irq", server.path, "msix", "-n1", "-t1")


def test_irq_eventfd_in_hostile_hands(tool, device):
    """Counts that overflow; a blocking eventfd that is emptied again and again."""
    fds, stop = [], threading.Event()

    def take(conn, msg):
        fds.extend(os.dup(fd) for fd in msg.fds)
        conn.reply(msg)

    def play():
        while len(fds) < 4 and not stop.wait(0.01):
            pass
        for fd in fds:
            os.set_blocking(fd, True)
        os.eventfd_write(fds[1], 0xfffffffffffffffe)
        while not stop.is_set():
            os.eventfd_write(fds[0], 1)
            os.eventfd_write(fds[0], 1)
            os.set_blocking(fds[0], False)
            try:
                os.eventfd_read(fds[0])
            except BlockingIOError:
                pass
            os.set_blocking(fds[0], True)

    server = device({vu.SET_IRQS: take})
    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        got = tool.json("irq", server.path, "msix", "-t", 0.5)
        assert got["vectors"][1]["interrupts"] == "0xfffffffffffffffe"
    finally:
        stop.set()
        thread.join(10)
        for fd in fds:
            os.close(fd)


def test_server_is_killed_in_between(tool, build, tmp_path):
    server = t.Server(build("examples", "vfio_user_demo"), tmp_path / "sock")
    run = tool.start("irq", "--wait", 30, server.path, "msix", "--count", 1)
    deadline = time.monotonic() + 10
    while not tool("info", server.path).status == t.BUSY:
        assert time.monotonic() < deadline
    server.kill()
    server.end()
    done = run.end()
    assert done.status == t.FAILED and "the server is gone" in done.err


# -- dma-test

def test_dma_maps(tool, demo):
    result = tool.json("dma-test", demo.path, "--maps", 8, "--size", "64K", "--gap", 4096)
    assert result["ok"] and [c["name"] for c in result["checks"]] == [
        "map", "unmap", "remap", "all", "again"]
    assert "remap    ok      2 mappings" in tool.ok("dma-test", demo.path)


def test_dma_requests(tool, device):
    """What is sent: sizes, addresses, files."""
    server = device()
    tool.ok("dma-test", server.path, "-n", 2, "-s", "8K", "-a", "1M", "-g", "4K")
    maps = [struct.unpack("=IIQQQ", m.payload)[1:] for m in server.seen if m.cmd == vu.DMA_MAP]
    first, second = (3, 0, 0x100000, 0x2000), (3, 0x2000, 0x103000, 0x2000)
    assert maps == [first, second, first, first, second]
    assert all(len(m.fds) == 1 for m in server.seen if m.cmd == vu.DMA_MAP)
    assert [struct.unpack("=IIQQ", m.payload)[1:] for m in server.seen
            if m.cmd == vu.DMA_UNMAP] == [(0, 0x100000, 0x2000), (2, 0, 0), (2, 0, 0)]


@pytest.mark.parametrize("kind, messages", ((None, 0), ("--messages", 1), ("--file-io", 0)))
def test_dma_copy(tool, demo, kind, messages):
    result = tool.json("dma-test", *([kind] if kind else []), demo.path,
                       *copy_words(SRC, DST, 4096), "--until", "bar0:0x28=2", "--irq", "msix:0",
                       "--expect-copy", "%d:%d:4096" % (SRC, DST))
    assert result["ok"], result
    assert result["messages"]["reads"] == result["messages"]["writes"] == messages
    assert result["messages"]["write_bytes"] == messages * 4096
    assert result["changed_bytes"] == 0


def test_dma_changes_are_found(tool, demo):
    result = tool.json("dma-test", demo.path, *copy_words(SRC, DST + 8, 100),
                       "--until", "bar0:0x28=2")
    assert result["ok"] and result["changes"] == [{"iova": DST + 8, "size": 100}]


def test_dma_stray_writes_fail(tool, demo):
    done = tool("dma-test", demo.path, *copy_words(SRC, DST, 4096), "--until", "bar0:0x28=2",
                "--expect-copy", "%d:%d:4095" % (SRC, DST))
    assert done.status == t.FAILED
    assert "memory   FAILED  1 other bytes changed" in done.out
    assert "changed 0x100100fff to 0x100100fff" in done.out


def test_dma_copy_that_is_not_done(tool, demo):
    done = tool("dma-test", demo.path, *copy_words(SRC, DST, 4096), "--until", "bar0:0x28=2",
                "--expect-copy", "%d:%d:4096" % (SRC, DST + 0x10000))
    assert done.status == t.FAILED and "copy     FAILED" in done.out


@pytest.mark.parametrize("kind", (None, "--messages", "--file-io"))
def test_dma_read_only(tool, demo, kind):
    """The device cannot write; its status is an error, and no byte has changed."""
    result = tool.json("dma-test", "--read-only", *([kind] if kind else []), demo.path,
                       *copy_words(SRC, DST, 4096), "--until", "bar0:0x28=3")
    assert result["ok"] and result["changed_bytes"] == 0


def test_dma_work_without_end(tool, demo):
    done = tool("dma-test", "-t", 0.3, demo.path, "-p", "bar0:8=1", "--until", "bar0:8=2")
    assert done.status == t.FAILED and "no end in time" in done.out


def test_dma_limit(tool, device):
    """As many mappings as the server promised; one that keeps less is found out."""
    server = device(caps={"max_msg_fds": 16, "max_dma_maps": 300})
    result = tool.json("dma-test", "--limit", server.path)
    assert result["ok"]
    assert {c["name"]: c["text"] for c in result["checks"]}["limit"] == "300 mappings"

    def keeps_less(conn, msg):
        if server.count(vu.DMA_MAP) > 406:
            conn.reply(msg, err=errno.ENOSPC)
        else:
            conn.reply(msg)

    server.answers[vu.DMA_MAP] = keeps_less
    done = tool("dma-test", "--limit", server.path)
    assert done.status == t.FAILED and "No space left on device" in done.out


@pytest.mark.parametrize("answer, status", (
    (liar.die, t.FAILED), (liar.never, t.TIMEOUT), (liar.refuse(errno.ENOMEM), t.FAILED)))
@pytest.mark.parametrize("cmd", (vu.DMA_MAP, vu.DMA_UNMAP))
def test_dma_of_a_bad_server(tool, device, cmd, answer, status):
    server = device({cmd: answer})
    assert tool("dma-test", "-t", 0.5, server.path).status == status


def test_dma_memory_cannot_be_shortened(tool, device):
    def shorten(conn, msg):
        with pytest.raises(PermissionError):
            os.ftruncate(msg.fds[0], 0)
        conn.reply(msg)

    tool.ok("dma-test", device({vu.DMA_MAP: shorten}).path)


def test_dma_requests_outside_are_refused(tool, device):
    """The server asks for memory that it was not given."""
    errors = []

    def ask(conn, msg):
        server.write(conn, msg)
        for addr, count in ((0, 16), (SRC + (4 << 20) - 8, 16), (0xfffffffffffffff0, 32),
                            (SRC, 0xffffffff)):
            reply = conn.call(vu.DMA_READ, struct.pack("=QQ", addr, count))
            errors.append(reply.error)

    server = device({vu.REGION_WRITE: ask})
    result = tool.json("dma-test", server.path, "-p", "bar0:0=1", "--until", "bar0:0=1")
    assert result["messages"]["reads"] == 0 and len(errors) == 4 and all(errors)


@pytest.mark.parametrize("words, said", (
    (("--maps", 0), "must not be 0"),
    (("--size", 100), "a multiple of 4096"),
    (("--size", "1T"), "more than 1 TiB"),
    (("--iova", 1), "multiples of 8"),
    (("--iova", "0xfffffffffffffff8"), "fit in 64 bits"),
    (("--irq", "msix"), "need --poke"),
    (("-p", "bar0:0=1", "--expect-copy", "1:2"), "is not SRC:DST:LEN"),
    (("-p", "bar0:0=1", "--expect-copy", "1:2:3"), "not inside of one mapping"),
))
def test_dma_wrong_arguments(tool, demo, words, said):
    assert said in tool.fails(t.USAGE, "dma-test", demo.path, *words)


# -- bench

def test_bench(tool, demo):
    result = tool.json("bench", "--duration", 0.05, demo.path, "--write", "bar0:8=1")
    rows = result["results"]
    assert set(rows) == {"read", "read_pipelined", "write", "write_posted", "map", "unmap"}
    for name in ("read", "write", "map", "unmap"):
        row = rows[name]
        assert row["count"] > 0
        assert 0 < row["min_us"] <= row["median_us"] <= row["p99_us"] <= row["max_us"]
    assert rows["read_pipelined"]["count"] > 0 and rows["write_posted"]["per_second"] > 0
    assert result["region"] == "config" and result["depth"] == 32
    text = tool.ok("bench", "-d", 0.01, demo.path)
    assert "read_pipelined" in text and "write" not in text


def test_bench_writes_nothing_unless_asked(tool, device):
    server = device()
    tool.ok("bench", "-d", 0.02, server.path)
    assert server.count(vu.REGION_WRITE) == 0 and server.count(vu.REGION_READ) > 1


def test_bench_where(tool, device):
    server = device()
    tool.ok("bench", "-d", 0.01, "-r", "bar0", "-o", 16, "-W", 2, "-q", 4, "-s", "1M",
            server.path)
    assert {struct.unpack("=QII", m.payload) for m in server.seen if m.cmd == vu.REGION_READ} == {
        (16, 0, 2)}
    assert {struct.unpack("=IIQQQ", m.payload)[4] for m in server.seen
            if m.cmd == vu.DMA_MAP} == {1 << 20}


@pytest.mark.parametrize("after", (1, 50))
@pytest.mark.parametrize("cmd, answer, status", (
    (vu.REGION_READ, liar.die, t.FAILED), (vu.REGION_READ, liar.never, t.TIMEOUT),
    (vu.REGION_READ, liar.garbage, t.PROTOCOL), (vu.DMA_UNMAP, liar.die, t.FAILED),
    (vu.DMA_UNMAP, liar.never, t.TIMEOUT), (vu.DMA_MAP, liar.refuse(errno.EIO), t.FAILED)))
def test_bench_of_a_bad_server(tool, device, cmd, answer, status, after):
    server = device()
    good = server.answers[cmd]
    server.answers[cmd] = lambda conn, msg: (
        answer if server.count(cmd) > after else good)(conn, msg)
    for seconds in 0.1, 1, 10:
        done = tool("bench", "-d", seconds, "-t", 0.5, server.path)
        if server.count(cmd) > after:  # a slow server does not come that far at once
            break
    t.reason(done, status)
