# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""dpdk-vfio-user trace: every command with all its fields, in each format."""

import errno
import json
import random
import struct
import threading

import pytest

import tracing
import vfio_user_wire as vu

GET, SET, PROBE = 1 << 16, 1 << 17, 1 << 18
CAPS = {"capabilities": {"max_msg_fds": 16, "max_data_xfer_size": vu.XFER}}
JSON = json.dumps(CAPS).encode() + b"\0"


def p_feature(flags, data=b"", argsz=None):
    """The payload of DEVICE_FEATURE."""
    return struct.pack("=II", 8 + len(data) if argsz is None else argsz, flags) + data


def p_mig(size, data=b"", argsz=None):
    """The payload of MIG_DATA_READ and MIG_DATA_WRITE."""
    return struct.pack("=II", 8 + len(data) if argsz is None else argsz, size) + data


def p_region(index, flags, size, caps=b"", argsz=None):
    """A region info with capabilities."""
    return struct.pack("=IIIIQQ", 32 + len(caps) if argsz is None else argsz, flags, index,
                       32 if caps else 0, size, 0) + caps


SPARSE = struct.pack("=HHIII4Q", vu.CAP_SPARSE, 1, 32 + 48, 2, 0,
                     0x1000, 0x2000, 0x8000, 0x1000)
TYPE = struct.pack("=HHIII", vu.CAP_TYPE, 1, 32 + 48 + 16, 0x80001af4, 7)
SPARSE_FDS = struct.pack("=HHIIIQQQII", vu.CAP_SPARSE_FDS, 1, 32 + 48 + 16 + 48, 1, 0,
                         0x4000, 0x5000, 0x1000, 1, 0)
UNKNOWN_CAP = struct.pack("=HHI", 99, 1, 0) + b"abc"
IO_FDS = struct.pack("=IIIIQQIIIIQQQIIIIQ", 16 + 80, 0, 0, 2, 0x10, 4, 0, 0, 1, 0, 0xabcd,
                     0x20, 8, 1, 1, 2, 0, 0x1234)
INFO = struct.pack("=IIII", 16, 3, 9, 5)
INTX = struct.pack("=IIII", 16, 7, 0, 1)
RANGES = struct.pack("=QIIQQ", 4096, 1, 0, 0x10000, 0x20000)
REPORT = struct.pack("=QQQ", 0x10000, 0x20000, 4096)


class Case:
    """A request, its reply, and members that the trace must show of both."""

    def __init__(self, cmd, request=b"", reply=b"", want=None, got=None, **kw):
        self.cmd, self.request, self.reply = cmd, request, reply
        self.want, self.got = want or {}, got or {}
        self.flags = kw.get("flags", 0)
        self.err = kw.get("err")
        self.request_fds = kw.get("request_fds", 0)
        self.reply_fds = kw.get("reply_fds", 0)
        self.from_server = cmd in (vu.DMA_READ, vu.DMA_WRITE)


ACCESS = {"region": 1, "region_text": "BAR1", "offset": 0x10, "count": 4}
DMA = {"addr": 0x2000, "count": 5}
MAP = {"argsz": 32, "flags": 7, "flags_text": "READ|WRITE|MMAP", "offset": 0x3000,
       "addr": 0x100000, "size": 0x4000}
UNMAP = {"argsz": 24, "flags": 0, "addr": 0x100000, "size": 0x4000}

