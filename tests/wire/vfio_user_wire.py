# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A vfio-user peer of its own, for tests: shares no code with the library.

Structures are packed by hand from the specification (docs/interop/
vfio-user.rst). Conn is one end of a connection, Client adds the requests of a
client, FakeServer accepts connections of a client under test. Nothing here
checks what a test did not ask for, so that any nonsense can be sent.
"""

import array
import collections
import errno

import fcntl
import functools
import json
import os
import select
import socket
import struct
import time

# Commands
VERSION = 1
DMA_MAP = 2
DMA_UNMAP = 3
GET_INFO = 4
REGION_INFO = 5
REGION_IO_FDS = 6
IRQ_INFO = 7
SET_IRQS = 8
REGION_READ = 9
REGION_WRITE = 10
DMA_READ = 11
DMA_WRITE = 12
RESET = 13
DIRTY_PAGES = 14
WRITE_MULTI = 15
FEATURE = 16
MIG_DATA_READ = 17
MIG_DATA_WRITE = 18

# Header flags
REPLY = 1
NO_REPLY = 1 << 4
ERROR = 1 << 5

HEADER = struct.Struct("=HHIII")

# DMA_MAP flags
MAP_READ = 1
MAP_WRITE = 2
MAP_RW = 3
MAP_MMAP = 4
MAP_FILE = 8

UNMAP_ALL = 2

# Region info
REGION_READABLE = 1
REGION_WRITABLE = 2
REGION_MMAP = 4
REGION_CAPS = 8
CAP_SPARSE = 1
CAP_TYPE = 2
CAP_SPARSE_FDS = 0x8001

# IRQ info
IRQ_EVENTFD = 1
IRQ_MASKABLE = 2
IRQ_AUTOMASKED = 4
IRQ_NORESIZE = 8

# SET_IRQS flags
NONE = 1
BOOL = 2
EVENTFD = 4
MASK = 8
UNMASK = 16
TRIGGER = 32

INTX, MSI, MSIX, ERR, REQ = range(5)

XFER = 1 << 20
U64 = (1 << 64) - 1

#: What a capable client proposes.
CAPS = {
    "max_msg_fds": 16,
    "max_data_xfer_size": XFER,
    "pgsizes": 4096,
    "max_dma_maps": 65535,
    "write_multiple": True,
}

#: What QEMU proposes, byte for byte (INTEROP 2.1): 214 bytes with headers.
QEMU_JSON = (
    '{"capabilities": {"migration": {"pgsize": 4096, "max_bitmap_size": '
    '268435456}, "max_msg_fds": 16, "max_data_xfer_size": 1048576, '
    '"pgsizes": 4096, "max_dma_maps": 65535, "write_multiple": true}}'
).encode() + b"\0"


#: Seconds after which something hangs, however busy the machine is.
LIMIT = 30.0


class Closed(Exception):
    """The peer closed the connection."""


class Silence(Exception):
    """Nothing came in time."""


class Msg:
    """A received message."""

    def __init__(self, header, payload, fds):
        self.id, self.cmd, self.size, self.flags, self.error = header
        self.payload = payload
        self.fds = fds

    def __repr__(self):
        return (f"Msg(id={self.id} cmd={self.cmd} size={self.size} "
                f"flags={self.flags:#x} error={self.error} fds={self.fds} "
                f"{self.payload[:48].hex()})")

    @property
    def is_command(self):
        return self.flags & 0xf == 0


def header(mid, cmd, size, flags=0, error=0):
    return HEADER.pack(mid & 0xffff, cmd, size, flags, error)


def message(cmd, payload=b"", *, mid=0, flags=0, error=0, size=None):
    """The bytes of a message."""
    if size is None:
        size = HEADER.size + len(payload)
    return header(mid, cmd, size, flags, error) + payload


class Conn:
    """One end of a connection; closes all it received when closed."""

    def __init__(self, sock, timeout=LIMIT):
        self.sock = sock
        self.timeout = timeout
        self.next_id = 1
        self.received = []  # fds to close at the end
        self.commands = collections.deque()  # of the peer, while we waited
        self.on_command = None  # serves them instead

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()
        for fd in self.received:
            try:
                os.close(fd)
            except OSError:
                pass  # the test did
        self.received = []

    # -- sending ---------------------------------------------------------

    def send_raw(self, data, fds=()):
        """All bytes, the fds with the first one."""
        if fds:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))]
            sent = self.sock.sendmsg([data], anc)
            data = data[sent:]
        if data:
            self.sock.sendall(data)

    def send(self, cmd, payload=b"", *, fds=(), mid=None, **kw):
        """A command; returns its id."""
        if mid is None:
            mid = self.next_id
            self.next_id = (self.next_id + 1) & 0xffff
        self.send_raw(message(cmd, payload, mid=mid, **kw), fds)
        return mid

    def reply(self, msg, payload=b"", *, fds=(), err=None, flags=REPLY,
              mid=None, cmd=None, size=None):
        """Answer msg; err makes it an error reply."""
        if err is not None:
            flags |= ERROR
        self.send_raw(message(msg.cmd if cmd is None else cmd, payload,
                              mid=msg.id if mid is None else mid,
                              flags=flags, error=err or 0, size=size), fds)

    # -- receiving -------------------------------------------------------

    def _wait(self, timeout):
        """Something has come, if only the end."""
        try:
            ready = select.select([self.sock], [], [], timeout)[0]
        except (OSError, ValueError) as e:
            raise Closed(str(e)) from None
        if not ready:
            raise Silence(f"nothing within {timeout} s")

    def _read(self, n, deadline):
        """Exactly n bytes: what comes with them are their fds."""
        data, fds = b"", []
        while len(data) < n:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part, anc, flags, _ = self.sock.recvmsg(
                    n - len(data), socket.CMSG_SPACE(253 * 4),
                    socket.MSG_CMSG_CLOEXEC)
            except socket.timeout:
                raise Silence(f"{len(data)} of {n} bytes") from None
            except (ConnectionError, OSError) as e:
                raise Closed(str(e)) from None
            finally:
                self.sock.settimeout(None)
            assert not flags & socket.MSG_CTRUNC
            for level, kind, raw in anc:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                got = array.array("i")
                got.frombytes(raw[:len(raw) - len(raw) % got.itemsize])
                fds += got
            self.received += fds
            if not part:
                raise Closed(f"{len(data)} of {n} bytes")
            data += part
        return data, fds

    def recv(self, timeout=None):
        """The next message, whatever it is."""
        self._wait(timeout or self.timeout)
        # what has begun is not given up: the rest would be taken for a header
        deadline = time.monotonic() + self.timeout
        raw, fds = self._read(HEADER.size, deadline)
        head = HEADER.unpack(raw)
        assert head[2] >= HEADER.size, f"bad size in {head}"
        payload, late = self._read(head[2] - HEADER.size, deadline)
        assert not late, "fds must come with the header"
        return Msg(head, payload, fds)

    def recv_reply(self, timeout=None):
        """The next reply; commands of the peer are served or kept."""
        while True:
            msg = self.recv(timeout)
            if not msg.is_command:
                return msg
            if self.on_command:
                self.on_command(self, msg)
            else:
                self.commands.append(msg)

    def recv_command(self, cmd=None, timeout=None):
        """The next command of the peer."""
        msg = self.commands.popleft() if self.commands else self.recv(timeout)
        assert msg.is_command, msg
        assert cmd is None or msg.cmd == cmd, msg
        return msg

    def call(self, cmd, payload=b"", **kw):
        """Send a command, return its reply, which must echo id and command."""
        mid = self.send(cmd, payload, **kw)
        msg = self.recv_reply()
        assert (msg.id, msg.cmd) == (mid, cmd), msg
        assert msg.flags & ~ERROR == REPLY, msg
        return msg

    def ok(self, cmd, payload=b"", **kw):
        """A call that must succeed; its reply."""
        msg = self.call(cmd, payload, **kw)
        assert (msg.flags, msg.error) == (REPLY, 0), msg
        return msg

    def fails(self, err, cmd, payload=b"", **kw):
        """A call that must fail with exactly this errno, header only."""
        msg = self.call(cmd, payload, **kw)
        check_error(msg, err)
        return msg

    def assert_closed(self, timeout=LIMIT):
        """The peer closes, and sends nothing more before."""
        try:
            msg = self.recv(timeout)
        except Closed:
            return
        except Silence:
            raise AssertionError("the connection is still open") from None
        raise AssertionError(f"expected the end, got {msg}")

    def assert_silent(self, seconds=0.05):
        try:
            msg = self.recv(seconds)
        except Silence:
            return
        raise AssertionError(f"expected nothing, got {msg}")


def check_error(msg, err):
    want = (REPLY | ERROR, err, b"", [])
    got = (msg.flags, msg.error, msg.payload, msg.fds)
    assert got == want, (f"expected {errno.errorcode.get(err, err)}, got "
                         f"{errno.errorcode.get(msg.error, msg.error)}: {msg}")


# -- payloads -------------------------------------------------------------

def caps_json(caps):
    return json.dumps({"capabilities": caps}).encode() + b"\0"


def p_version(data=b"", major=0, minor=2):
    return struct.pack("=HH", major, minor) + data


def p_dma_map(addr, size, flags=MAP_RW, offset=0, argsz=32):
    return struct.pack("=IIQQQ", argsz, flags, offset, addr, size)


def p_dma_unmap(addr, size, flags=0, argsz=24):
    return struct.pack("=IIQQ", argsz, flags, addr, size)


def p_info(argsz=16):
    return struct.pack("=IIII", argsz, 0, 0, 0)


def p_region_info(index, argsz=32):
    return struct.pack("=IIIIQQ", argsz, 0, index, 0, 0, 0)


def p_io_fds(index, argsz=16, flags=0, count=0):
    return struct.pack("=IIII", argsz, flags, index, count)


def p_irq_info(index, argsz=16):
    return struct.pack("=IIII", argsz, 0, index, 0)


def p_set_irqs(index, start, count, flags, data=b"", argsz=None):
    if argsz is None:
        argsz = 20 + len(data)
    return struct.pack("=IIIII", argsz, flags, index, start, count) + data


def p_access(region, offset, count, data=b""):
    return struct.pack("=QII", offset, region, count) + data


def p_multi(writes, cnt=None):
    """writes: (region, offset, data) or (region, offset, data, count)."""
    out = struct.pack("=Q", len(writes) if cnt is None else cnt)
    for region, offset, data, *count in writes:
        out += struct.pack("=QII8s", offset, region,
                           count[0] if count else len(data), data)
    return out


def p_dma(addr, count, data=b""):
    return struct.pack("=QQ", addr, count) + data


RegionInfo = collections.namedtuple(
    "RegionInfo", "argsz flags index cap_offset size offset")
IrqInfo = collections.namedtuple("IrqInfo", "argsz flags index count")


def parse_region_info(payload):
    """RegionInfo and its capabilities as {id: (version, body)}."""
    info = RegionInfo(*struct.unpack_from("=IIIIQQ", payload))
    caps, offset = {}, info.cap_offset
    while offset:
        cap, version, nxt = struct.unpack_from("=HHI", payload, offset)
        assert cap not in caps, "capability twice"
        end = nxt or len(payload)
        assert offset >= 32 and offset < end <= len(payload), "chain"
        caps[cap] = version, payload[offset + 8:end]
        offset = nxt
    return info, caps


def parse_sparse(body):
    """[(offset, size)] of a sparse mmap capability."""
    nr, _ = struct.unpack_from("=II", body)
    return [struct.unpack_from("=QQ", body, 8 + 16 * i) for i in range(nr)]


def parse_sparse_fds(body):
    """[(offset, fd_offset, size, fd_index)]."""
    nr, _ = struct.unpack_from("=II", body)
    return [struct.unpack_from("=QQQII", body, 8 + 32 * i)[:4]
            for i in range(nr)]


@functools.lru_cache(maxsize=None)
def pattern_block(length, seed):
    return bytes((seed + i + (i >> 8)) & 0xff for i in range(length))


def pattern(length, seed):
    """The pattern both sides know: byte i is seed + i + (i >> 8)."""
    if length <= 4096:
        return pattern_block(length, seed & 0xff)
    block = pattern_block(1 << 16, seed & 0xff)  # it repeats
    return (block * (length // len(block) + 1))[:length]


# -- roles ----------------------------------------------------------------

class Client(Conn):
    """A client of the server under test."""

    @classmethod
    def connect(cls, path, timeout=LIMIT):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(path))
        return cls(sock, timeout)

    def negotiate(self, caps=None, minor=2):
        """VERSION; the capabilities of the reply. {} is CAPS, None too."""
        data = caps_json(CAPS if caps is None else caps)
        reply = self.ok(VERSION, p_version(data, minor=minor))
        self.version_reply = reply
        assert reply.payload.endswith(b"}\0")
        return json.loads(reply.payload[4:-1])["capabilities"]

    def sync(self):
        """The server is in step: its next reply is the one to this."""
        return self.ok(GET_INFO, p_info())

    def dma_map(self, addr, size, flags=MAP_RW, offset=0, fd=None):
        self.ok(DMA_MAP, p_dma_map(addr, size, flags, offset),
                fds=() if fd is None else (fd,))

    def dma_unmap(self, addr, size, flags=0):
        payload = p_dma_unmap(addr, size, flags)
        assert self.ok(DMA_UNMAP, payload).payload == payload

    def read(self, region, offset, count):
        reply = self.ok(REGION_READ, p_access(region, offset, count))
        got = struct.unpack_from("=QII", reply.payload)
        assert got[:2] == (offset, region)
        assert got[2] == len(reply.payload) - 16
        return reply.payload[16:]

    def write(self, region, offset, data):
        reply = self.ok(REGION_WRITE,
                        p_access(region, offset, len(data), data))
        got = struct.unpack("=QII", reply.payload)
        assert got[:2] == (offset, region)
        return got[2]

    def region_info(self, index, argsz=4096):
        """RegionInfo, capabilities, fds."""
        reply = self.ok(REGION_INFO, p_region_info(index, argsz))
        info, caps = parse_region_info(reply.payload)
        return info, caps, reply.fds

    def irq_info(self, index):
        return IrqInfo(*struct.unpack(
            "=IIII", self.ok(IRQ_INFO, p_irq_info(index)).payload))

    def set_irqs(self, index, start, count, flags, data=b"", fds=()):
        reply = self.ok(SET_IRQS, p_set_irqs(index, start, count, flags, data),
                        fds=fds)
        assert reply.payload == b""


class FakeServer:
    """Listens for a client under test."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen(8)
        self.conns = []

    def close(self):
        for conn in self.conns:
            conn.close()
        self.sock.close()
        os.unlink(self.path)

    def accept(self, timeout=LIMIT):
        self.sock.settimeout(timeout)
        conn = Conn(self.sock.accept()[0])
        self.conns.append(conn)
        return conn


def serve_version(conn, caps=None, fds=(), minor=2):
    """Answer the client's VERSION; its capabilities."""
    msg = conn.recv_command(VERSION)
    if caps is None:
        caps = {"max_msg_fds": 16, "max_data_xfer_size": XFER}
    conn.reply(msg, p_version(caps_json(caps), minor=minor), fds=fds)
    return json.loads(msg.payload[4:-1]).get("capabilities", {})


class Memory:
    """Client memory in a memfd."""

    def __init__(self, size, seed=0):
        self.fd = os.memfd_create("wire", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        os.pwrite(self.fd, pattern(min(size, 1 << 16), seed), 0)

    def read(self, length, offset=0):
        return os.pread(self.fd, length, offset)

    def write(self, data, offset=0):
        os.pwrite(self.fd, data, offset)

    def seal(self):
        """It cannot be truncated any more."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)

    def close(self):
        os.close(self.fd)


class Event:
    """An eventfd."""

    def __init__(self):
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def count(self):
        """Signals since the last time."""
        try:
            return os.eventfd_read(self.fd)
        except BlockingIOError:
            return 0

    def signal(self):
        os.eventfd_write(self.fd, 1)

    def close(self):
        os.close(self.fd)
