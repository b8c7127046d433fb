# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""VERSION: what is accepted, what is answered, what ends the connection."""

import errno
import json

import pytest

import vfio_user_wire as vu


def caps_of(reply):
    """The capabilities of a VERSION reply, which must be well formed."""
    assert (reply.flags, reply.error) == (vu.REPLY, 0), reply
    text = reply.payload[4:]
    assert text.endswith(b"\0") and b"\0" not in text[:-1]
    data = json.loads(text[:-1])
    assert list(data) == ["capabilities"]
    return data["capabilities"]


def text(caps):
    """Version data that json.dumps() would not make."""
    return ('{"capabilities": {' + caps + "}}").encode() + b"\0"


def negotiated(server):
    """What the server believes: (minor, fds, xfer, maps, pgsizes, ...)."""
    words = server.ctl("negotiated").text.split()
    return [int(w, 0) for w in words[1:]]


def rejected(conn, payload, **kw):
    """EINVAL in reply, then the end."""
    conn.fails(errno.EINVAL, vu.VERSION, payload, **kw)
    conn.assert_closed()


def test_qemu_proposal(server):
    """QEMU takes no reply longer than its request, and needs JSON in it."""
    conn = server.connect()
    request = vu.p_version(vu.QEMU_JSON, minor=0)
    assert len(request) + 16 == 214
    reply = conn.ok(vu.VERSION, request)
    caps = caps_of(reply)
    assert reply.size <= 214
    assert reply.payload[:4] == b"\0\0\0\0"
    assert caps["max_msg_fds"] == 16
    assert caps["max_data_xfer_size"] == vu.XFER
    assert caps["max_dma_maps"] == 65535
    assert caps["pgsizes"] == 4096
    assert caps["write_multiple"] is True
    assert set(caps) == {"max_msg_fds", "max_data_xfer_size", "max_dma_maps",
                         "pgsizes", "write_multiple"}


@pytest.mark.parametrize("data", [
    b"",
    b"{}\0",
    b'{"capabilities": {}}\0',
    b'{"capabilities":{},"else":[1,2,{"x":null}]}\0',
    text('"unknown": {"deep": [1, 2, 3]}, "migration": {"pgsize": 4096}'),
], ids=["none", "empty", "no-caps", "unknown-top", "unknown-cap"])
def test_defaults(server, data):
    conn = server.connect()
    reply = conn.ok(vu.VERSION, vu.p_version(data, minor=1))
    assert set(caps_of(reply)) == {"max_msg_fds", "max_data_xfer_size"}
    assert reply.fds == []
    assert negotiated(server) == [1, 1, vu.XFER, 65535, 4096, 0, 0, 0]
    conn.sync()


@pytest.mark.parametrize("minor, want", [
    (0, 0), (1, 1), (2, 2), (3, 2), (0xffff, 2)])
def test_minor(server, minor, want):
    conn = server.connect()
    reply = conn.ok(vu.VERSION, vu.p_version(vu.caps_json({}), minor=minor))
    assert reply.payload[:4] == bytes([0, 0, want, 0])


@pytest.mark.parametrize("major", [1, 2, 0xffff])
def test_major(server, major):
    rejected(server.connect(), vu.p_version(vu.caps_json({}), major=major))


@pytest.mark.parametrize("length", range(4))
def test_payload_short(server, length):
    """Answered as any short payload; what follows is the server's choice."""
    conn = server.connect()
    conn.fails(errno.EINVAL, vu.VERSION, vu.p_version()[:length])