CASES = {
    "version": Case(
        vu.VERSION, vu.p_version(JSON), vu.p_version(JSON, minor=1),
        {"major": 0, "minor": 2, "data": CAPS}, {"major": 0, "minor": 1, "data": CAPS}),
    "map": Case(vu.DMA_MAP, vu.p_dma_map(0x100000, 0x4000, 7, 0x3000), b"", MAP,
                request_fds=1),
    "map-error": Case(vu.DMA_MAP, vu.p_dma_map(0x100000, 0x4000, 7, 0x3000), b"", MAP,
                      err=errno.EEXIST),
    "unmap": Case(vu.DMA_UNMAP, vu.p_dma_unmap(0x100000, 0x4000),
                  vu.p_dma_unmap(0x100000, 0x4000), UNMAP, UNMAP),
    "unmap-bitmap": Case(
        vu.DMA_UNMAP, vu.p_dma_unmap(0, 0x4000, 1) + struct.pack("=QQ", 4096, 8),
        vu.p_dma_unmap(0, 0x4000, 1) + struct.pack("=QQQ", 4096, 8, 0b1011),
        {"flags_text": "GET_DIRTY_BITMAP", "bitmap_pgsize": 4096, "bitmap_size": 8},
        {"bitmap_bytes": 8, "dirty_pages": 3, "bitmap": "0b00000000000000"}),
    "info": Case(vu.GET_INFO, vu.p_info(), INFO, {"argsz": 16},
                 {"flags": 3, "flags_text": "RESET|PCI", "num_regions": 9, "num_irqs": 5}),
    "region": Case(
        vu.REGION_INFO, vu.p_region_info(2, 200),
        p_region(2, 15, 0x10000, SPARSE + TYPE + SPARSE_FDS + UNKNOWN_CAP),
        {"argsz": 200, "index": 2, "index_text": "BAR2"},
        {"flags_text": "READ|WRITE|MMAP|CAPS", "cap_offset": 32, "size": 0x10000, "caps": [
            {"id": 1, "id_text": "SPARSE_MMAP", "version": 1, "next": 80, "nr_areas": 2,
             "areas": [{"offset": 0x1000, "size": 0x2000}, {"offset": 0x8000, "size": 0x1000}]},
            {"id": 2, "id_text": "TYPE", "version": 1, "next": 96, "type": 0x80001af4,
             "subtype": 7},
            {"id": 0x8001, "id_text": "SPARSE_MMAP_FDS", "version": 1, "next": 144,
             "nr_areas": 1, "areas": [{"offset": 0x4000, "fd_offset": 0x5000,
                                       "size": 0x1000, "fd_index": 1}]},
            {"id": 99, "version": 1, "next": 0, "data": "616263"}]}, reply_fds=2),
    "io-fds": Case(
        vu.REGION_IO_FDS, vu.p_io_fds(0, 96), IO_FDS, {"argsz": 96, "index": 0},
        {"count": 2, "sub_regions": [
            {"offset": 0x10, "size": 4, "fd_index": 0, "type": 0, "type_text": "IOEVENTFD",
             "flags": 1, "flags_text": "DATAMATCH", "datamatch": 0xabcd},
            {"offset": 0x20, "size": 8, "fd_index": 1, "type": 1, "type_text": "IOREGIONFD",
             "flags": 2, "flags_text": "POSTED_WRITES", "user_data": 0x1234}]}, reply_fds=2),
    "irq-info": Case(vu.IRQ_INFO, vu.p_irq_info(0), INTX, {"index_text": "INTX"},
                     {"flags_text": "EVENTFD|MASKABLE|AUTOMASKED", "count": 1}),
    "irqs-fds": Case(
        vu.SET_IRQS, vu.p_set_irqs(vu.MSIX, 1, 3, vu.EVENTFD | vu.TRIGGER), b"",
        {"argsz": 20, "flags_text": "DATA_EVENTFD|ACTION_TRIGGER", "index": 2,
         "index_text": "MSIX", "start": 1, "count": 3}, request_fds=3),
    "irqs-bool": Case(
        vu.SET_IRQS, vu.p_set_irqs(vu.MSI, 0, 4, vu.BOOL | vu.MASK, b"\0\1\1\0"), b"",
        {"flags_text": "DATA_BOOL|ACTION_MASK", "bools": [0, 1, 1, 0]}),
    "irqs-none": Case(vu.SET_IRQS, vu.p_set_irqs(vu.ERR, 0, 0, vu.NONE | vu.TRIGGER), b"",
                      {"index_text": "ERR", "count": 0}),
    "read": Case(vu.REGION_READ, vu.p_access(1, 0x10, 4), vu.p_access(1, 0x10, 4, b"abcd"),
                 ACCESS, {**ACCESS, "data": "61626364"}),
    "read-error": Case(vu.REGION_READ, vu.p_access(1, 0x10, 4), b"", ACCESS, err=errno.EINVAL),
    "write": Case(vu.REGION_WRITE, vu.p_access(1, 0x10, 4, b"abcd"), vu.p_access(1, 0x10, 4),
                  {**ACCESS, "data": "61626364"}, ACCESS),
    "posted": Case(vu.REGION_WRITE, vu.p_access(7, 4, 2, b"\6\0"), None,
                   {"region": 7, "region_text": "CONFIG", "data": "0600"}, flags=vu.NO_REPLY),
    "dma-read": Case(vu.DMA_READ, vu.p_dma(0x2000, 5), vu.p_dma(0x2000, 5, b"hello"),
                     DMA, {**DMA, "data": b"hello".hex()}),
    "dma-read-32": Case(vu.DMA_READ, vu.p_dma(0x2000, 5),
                        struct.pack("=QI", 0x2000, 5) + b"hello", DMA,
                        {**DMA, "data": b"hello".hex()}),
    "dma-write": Case(vu.DMA_WRITE, vu.p_dma(0x2000, 5, b"hello"), vu.p_dma(0x2000, 5),
                      {**DMA, "data": b"hello".hex()}, DMA),
    "dma-write-32": Case(vu.DMA_WRITE, vu.p_dma(0x2000, 5, b"hello"),
                         struct.pack("=QI", 0x2000, 5), {**DMA, "data": b"hello".hex()}, DMA),
    "dma-write-bare": Case(vu.DMA_WRITE, vu.p_dma(0x2000, 5, b"hello"), b"", DMA),
    "reset": Case(vu.RESET),
    "multi": Case(
        vu.WRITE_MULTI, vu.p_multi([(0, 8, b"abc"), (1, 16, b"12345678")]),
        struct.pack("=Q", 2),
        {"wr_cnt": 2, "writes": [
            {"region": 0, "region_text": "BAR0", "offset": 8, "count": 3, "data": "616263"},
            {"region": 1, "region_text": "BAR1", "offset": 16, "count": 8,
             "data": "3132333435363738"}]}, {"wr_cnt": 2}),
    "migration": Case(
        vu.FEATURE, p_feature(1 | GET, argsz=16), p_feature(1 | GET, struct.pack("=Q", 5)),
        {"argsz": 16, "feature": 1, "feature_text": "MIGRATION", "ops_text": "GET"},
        {"migration_flags": 5, "migration_flags_text": "STOP_COPY|PRE_COPY"}),
    "mig-state": Case(
        vu.FEATURE, p_feature(2 | SET, struct.pack("=II", 3, 0)),
        p_feature(2 | SET, struct.pack("=II", 3, 0)),
        {"feature_text": "MIG_DEVICE_STATE", "ops_text": "SET", "device_state": 3,
         "device_state_text": "STOP_COPY", "data_fd": 0}, {"device_state": 3}),
    "log-start": Case(
        vu.FEATURE, p_feature(6 | SET, RANGES), p_feature(6 | SET, RANGES),
        {"feature_text": "DMA_LOGGING_START", "page_size": 4096, "num_ranges": 1,
         "ranges": [{"iova": 0x10000, "length": 0x20000}]}),
    "log-stop": Case(vu.FEATURE, p_feature(7 | SET), p_feature(7 | SET),
                     {"feature_text": "DMA_LOGGING_STOP"}),
    "log-report": Case(
        vu.FEATURE, p_feature(8 | GET, REPORT, 40),
        p_feature(8 | GET, REPORT + struct.pack("=Q", 0xff00)),
        {"iova": 0x10000, "length": 0x20000, "page_size": 4096},
        {"bitmap_bytes": 8, "dirty_pages": 8, "bitmap": "00ff000000000000"}),
    "probe": Case(vu.FEATURE, p_feature(1 | GET | PROBE), p_feature(1 | GET | PROBE),
                  {"ops_text": "GET|PROBE"}),
    "mig-read": Case(vu.MIG_DATA_READ, p_mig(100, argsz=108), p_mig(3, b"xyz"),
                     {"argsz": 108, "size": 100}, {"argsz": 11, "size": 3, "data": "78797a"}),
    "mig-write": Case(vu.MIG_DATA_WRITE, p_mig(3, b"xyz"), b"", {"size": 3, "data": "78797a"}),
    "unknown": Case(77, b"what", b"", {"payload": "77686174"}, err=errno.ENOSYS),
    "old": Case(vu.DIRTY_PAGES, b"bits", b"", {"extra": "62697473"}, err=errno.EINVAL),
}

