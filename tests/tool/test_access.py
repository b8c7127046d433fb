# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""read, write and reset: registers, memory and files."""

import errno
import struct

import liar
import pytest
import tool as t
import vfio_user_wire as vu

ID, SCRATCH = 0x56465544, 8


def test_read_a_register(tool, demo):
    assert tool.ok("read", demo.path, "bar0", 0) == "0x%08x\n" % ID
    assert tool.ok("read", demo.path, "BAR0", "0x0", "--width", 1) == "0x44\n"
    assert tool.ok("read", demo.path, 0, 2, "-W2") == "0x5646\n"


def test_read_values(tool, demo):
    text = tool.ok("read", demo.path, "bar0", 0, 24, "--width", 8)
    assert text == ("00000000: 0000000156465544 0000000000000000\n"
                    "00000010: 0000000000000000\n")


def test_read_a_block(tool, demo):
    text = tool.ok("read", demo.path, "bar0", 0, 20)
    assert text == (
        "00000000  44 55 46 56 01 00 00 00  00 00 00 00 00 00 00 00  |DUFV............|\n"
        "00000010  00 00 00 00                                       |....|\n")


def test_read_json(tool, demo):
    assert tool.json("read", demo.path, "bar0", 0, 8, "--width", 4) == {
        "region": 0, "name": "bar0", "offset": 0, "count": 8, "width": 4,
        "values": ["0x%08x" % ID, "0x00000001"]}
    assert tool.json("read", demo.path, "bar0", 0, 5) == {
        "region": 0, "name": "bar0", "offset": 0, "count": 5, "data": "4455465601"}


def test_each_value_is_an_access(tool, device):
    server = device()
    tool.ok("read", server.path, "bar0", 16, 8, "--width", 2)
    accesses = [struct.unpack("=QII", msg.payload) for msg in server.seen
                if msg.cmd == vu.REGION_READ]
    assert accesses == [(16, 0, 2), (18, 0, 2), (20, 0, 2), (22, 0, 2)]


def test_write_and_read_in_one_connection(tool, demo):
    assert tool.ok("read", demo.path, "bar0", SCRATCH, "--poke", "bar0:8=0xa1b2c3d4",
                   "--poke", "bar0:9=0xff/1") == "0xa1b2ffd4\n"


def test_write_values(tool, device):
    server = device()
    tool.ok("write", server.path, "bar0", 0x10, "0x11223344", 5)
    assert server.memory[0][0x10:0x18] == b"\x44\x33\x22\x11\x05\0\0\0"
    tool.ok("write", "--width", 8, server.path, "bar0", 0x20, "0xfffffffffffffffe")
    assert server.memory[0][0x20:0x28] == b"\xfe" + b"\xff" * 7
    assert tool.json("write", "-W1", server.path, "bar0", 0x30, 1, 2, 3) == {
        "region": 0, "name": "bar0", "offset": 0x30, "written": 3}
    assert server.memory[0][0x30:0x33] == b"\1\2\3"
    assert server.count(vu.REGION_WRITE) == 6


def test_write_posted(tool, device):
    server = device()
    tool.ok("write", "--posted", server.path, "bar0", 0, *range(1, 101), "-W1")
    assert server.memory[0][:100] == bytes(range(1, 101))
    assert all(msg.flags & vu.NO_REPLY for msg in server.seen if msg.cmd == vu.REGION_WRITE)


def test_write_multi(tool, demo):
    assert tool.json("write", "--multi", demo.path, "bar0", 8, 1, 2, 3)["written"] == 12


def test_files(tool, device, tmp_path):
    server = device()
    data = vu.pattern(4096, 5)
    source, copy = tmp_path / "in", tmp_path / "out"
    source.write_bytes(data)
    tool.ok("write", "--input", source, server.path, "bar0", 0)
    assert server.memory[0] == data
    tool.ok("read", "--output", copy, server.path, "bar0", 0, "all")
    assert copy.read_bytes() == data
    tool.ok("read", "-o", copy, server.path, "bar0", 100, "all", "--width", 1)
    assert copy.read_bytes() == data[100:]
    info = tool.json("read", "-o", copy, server.path, "bar0", 4000, "all")
    assert info == {"region": 0, "name": "bar0", "offset": 4000, "count": 96,
                    "file": str(copy)}


def test_large_memory_goes_in_chunks(tool, demo, tmp_path):
    copy = tmp_path / "out"
    tool.ok("read", "-o", copy, demo.path, "bar2", 0, "all")
    assert copy.stat().st_size == 65536