MALFORMED = {
    "no-nul": b'{"capabilities":{}}',
    "only-nul": b"\0",
    "nul-inside": b'{"capabilities":\0{}}\0',
    "text-after-nul": b'{"capabilities":{}}\0{}',
    "two-nuls": b'{"capabilities":{}}\0\0',
    "nul-in-string": b'{"x":"a\\u0000b","capabilities":{\0}}\0',
    "garbage": b"\xff\xfe\x00\x01\x02garbage",
    "not-json": b"hello\0",
    "unfinished": b'{"capabilities":{\0',
    "text-after": b'{"capabilities":{}} x\0',
    "bad-utf8": b'{"capabilities":{"x":"\xff"}}\0',
    "array": b"[]\0",
    "string": b'"x"\0',
    "number": b"1\0",
    "null": b"null\0",
    "deep": b"[" * 2000 + b"]" * 2000 + b"\0",
    "deep-object": b'{"a":' * 800 + b"\0",
    "caps-array": b'{"capabilities":[]}\0',
    "caps-null": b'{"capabilities":null}\0',
    "caps-number": b'{"capabilities":1}\0',
    "duplicate-top": b'{"capabilities":{},"capabilities":{}}\0',
    "duplicate-key": text('"max_msg_fds":1,"max_msg_fds":2'),
    "duplicate-unknown": text('"x":1,"x":2'),
    "nan": text('"max_msg_fds": NaN'),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed(server, data):
    rejected(server.connect(), vu.p_version(data))


BAD_VALUES = [
    ("max_msg_fds", v) for v in
    ("-1", '"1"', "1.5", "null", "true", "[]", "{}", "9223372036854775808",
     "1e400")
] + [
    ("max_data_xfer_size", v) for v in
    ("0", "-1", '"x"', "1.5", "null", "false", "-9223372036854775808",
     "99999999999999999999")
] + [
    ("max_dma_maps", v) for v in ("0", "-1", '"1"', "1.0", "null")
] + [
    ("pgsizes", v) for v in ("0", "-4096", "1", "2048", "4095", '"4096"', "{}")
] + [
    ("write_multiple", v) for v in ("1", "0", '"true"', "null", "{}")
] + [
    ("sparse_mmap_fds", v) for v in ("1", '"true"', "null")
] + [
    ("twin_socket", v) for v in
    ("true", "1", "null", "[]", '{"supported": 1}', '{"supported": null}')
]


@pytest.mark.parametrize("key, value", BAD_VALUES)
def test_bad_value(server, key, value):
    rejected(server.connect(), vu.p_version(text(f'"{key}": {value}')))


@pytest.mark.parametrize("key, value, index, want", [
    ("max_msg_fds", 0, 1, 0),
    ("max_msg_fds", 253, 1, 253),
    ("max_data_xfer_size", 1, 2, 1),
    ("max_data_xfer_size", 4096, 2, 4096),
    ("max_data_xfer_size", 1 << 32, 2, vu.XFER),
    ("max_data_xfer_size", (1 << 53) + 1, 2, vu.XFER),
    ("max_data_xfer_size", (1 << 63) - 1, 2, vu.XFER),
    ("max_dma_maps", 1, 3, 1),
    ("max_dma_maps", 1 << 40, 3, 65535),
    ("pgsizes", 4096, 4, 4096),
    ("pgsizes", 4096 | 2048, 4, None),
    ("pgsizes", 4096 | 1 << 21 | 1 << 30, 4, None),
])
def test_good_value(server, key, value, index, want):
    conn = server.connect()
    conn.negotiate({key: value})
    got = negotiated(server)[index]
    if want is None:  # page sizes: some of those proposed
        assert got and got & ~value == 0 and got & 4096
    else:
        assert got == want
    conn.sync()


@pytest.mark.parametrize("value", [254, 1024, 1 << 31, 1 << 32, 1 << 53])
def test_many_fds(server, value):
    """More fds than a message can have."""
    conn = server.connect()
    conn.negotiate({"max_msg_fds": value})
    assert 1 <= negotiated(server)[1]
    _, _, fds = conn.region_info(2)
    assert len(fds) == 1


def test_replied_only_if_proposed(server):
    both = {"max_msg_fds", "max_data_xfer_size"}
    proposals = {
        "max_dma_maps": 100, "pgsizes": 4096, "write_multiple": True,
        "sparse_mmap_fds": True, "twin_socket": {"supported": True},
    }
    for key, value in proposals.items():
        conn = server.connect()
        caps = conn.negotiate({key: value})
        assert set(caps) == both | {key}
        conn.close()
        server.wait_idle()


@pytest.mark.parametrize("key", ["write_multiple", "sparse_mmap_fds"])
@pytest.mark.parametrize("value", [True, False])
def test_boolean(server, key, value):
    caps = server.connect().negotiate({key: value})
    assert caps.get(key, False) is value


@pytest.mark.server("--max-msg-fds", 5, "--xfer", 65536, "--max-dma-maps", 77)
def test_server_limits(server):
    """The reply has the server's own limits, not the lower of both."""
    conn = server.connect()
    caps = conn.negotiate({"max_msg_fds": 2, "max_data_xfer_size": 4096,
                           "max_dma_maps": 1000})
    assert caps["max_msg_fds"] == 5
    assert caps["max_data_xfer_size"] == 65536
    assert caps["max_dma_maps"] == 77
    assert negotiated(server)[1:4] == [2, 4096, 77]


@pytest.mark.server("--no-write-multi")
def test_no_write_multi(server):
    caps = server.connect().negotiate({"write_multiple": True})
    assert not caps.get("write_multiple")


# -- size, fds, state -----------------------------------------------------

def padded(length):
    """Version data of so many bytes."""
    data = text('"x": "%s"' % ("y" * (length - len(text('"x": ""')))))
    assert len(data) == length
    return data


def test_longest_data(server):
    conn = server.connect()
    conn.ok(vu.VERSION, vu.p_version(padded(4096)))
    conn.sync()


@pytest.mark.parametrize("length", [4097, 8192, 1 << 20])
def test_data_too_long(server, length):
    rejected(server.connect(), vu.p_version(padded(length)))


@pytest.mark.parametrize("count", [1, 2, 16, 17, 253])
def test_fds(server, event, count):
    fd = event().fd
    rejected(server.connect(), vu.p_version(vu.caps_json({})),
             fds=[fd] * count)
    server.wait_fds(server.baseline)


def test_twice(server, client):
    """The second is refused, the first stays in force."""
    before = negotiated(server)
    client.fails(errno.EINVAL, vu.VERSION,
                 vu.p_version(vu.caps_json({"max_msg_fds": 1})))
    client.fails(errno.EINVAL, vu.VERSION, vu.p_version(b"garbage"))
    assert negotiated(server) == before
    client.sync()


def test_no_reply(server):
    """A client that wants no reply to its VERSION gets none."""
    conn = server.connect()
    conn.send(vu.VERSION, vu.p_version(vu.caps_json({})), flags=vu.NO_REPLY)
    mid = conn.send(vu.GET_INFO, vu.p_info())
    try:
        assert conn.recv_reply().id == mid
    except vu.Closed:
        pass  # as good: it cannot know what was agreed


def test_bad_without_reply(server):
    conn = server.connect()
    conn.send(vu.VERSION, vu.p_version(b"garbage\0"), flags=vu.NO_REPLY)
    conn.assert_closed()


def test_pipelined(server, memory):
    """Requests behind VERSION, not waiting for its reply."""
    conn = server.connect()
    conn.send_raw(
        vu.message(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)), mid=1) +
        vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096), mid=2) +
        vu.message(vu.GET_INFO, vu.p_info(), mid=3))
    for mid, cmd in (1, vu.VERSION), (2, vu.DMA_MAP), (3, vu.GET_INFO):
        reply = conn.recv_reply()
        assert (reply.id, reply.cmd, reply.flags) == (mid, cmd, vu.REPLY)


# -- twin socket ----------------------------------------------------------

def test_twin(server):
    conn = server.connect()
    caps = conn.negotiate({"twin_socket": {"supported": True}})
    assert caps["twin_socket"] == {"supported": True, "fd_index": 0}
    assert len(conn.received) == 1
    assert negotiated(server)[6] == 1


@pytest.mark.parametrize("caps", [
    {}, {"twin_socket": {}}, {"twin_socket": {"supported": False}},
    {"twin_socket": {"supported": True}, "max_msg_fds": 0},
], ids=["absent", "empty", "false", "no-fds"])
def test_twin_not_wanted(server, caps):
    conn = server.connect()
    got = conn.negotiate(caps).get("twin_socket", {})
    assert not got.get("supported")
    assert conn.received == []
    assert negotiated(server)[6] == 0


@pytest.mark.server("--no-twin")
def test_twin_refused(server):
    conn = server.connect()
    caps = conn.negotiate({"twin_socket": {"supported": True}})
    assert not caps.get("twin_socket", {}).get("supported")
    assert conn.received == []