NAMES = {
    1: "VERSION", 2: "DMA_MAP", 3: "DMA_UNMAP", 4: "DEVICE_GET_INFO",
    5: "DEVICE_GET_REGION_INFO", 6: "DEVICE_GET_REGION_IO_FDS", 7: "DEVICE_GET_IRQ_INFO",
    8: "DEVICE_SET_IRQS", 9: "REGION_READ", 10: "REGION_WRITE", 11: "DMA_READ",
    12: "DMA_WRITE", 13: "DEVICE_RESET", 14: "DIRTY_PAGES", 15: "REGION_WRITE_MULTI",
    16: "DEVICE_FEATURE", 17: "MIG_DATA_READ", 18: "MIG_DATA_WRITE", 77: "unknown",
}


@pytest.fixture
def start(build, tmp_path, fake):
    """Starts the proxy in front of the server that the test plays."""
    made = []

    def make(*options, **kw):
        made.append(tracing.Trace(build("app", "vfio-user", "dpdk-vfio-user"), tmp_path,
                                kw.pop("server", fake.path), *options, **kw))
        return made[-1]

    yield make
    for proxy in made:
        try:
            proxy.end()
        finally:
            proxy.kill()


def play(proxy, fake, cases):
    """Let a client and a server exchange all of the cases; the number of messages."""
    count = 0
    client = proxy.connect()
    server = fake.accept()
    event = vu.Event()
    for case in cases:
        sender, receiver = (server, client) if case.from_server else (client, server)
        # a long one does not fit into the sockets
        thread = threading.Thread(target=sender.send, args=(case.cmd, case.request), kwargs={
            "fds": [event.fd] * case.request_fds, "flags": case.flags})
        thread.start()
        msg = receiver.recv_command(case.cmd)
        thread.join()
        assert msg.payload == case.request and len(msg.fds) == case.request_fds
        count += 1
        if case.reply is None:
            continue
        receiver.reply(msg, case.reply, fds=[event.fd] * case.reply_fds, err=case.err)
        got = sender.recv_reply()
        assert got.payload == case.reply and len(got.fds) == case.reply_fds
        count += 1
    client.close()
    server.close()
    event.close()
    proxy.wait_fds(proxy.baseline)
    return count


