# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""info and lspci: of the demo device, and of servers that lie about theirs."""

import errno
import os
import struct
import subprocess
import time

import liar
import lying_server
import pytest
import tool as t
import vfio_user_wire as vu


def names(table):
    return {row["name"]: row for row in table}


def test_info_of_the_demo_device(tool, demo):
    info = tool.json("info", demo.path)
    assert info["socket"] == str(demo.path)
    assert info["device"] == {"flags": ["reset", "pci"], "num_regions": 9, "num_irqs": 5}
    assert info["negotiated"]["version"] == [0, 2]
    assert info["negotiated"]["max_dma_maps"] == 65535
    regions = names(info["regions"])
    assert regions["bar0"]["size"] == 4096
    assert regions["bar0"]["flags"] == ["read", "write"] and regions["bar0"]["areas"] == []
    assert regions["bar2"]["areas"] == [{"offset": 4096, "size": 0xf000, "fd": 0,
                                         "fd_offset": 4096}]
    assert regions["bar2"]["fds"] == 1 and regions["vga"]["size"] == 0
    irqs = names(info["irqs"])
    assert irqs["msix"]["count"] == 4 and irqs["intx"]["flags"] == [
        "eventfd", "maskable", "automasked"]
    pci = info["pci"]
    assert (pci["vendor_id"], pci["device_id"], pci["class"]) == ("0x1234", "0x5646", "0x088000")
    caps = names(pci["capabilities"])
    assert caps["MSI-X"]["id"] == "0x11" and not caps["MSI-X"]["extended"]
    assert not pci["capabilities_broken"]


def test_info_text_says_the_same(tool, demo):
    text = tool.ok("info", demo.path)
    for part in ("reset pci", "protocol          0.2", "bar2     0x10000    64 KiB",
                 "mappable 0x1000 to 0xffff, fd 0 at 0x1000", "msix        4  eventfd",
                 "1234:5646", "MSI-X"):
        assert part in text, text


def test_output_that_cannot_be_written(tool, demo):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([tool.path, "info", demo.path], stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=t.LIMIT)
    assert done.returncode == t.FAILED and b"cannot write the output" in done.stderr