@pytest.mark.parametrize("words, said", (
    (("bar0",), "too few arguments"),
    (("bar6", 0), "no region is called 'bar6'"),
    (("bar0", "x"), "OFFSET: 'x' is not a number"),
    (("bar0", "-1"), "unknown option '-1'"),
    (("bar0", "0x1G"), None),
    (("bar0", "1X"), "OFFSET: '1X' is not a number"),
    (("bar0", "99999999999999999999"), "too large"),
    (("bar0", "16777216T"), "too large"),
    (("bar0", 0, 3, "-W2"), "no multiple of the width"),
    (("bar0", 0, 4, "-W3"), "the width must be 1, 2, 4 or 8"),
    (("bar0", "0xffffffffffffffff", 4), "too large"),
    (("bar0", 0, "17M", "--json"), "use --output"),
    (("bar0", 0, "--poke", "bar0:1"), "is not REGION:OFFSET=VALUE[/WIDTH]"),
    (("bar0", 0, "--poke", "bar0:1=256/1"), "too large"),
    (("bar0", 0, "--poke", "bar0:1=" + "1" * 200), "is too long"),
))
def test_wrong_arguments_of_read(tool, device, words, said):
    server = device()
    if said is None:
        words, said = ("bar0", "0x1GG"), "is not a number"
    assert said in tool.fails(t.USAGE, "read", server.path, *words)
    assert server.count(vu.REGION_READ) == 0


@pytest.mark.parametrize("words, said", (
    (("bar0", 0), "no value given"),
    (("bar0", 0, 256, "-W1"), "too large"),
    (("bar0", 0, 1, "--posted", "--multi"), "exclude each other"),
    (("bar0", 0, 1, "-i", "/dev/null"), "cannot both be given"),
    (("bar0", "0xffffffffffffffff", 1), "too large"),
))
def test_wrong_arguments_of_write(tool, device, words, said):
    server = device()
    assert said in tool.fails(t.USAGE, "write", server.path, *words)
    assert server.seen == []


def test_regions_that_are_not_there(tool, demo):
    assert "there is no region77" in tool.fails(t.FAILED, "read", demo.path, 77, 0, "all")
    assert "the device has no vga" in tool.fails(t.FAILED, "read", demo.path, "vga", 0, "all")
    assert "reading 4 bytes at region77 0x0: " in tool.fails(t.FAILED, "read", demo.path, 77, 0)
    assert "writing at bar0 0x1000" in tool.fails(t.FAILED, "write", demo.path, "bar0", 4096, 1)


def test_file_that_cannot_be_opened(tool, demo, tmp_path):
    none = tmp_path / "none" / "file"
    tool.fails(t.FAILED, "read", "-o", none, demo.path, "bar0", 0, 4)
    tool.fails(t.FAILED, "write", "-i", none, demo.path, "bar0", 0)


# -- servers that lie

def test_device_that_stops_short(tool, device):
    def short(conn, msg):
        offset, region, _ = struct.unpack_from("=QII", msg.payload)
        conn.reply(msg, vu.p_access(region, offset, 3, b"abc"))

    server = device({vu.REGION_READ: short})
    done = tool("read", server.path, "bar0", 0, 16)
    assert done.status == t.FAILED and "|abc|" in done.out
    assert "only 3 of 16 bytes" in done.err
    assert "did only 3" in tool.fails(t.FAILED, "read", server.path, "bar0", 0)


def test_escapes_are_not_printed(tool, device):
    server = device()
    server.memory[0][:16] = b"\x1b]0;evil\x07\x9b31m\xff\0\n"
    text = tool.ok("read", server.path, "bar0", 0, 16)
    assert text.endswith("|.]0;evil..31m...|\n")
    assert all(" " <= c <= "~" or c == "\n" for c in text)


BAD = (
    (liar.die, t.FAILED), (liar.never, t.TIMEOUT),
    (liar.refuse(errno.EIO), t.FAILED), (liar.refuse(0), t.FAILED),
    (liar.refuse(0xffffffff), t.FAILED))
ACCESSES = (
    (("read", "bar0", 0), vu.REGION_READ), (("read", "bar0", 0, 64), vu.REGION_READ),
    (("write", "bar0", 0, 1), vu.REGION_WRITE))


@pytest.mark.parametrize("answer, status", BAD)
@pytest.mark.parametrize("words, cmd", ACCESSES + ((("reset",), vu.RESET),))
def test_answers_of_a_bad_server(tool, device, words, cmd, answer, status):
    server = device({cmd: answer})
    timeout = 0.5 if status == t.TIMEOUT else t.LIMIT
    tool.fails(status, words[0], "--timeout", timeout, server.path, *words[1:])


@pytest.mark.parametrize("words, cmd", ACCESSES)
def test_malformed_answers(tool, device, words, cmd):
    server = device({cmd: liar.garbage})
    tool.fails(t.PROTOCOL, words[0], server.path, *words[1:])


def test_write_behind_the_end(tool, device):
    """A server that claims to have written more than it was given."""
    server = device({vu.REGION_WRITE: lambda conn, msg: conn.reply(
        msg, struct.pack("=QII", 0, 0, 0xffffffff))})
    tool.fails(t.PROTOCOL, "write", server.path, "bar0", 0, 1)


# -- reset

def test_reset(tool, demo):
    assert tool.ok("reset", demo.path) == ""
    answer = tool.json("reset", demo.path)
    assert answer["reset"] is True and answer["us"] > 0


def test_device_without_reset(tool, device):
    server = device({vu.GET_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=IIII", 16, 2, 9, 5)), vu.RESET: liar.refuse(errno.EINVAL)})
    assert "the device cannot be reset" in tool.fails(t.FAILED, "reset", server.path)