def check(shown, wanted):
    """All wanted members are there."""
    assert {key: shown.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("name", CASES)
def test_json(start, fake, name):
    """Header, payload, latency and file descriptors of every command."""
    case = CASES[name]
    proxy = start("--format", "json")
    count = play(proxy, fake, [case])
    shown = proxy.messages()
    assert len(shown) == count
    request = shown[0]
    check(request, {"type": "command", "command": NAMES[case.cmd], "command_id": case.cmd,
                    "id": 1, "size": 16 + len(case.request), "flags": case.flags,
                    "from": "server" if case.from_server else "client", "connection": 1,
                    "socket": "main"})
    check(request["payload"], case.want)
    assert request.get("no_reply", False) == (case.flags == vu.NO_REPLY)
    assert request.get("fds", []) == ["eventfd"] * case.request_fds
    if case.reply is None:
        return
    reply = shown[1]
    check(reply, {"type": "reply", "command": NAMES[case.cmd], "id": 1,
                  "size": 16 + len(case.reply),
                  "from": "client" if case.from_server else "server"})
    check(reply["payload"], case.got)
    assert reply.get("errno") == case.err
    assert reply.get("error") == (case.err and errno.errorcode[case.err])
    assert reply.get("fds", []) == ["eventfd"] * case.reply_fds
    assert 0 < reply["latency_ns"] == reply["time_ns"] - request["time_ns"]


def test_no_notes_for_what_is_right(start, fake):
    """Notes are for what is odd."""
    proxy = start("--format", "json")
    play(proxy, fake, CASES.values())
    noted = {m["command"]: m["notes"] for m in proxy.messages() if "notes" in m}
    assert noted == {"DMA_READ": ["the count has 32 bits"]}


def test_text(start, fake):
    """A line for each message; only data continue below."""
    proxy = start()
    count = play(proxy, fake, CASES.values())
    lines = [line for line in proxy.text().splitlines() if not line.startswith("     ")]
    lines = [line for line in lines if "---" not in line]
    assert len(lines) == count
    text = "\n".join(lines)
    for expected in ("C>S REGION_READ #", "region=1(BAR1) offset=0x10 count=4 data=0x64636261",
                     "ERROR EEXIST(17):", "no-reply", 'nb_fds=3 fds=["eventfd"',
                     "unknown(77)", "S>C DMA_READ", "[the count has 32 bits]"):
        assert expected in text


def test_summary(start, fake):
    """Counts in the JSON summary, and as a table on stderr."""
    proxy = start("--format", "json", "--quiet")
    play(proxy, fake, CASES.values())
    summary, = proxy.events()
    assert summary["event"] == "summary" and summary["connections"] == 1
    for cmd, name in NAMES.items():
        cases = [c for c in CASES.values() if c.cmd == cmd]
        shown = summary["commands"][name]
        replied = [c for c in cases if c.reply is not None]
        check(shown, {"requests": len(cases), "replies": len(replied),
                      "no_reply": len(cases) - len(replied), "unanswered": 0,
                      "errors": sum(c.err is not None for c in cases),
                      "fds": sum(c.request_fds + c.reply_fds for c in cases),
                      "bytes": sum(16 + len(c.request) for c in cases)
                      + sum(16 + len(c.reply) for c in replied)})
        times = shown["latency_ns"]
        assert 0 < times["min"] <= times["median"] <= times["p99"] <= times["max"]
        assert name in proxy.log


def test_latencies(start, fake):
    """Percentiles are those of the replies, but for the histogram's steps."""
    proxy = start("--format", "json")
    play(proxy, fake, [CASES["read"]] * 300)
    *messages, summary = proxy.events()
    times = sorted(m["latency_ns"] for m in messages if "latency_ns" in m)
    shown = summary["commands"]["REGION_READ"]["latency_ns"]
    assert (shown["min"], shown["max"]) == (times[0], times[-1])
    assert shown["median"] == pytest.approx(times[149], rel=0.02)
    assert shown["p99"] == pytest.approx(times[296], rel=0.02)


@pytest.mark.parametrize("options, wanted", [
    (["--command", "REGION_READ"], {"REGION_READ": 4}),
    (["--command", "region_read", "--command", "13"], {"REGION_READ": 4, "DEVICE_RESET": 2}),
    (["--command", "010"], {"REGION_WRITE": 3}),  # no number is octal
    (["--region", "2"], {"DEVICE_GET_REGION_INFO": 2}),
    (["--region", "0x2"], {"DEVICE_GET_REGION_INFO": 2}),
    (["--region", "config"], {"REGION_WRITE": 1}),
    (["--region", "1", "--command", "REGION_WRITE_MULTI"], {"REGION_WRITE_MULTI": 1}),
    (["--region", "1"], {"REGION_READ": 4, "REGION_WRITE": 2, "REGION_WRITE_MULTI": 1}),
])
def test_filters(start, fake, options, wanted):
    """What is shown; error replies belong to their requests' region."""
    proxy = start("--format", "json", *options)
    play(proxy, fake, CASES.values())
    counts = {}
    for msg in proxy.messages():
        counts[msg["command"]] = counts.get(msg["command"], 0) + 1
    assert counts == wanted


@pytest.mark.parametrize("options, shown", [([], 64), (["--hexdump", "10"], 10),
                                            (["--hexdump", "1K"], 200), (["--no-data"], 0)])
def test_hexdump(start, fake, options, shown):
    """How much of data is shown."""
    data = vu.pattern(200, 3)
    case = Case(vu.REGION_READ, vu.p_access(1, 0, 200), vu.p_access(1, 0, 200, data))
    proxy = start("--format", "json", *options)
    play(proxy, fake, [case])
    payload = proxy.messages()[1]["payload"]
    assert payload.get("data", "") == data[:shown].hex()
    assert payload.get("data_size", 200) == 200
    assert payload["count"] == 200


def test_hexdump_text(start, fake):
    """Long data stand below the line."""
    data = b"The quick brown fox jumps\n"
    case = Case(vu.MIG_DATA_WRITE, p_mig(len(data), data), b"")
    proxy = start("--hexdump", 20)
    play(proxy, fake, [case])
    assert "        0000  54 68 65 20 71 75 69 63  6b 20 62 72 6f 77 6e 20  The quick brown \n" \
        "        0010  66 6f 78 20 " in proxy.text()
    assert "... 6 more bytes" in proxy.text()


#: Payloads that are not what they say: request, and what is noted.
ODD = {
    "short-map": (vu.DMA_MAP, b"\0" * 20, "payload too short"),
    "short-access": (vu.REGION_READ, b"\0" * 7, "payload too short"),
    "count": (vu.REGION_WRITE, vu.p_access(0, 0, 9, b"abc"), "count and data differ"),
    "multi": (vu.WRITE_MULTI, vu.p_multi([(0, 0, b"a")], cnt=vu.U64),
              "the list is longer than the message"),
    "irq-bools": (vu.SET_IRQS, vu.p_set_irqs(0, 0, 0xffffffff, vu.BOOL | vu.MASK, b"\1"),
                  "the list is longer than the message"),
    "ranges": (vu.FEATURE, p_feature(6 | SET, struct.pack("=QII", 1, 0xffffffff, 0)),
               "the list is longer than the message"),
    "version": (vu.VERSION, vu.p_version(b'{"a": \xff\x1b[31m'), "not a JSON text"),
    "no-nul": (vu.VERSION, vu.p_version(b"{}"), "no NUL at the end"),
    "escapes": (vu.VERSION, vu.p_version(b"\x1b[31m\n\0"), "not a JSON text"),
    "irq-no-bools": (vu.SET_IRQS, vu.p_set_irqs(0, 0, 3, vu.BOOL | vu.MASK),
                     "the list is longer than the message"),
    "dma-count": (vu.DMA_READ, vu.p_dma(0, vu.U64) + b"x", None),
    "dma-data": (vu.DMA_WRITE, vu.p_dma(0, vu.U64, b"abc"), "count and data differ"),
    "flags": (vu.RESET, b"", "unknown flags in the header"),
    "empty": (vu.GET_INFO, b"", "payload too short"),
    "feature": (vu.FEATURE, b"\0\0", "payload too short"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_payload(start, fake, name):
    """It is shown, noted, and plain ASCII in both formats."""
    cmd, payload, note = ODD[name]
    flags = 0x1000 if name == "flags" else 0
    case = Case(cmd, payload, b"", flags=flags)
    for form in ("json", "text"):
        proxy = start("--format", form, output=form)
        play(proxy, fake, [case])
        if form == "json":
            assert note is None or note in proxy.messages()[0]["notes"]
        assert all(c == "\n" or " " <= c <= "~" for c in proxy.text())
        assert note is None or note in proxy.text()


def test_version_extra(start, fake):
    """What follows the text is not lost."""
    proxy = start("--format", "json")
    play(proxy, fake, [Case(vu.VERSION, vu.p_version(JSON + b"more"), b"")])
    assert proxy.messages()[0]["payload"]["extra"] == b"more".hex()


def test_long_list(start, fake):
    """The beginning is shown, and how much more there is."""
    sub_regions = struct.pack("=QQIIIIQ", 0, 4, 0, 0, 0, 0, 0) * 300
    reply = struct.pack("=IIII", 16 + len(sub_regions), 0, 0, 300) + sub_regions
    proxy = start("--format", "json")
    play(proxy, fake, [Case(vu.REGION_IO_FDS, vu.p_io_fds(0, len(reply)), reply)])
    shown = proxy.messages()[1]["payload"]
    assert len(shown["sub_regions"]) == 256 and shown["more"] == 44
    assert "extra" not in shown


def test_long_bitmap(start, fake):
    """Pages are counted when all of the bitmap was kept; else nothing is said."""
    cases = [Case(vu.FEATURE, p_feature(8 | GET, REPORT + b"\xff" * size), b"",
                  err=errno.EINVAL) for size in (1 << 10, 1 << 20)]
    proxy = start("--format", "json")
    play(proxy, fake, cases)
    counted, long = [m for m in proxy.messages() if m["type"] == "command"]
    assert counted["payload"]["dirty_pages"] == 8 << 10 and "notes" not in counted
    assert "dirty_pages" not in long["payload"]
    assert long["notes"] == ["the bitmap is too long to be counted"]


@pytest.mark.parametrize("reply", [
    p_region(0, 8, 1, UNKNOWN_CAP[:7]),
    p_region(0, 8, 1, struct.pack("=HHI", 1, 1, 32)),  # points to itself
    p_region(0, 8, 1, struct.pack("=HHI", 1, 1, 0)),  # no count
    p_region(0, 8, 1, struct.pack("=HHIII", 1, 1, 0, 0xffffffff, 0)),
    p_region(0, 8, 1, struct.pack("=HHI", 1, 1, 0xfffffffe)),
    IO_FDS[:40], struct.pack("=IIII", 16, 0, 0, 0xffffffff),
], ids=["cut", "loop", "no-count", "areas", "outside", "short", "count"])
def test_odd_lists(start, fake, reply):
    """Lists and chains that lie, in all formats."""
    cmd = vu.REGION_INFO if len(reply) >= 32 and reply != IO_FDS[:40] else vu.REGION_IO_FDS
    case = Case(cmd, vu.p_region_info(0), reply)
    proxy = start("--format", "json", output="json")
    play(proxy, fake, [case])
    notes = proxy.messages()[1].get("notes", [])
    assert notes or reply == IO_FDS[:40]
    proxy = start("--format", "pcapng", output="pcapng")
    play(proxy, fake, [case])
    proxy.end()
    assert len(tracing.tshark(proxy.output, "-V").split("\nFrame ")) == 2


def test_unmatched(start, fake):
    """A reply to nothing, and requests without a reply."""
    proxy = start("--format", "json")
    client = proxy.connect()
    server = fake.accept()
    server.send_raw(vu.message(vu.RESET, mid=5, flags=vu.REPLY))
    client.recv()
    client.send(vu.RESET, mid=7)
    server.recv()
    client.close()
    server.close()
    proxy.wait_fds(proxy.baseline)
    reply, _ = proxy.messages()
    assert reply["notes"] == ["reply to nothing"]
    summary = proxy.events()[-1]
    assert summary["unexpected_replies"] == 1
    assert summary["commands"]["DEVICE_RESET"]["unanswered"] == 1


def test_one_id_for_all(start, fake):
    """Ids may be used again while in use: the oldest request is answered first."""
    proxy = start("--format", "json")
    client = proxy.connect()
    server = fake.accept()
    for offset in (1, 2, 3):
        client.send(vu.REGION_READ, vu.p_access(0, offset, 1), mid=0)
    requests = [server.recv_command() for _ in range(3)]
    for msg in requests:
        server.reply(msg, vu.p_access(0, 0, 1, b"x"))
        client.recv_reply()
    client.close()
    proxy.wait_fds(proxy.baseline)
    server.close()
    messages = proxy.messages()
    for request, reply in zip(messages[:3], messages[3:]):
        assert reply["latency_ns"] == reply["time_ns"] - request["time_ns"]


# -- Wireshark -------------------------------------------------------------

def test_wireshark(start, fake):
    """Every message is decoded, with the same fields as in the JSON trace."""
    proxy = start("--format", "pcapng", output="pcapng")
    count = play(proxy, fake, CASES.values())
    proxy.end()
    rows = tracing.tshark(proxy.output, "-T", "fields", "-E", "separator=;", *[
        word for name in ("command", "id", "size", "flags.type", "error", "fds", "from",
                          "time") for word in ("-e", "vfio_user." + name)]).splitlines()
    assert len(rows) == count
    proxy = start("--format", "json", output="json")
    play(proxy, fake, CASES.values())
    for row, msg in zip(rows, proxy.messages()):
        command, mid, size, kind, error, fds, sender, time = row.split(";")
        assert (int(command), int(mid), int(size)) == (msg["command_id"], msg["id"],
                                                       msg["size"])
        assert int(kind) == (msg["type"] == "reply") == bool(time)
        assert int(error) == msg.get("errno", 0)
        assert int(fds) == msg.get("nb_fds", 0)
        assert int(sender) == (msg["from"] == "server")


def test_wireshark_details(start, fake):
    """Nothing is left undecoded, replies are linked, errors are marked."""
    proxy = start("--format", "pcapng")
    play(proxy, fake, CASES.values())
    proxy.end()
    text = tracing.tshark(proxy.output, "-2", "-V")
    for wanted in ("[Request in: ", "[Reply in: ", "[Time from the request: ",
                   "Error reply: EEXIST", "DMA_LOGGING_START", "Device state: STOP_COPY (3)",
                   "Dirty pages: 8", "Capability: SPARSE_MMAP_FDS", "User data: 0x",
                   "File descriptor: eventfd", "ACTION_TRIGGER: True", "Data match: 0x"):
        assert wanted in text, wanted
    expert = tracing.tshark(proxy.output, "-2", "-q", "-z", "expert")
    assert "Malformed" not in expert and "too short" not in expert
    for name, count in (("extra", 0), ("payload", 2), ("raw", 0), ("partial", 0)):
        frames = tracing.tshark(proxy.output, "-2", "-Y", "vfio_user." + name).splitlines()
        assert len(frames) == count, (name, frames)


def test_wireshark_odd(start, fake):
    """What is odd is marked, and no bytes of a peer reach the terminal."""
    proxy = start("--format", "pcapng")
    cases = [Case(cmd, payload, b"") for cmd, payload, _ in ODD.values()]
    play(proxy, fake, cases)
    proxy.end()
    text = tracing.tshark(proxy.output, "-V") + tracing.tshark(proxy.output)
    assert text.count("The list is longer than the message") >= 3
    assert all(c == "\n" or " " <= c <= "~" or c > "\x9f" for c in text)


def test_wireshark_caps(start, fake):
    """A capability ends where the next one begins, whatever it says."""
    sparse = struct.pack("=HHIIIQQ", vu.CAP_SPARSE, 1, 32 + 32, 9, 0, 0x1000, 0x2000)
    caps = sparse + struct.pack("=HHIII", vu.CAP_TYPE, 1, 0, 0x1af4, 7)
    proxy = start("--format", "pcapng")
    play(proxy, fake, [Case(vu.REGION_INFO, vu.p_region_info(0, 200), p_region(0, 8, 1, caps))])
    proxy.end()
    rows = tracing.tshark(proxy.output, "-T", "fields", "-e", "vfio_user.area.offset",
                          "-e", "vfio_user.cap.type").splitlines()
    assert rows[1].split("\t") == ["0x0000000000001000", "0x00001af4"]


def spoiled(rand, data):
    """A payload with some changes."""
    data = bytearray(data)
    for _ in range(rand.randint(1, 3)):
        pos = rand.randrange(len(data) + 1)
        if rand.random() < 0.3:
            del data[pos:]
        else:
            size = rand.choice([4, 8])
            value = rand.choice([0, 1, 31, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 63, vu.U64])
            data[pos // 4 * 4:pos // 4 * 4 + size] = (value & (1 << 8 * size) - 1).to_bytes(
                size, "little")
    return bytes(data)


def test_wireshark_spoiled(start, fake):
    """Both decoders survive any payload, and show the same."""
    rand = random.Random(4)
    messages = []
    for case in [c for c in CASES.values() for _ in range(20)]:
        for payload, flags in ((case.request, 0), (case.reply or b"", vu.REPLY)):
            messages.append(vu.message(case.cmd, spoiled(rand, payload), flags=flags))
    outputs = {}
    for form in ("pcapng", "json"):
        proxy = start("--format", form, output=form)
        client, server = proxy.connect(), fake.accept()
        for message in messages:
            client.send_raw(message)
            server.recv()
        client.close()
        server.close()
        proxy.wait_fds(proxy.baseline)
        proxy.end()
        outputs[form] = proxy
    shown = outputs["json"].messages()
    rows = tracing.tshark(outputs["pcapng"].output, "-T", "fields", "-E", "occurrence=f",
                          "-e", "vfio_user.command", "-e", "vfio_user.argsz").splitlines()
    assert len(rows) == len(shown) == len(messages)
    assert "malformed" in tracing.tshark(outputs["pcapng"].output, "-V").lower()
    for row, msg in zip(rows, shown):
        command, argsz = row.split("\t")
        assert int(command) == msg["command_id"]
        if "payload too short" not in msg.get("notes", []):
            assert argsz == str(msg["payload"].get("argsz", "")), msg


@pytest.mark.parametrize("size", [250 << 10, 260 << 10, 2 << 20])
def test_wireshark_long(start, fake, size):
    """Of a message that is longer than a packet may be the beginning is there."""
    data = vu.pattern(size, 5)
    case = Case(vu.REGION_WRITE, vu.p_access(1, 0, size, data), vu.p_access(1, 0, size))
    proxy = start("--format", "pcapng")
    play(proxy, fake, [case])
    proxy.end()
    rows = tracing.tshark(proxy.output, "-T", "fields", "-e", "vfio_user.size", "-e",
                        "vfio_user.count", "-e", "_ws.malformed", "-e",
                        "vfio_user.expert.malformed")
    assert rows.splitlines() == ["%d\t%d\t\t" % (size + 32, size), "32\t%d\t\t" % size]