@pytest.mark.parametrize("closed, words", [
    (">&-", ["read", "SOCK", "bar2", "0", "all", "-o", "-"]),
    (">&-", ["info", "SOCK"]),
    ("<&-", ["write", "SOCK", "bar2", "0", "-i", "-"]),
    ("2>&-", ["read", "SOCK", "bar2", "0", "all", "-o", "-"]),
])
def test_closed_standard_files(tool, demo, closed, words):
    """No other file takes the place of stdin, stdout or stderr."""
    words = [str(demo.path) if word == "SOCK" else word for word in words]
    done = subprocess.run(["sh", "-c", 'exec "$@" ' + closed, "sh", tool.path, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=t.LIMIT)
    if closed == "2>&-":
        assert done.returncode == t.OK and len(done.stdout) == 65536
    else:
        assert done.returncode == t.FAILED and b"Bad file descriptor" in done.stderr, done


# -- servers that lie

def test_info_of_a_played_device(tool, device):
    info = tool.json("info", device().path)
    assert [cap["offset"] for cap in info["pci"]["capabilities"]] == [0x40]
    assert names(info["regions"])["bar0"]["size"] == 4096


def test_four_billion_regions_and_interrupts(tool, device):
    server = device({vu.GET_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=IIII", 16, 2, 0xffffffff, 0xffffffff))})
    info = tool.json("info", server.path)
    assert info["device"]["num_regions"] == 0xffffffff
    assert len(info["regions"]) == len(info["irqs"]) == 256
    assert "the others of 4294967295 were not asked for" in tool.ok("info", server.path)


def test_largest_numbers(tool, device):
    def region(conn, msg):
        index = struct.unpack_from("=I", msg.payload, 8)[0]
        size = 0x1000 if index == 7 else 0xffffffffffffffff
        conn.reply(msg, lying_server.p_region(index, flags=0xfffffff3, size=size))

    server = device({vu.REGION_INFO: region, vu.IRQ_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=II", 16, 0xffffffff) + msg.payload[8:12] + b"\xff\xff\xff\xff")})
    info = tool.json("info", server.path)
    assert info["regions"][0]["size"] == "0xffffffffffffffff"
    assert info["regions"][0]["flags"] == ["read", "write", "0xfffffff0"]
    assert info["irqs"][2]["count"] == 0xffffffff
    assert "0xffffffffffffffff" in tool.ok("info", server.path)


def test_areas_of_both_kinds(tool, device):
    areas = {0: lying_server.sparse([(0, 4096), (8192, 4096)]),
             1: lying_server.sparse_fds([(4096, 0x20000, 4096, 0)]),
             2: lying_server.cap(vu.CAP_TYPE, struct.pack("=II", 5, 6)),
             3: lying_server.cap(999, b"\xff" * 8, version=7)}

    def region(conn, msg):
        index = struct.unpack_from("=I", msg.payload, 8)[0]
        if index not in areas:
            conn.reply(msg, lying_server.p_region(index, size=0))
            return
        mem = vu.Memory(4096)
        liar.sized(conn, msg, lying_server.p_region(
            index, lying_server.CAPPED | vu.REGION_MMAP, cap_offset=32, caps=areas[index],
            offset=0x1000), 32, [mem.fd])
        mem.close()

    server = device({vu.REGION_INFO: region},
                    {"max_msg_fds": 16, "sparse_mmap_fds": True})
    regions = tool.json("info", server.path)["regions"]
    assert regions[0]["areas"] == [
        {"offset": 0, "size": 4096, "fd": 0, "fd_offset": 0x1000},
        {"offset": 8192, "size": 4096, "fd": 0, "fd_offset": 0x3000}]
    assert regions[1]["areas"] == [
        {"offset": 4096, "size": 4096, "fd": 0, "fd_offset": 0x20000}]
    assert regions[2]["type"] == [5, 6]
    assert regions[3]["areas"] == [{"offset": 0, "size": 0x4000, "fd": 0, "fd_offset": 0x1000}]
    assert "type 0x5.6" in tool.ok("info", server.path)


def test_io_fds(tool, device):
    def io_fds(conn, msg):
        event = vu.Event()
        sub = struct.pack("=QQIIIIQ", 0x10, 4, 0, 0, 1, 0, 0x77)
        index = struct.unpack_from("=I", msg.payload, 8)[0]
        liar.sized(conn, msg, struct.pack("=IIII", 16 + 40, 0, index, 1) + sub, 16, [event.fd])
        event.close()

    server = device({vu.REGION_IO_FDS: io_fds})
    ios = tool.json("info", server.path)["regions"][0]["io_fds"]
    assert ios == [{"type": 0, "offset": 16, "size": 4, "fd": 0, "flags": "0x00000001",
                    "datamatch": "0x0000000000000077"}]
    assert "ioeventfd 0x10 (4 bytes), fd 0" in tool.ok("info", server.path)


@pytest.mark.parametrize("cmd", (vu.GET_INFO, vu.REGION_INFO, vu.IRQ_INFO, vu.REGION_READ))
@pytest.mark.parametrize("answer, status", (
    (liar.die, t.FAILED), (liar.never, t.TIMEOUT), (liar.garbage, t.PROTOCOL)),
    ids=("dies", "silent", "garbage"))
def test_server_fails_in_between(tool, device, cmd, answer, status):
    server = device({cmd: answer})
    tool.fails(status, "info", "--timeout", 0.5 if status == t.TIMEOUT else t.LIMIT, server.path)


def test_slow_server(tool, device):
    """Each answer comes in time, but all of them would take for ever."""
    def slowly(conn, msg):
        time.sleep(0.2)
        conn.reply(msg, lying_server.p_region(struct.unpack_from("=I", msg.payload, 8)[0]))

    server = device({vu.REGION_INFO: slowly, vu.GET_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=IIII", 16, 0, 200, 0))})
    line = tool.fails(t.TIMEOUT, "info", "--timeout", 1, server.path)
    assert "did not arrive in time" in line


def test_capabilities_in_a_circle(tool, device):
    server = device()
    server.memory[7][0x41] = 0x50
    server.memory[7][0x50:0x52] = b"\x09\x40"
    server.memory[7][0x100:0x104] = struct.pack("<I", 0x1000000b | 0x100 << 20 & 0xfff00000)
    info = tool.json("info", server.path)
    assert info["pci"]["capabilities_broken"]
    assert len(info["pci"]["capabilities"]) <= 48 + 960
    assert "runs in a circle" in tool.ok("info", server.path)


def test_configuration_space_of_noise(tool, device):
    server = device()
    for seed in range(8):
        server.memory[7][:] = vu.pattern(4096, seed)
        tool.json("info", server.path)
        tool.ok("info", server.path)


def test_device_without_pci(tool, device):
    server = device({vu.GET_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=IIII", 16, 0, 2, 0))})
    assert tool.json("info", server.path)["pci"] is None
    assert server.count(vu.REGION_READ) == 0


def test_configuration_space_by_words_only(tool, device):
    """A server that takes no large access is read as a guest would."""
    def words(conn, msg):
        if struct.unpack_from("=I", msg.payload, 12)[0] > 4:
            conn.reply(msg, err=errno.EINVAL)
        else:
            server.read(conn, msg)

    server = device({vu.REGION_READ: words})
    assert tool.json("info", server.path)["pci"]["device_id"] == "0xabcd"


# -- lspci

def test_dump_is_what_lspci_reads(tool, demo, tmp_path):
    dump = tmp_path / "dump"
    dump.write_text(tool.ok("lspci", demo.path), encoding="utf-8")
    out = subprocess.run(["lspci", "-F", dump, "-n"], check=True, stdout=subprocess.PIPE,
                         timeout=t.LIMIT).stdout.decode()
    assert out == "00:00.0 0880: 1234:5646 (rev 01)\n"
    assert dump.read_text(encoding="utf-8").count("\n") == 2 + 4096 // 16


def test_verbose_runs_lspci(tool, demo):
    assert "Capabilities" in tool("lspci", "-v", demo.path).out
    text = tool("lspci", "-vvv", demo.path).out
    assert text.startswith("00:00.0 ") and "MSI-X: Enable- Count=4" in text


def test_lspci_is_not_installed(tool, demo, tmp_path):
    line = tool.fails(t.FAILED, "lspci", "-v", demo.path, env={**os.environ,
                                                                "PATH": str(tmp_path)})
    assert "lspci is not installed" in line


def test_lspci_of_what_is_not_pci(tool, device):
    server = device()
    server.sizes = {}
    assert "no PCI configuration space" in tool.fails(t.FAILED, "lspci", server.path)


def test_large_description_with_fds(tool, device):
    """More fds than asked for, and more than the process may open, do no harm."""
    def region(conn, msg):
        event = vu.Event()
        conn.reply(msg, lying_server.p_region(struct.unpack_from("=I", msg.payload, 8)[0]),
                   fds=[event.fd] * 16)
        event.close()

    server = device({vu.REGION_INFO: region, vu.GET_INFO: lambda conn, msg: conn.reply(
        msg, struct.pack("=IIII", 16, 2, 256, 0))})
    info = tool.json("info", server.path)
    assert all(region["fds"] == 16 for region in info["regions"])
