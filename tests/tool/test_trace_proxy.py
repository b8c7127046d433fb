# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""dpdk-vfio-user trace as a proxy: neither side must notice it.

Besides, all of tests/wire is run through it (part wire-trace of run_tests.py).
"""

import array
import os
import random
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
import tracing
import vfio_user_wire as vu

SIDES = ["client", "server"]
OK, FAILED, USAGE, CONNECT = range(4)


@pytest.fixture
def program(build):
    """The path of the program."""
    return build("app", "vfio-user", "dpdk-vfio-user")


@pytest.fixture
def start(program, tmp_path, fake):
    """Starts the proxy in front of the server that the test plays."""
    made = []

    def make(*options, **kw):
        options = options or ("--format", "json")
        made.append(tracing.Trace(program, tmp_path, kw.pop("server", fake.path), *options, **kw))
        return made[-1]

    yield make
    for proxy in made:
        try:
            proxy.end()
        finally:
            proxy.kill()


class Link:
    """A client and a server with the proxy between them."""

    def __init__(self, proxy, fake):
        self.proxy = proxy
        self.client = proxy.connect()
        self.server = fake.accept()

    def ends(self, sender):
        """The sender's connection and the receiver's."""
        both = (self.client, self.server)
        return both if sender == "client" else both[::-1]

    def close(self):
        """End both; the proxy keeps nothing."""
        self.client.close()
        self.server.close()
        if self.proxy.log is None:
            self.proxy.wait_fds(self.proxy.baseline)


@pytest.fixture
def link(start, fake):
    """A connection through a proxy; all is closed when the test is over."""
    link = Link(start(), fake)
    yield link
    link.close()


def recv_all(sock, size, timeout=vu.LIMIT):
    """So many bytes, and (offset of its recvmsg, identity) of each fd."""
    data, fds = b"", []
    sock.settimeout(timeout)
    while len(data) < size:
        part, anc, flags, _ = sock.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
        assert part and not flags & socket.MSG_CTRUNC, (len(data), size)
        for _, _, raw in anc:
            got = array.array("i")
            got.frombytes(raw)
            for fd in got:
                fds.append((len(data), os.fstat(fd).st_ino))
                os.close(fd)
        data += part
    return data, fds


class Files:
    """Files that can be told apart."""

    def __init__(self):
        self.fds = [os.memfd_create("file%d" % i) for i in range(16)]
        self.ids = [os.fstat(fd).st_ino for fd in self.fds]

    def close(self):
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def files():
    """Files to be passed."""
    files = Files()
    yield files
    files.close()


def stream(rand, count):
    """Messages with file descriptors: bytes, [(offset, fds)], ends of messages."""
    data, passed, ends = b"", [], []
    for mid in range(count):
        size = rand.choice([0, 1, 16, 20, 100, 4096, 70000])
        payload = rand.randbytes(size)
        if rand.random() < 0.3:
            passed.append((len(data), rand.sample(range(16), rand.randint(1, 16))))
        data += vu.message(rand.randint(1, 20), payload, mid=mid,
                           flags=rand.choice([0, vu.REPLY, vu.NO_REPLY]))
        ends.append(len(data))
    return data, passed, ends


def send_pieces(rand, sock, data, passed, ends, files):
    """
    Send a stream, cut anywhere; but file descriptors leave with the header of
    their message, and no other message with them.
    """
    marks = dict(passed)
    cuts = {rand.randrange(len(data)) for _ in range(60)} | set(marks) | {len(data)}
    cuts = sorted(cuts | {min(end for end in ends if end > mark) for mark in marks})
    pos = 0
    for cut in [c for c in cuts if c > 0]:
        if pos in marks:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", [files.fds[i] for i in marks[pos]]))]
            # the header whole, as the protocol wants it
            pos += sock.sendmsg([data[pos:max(cut, pos + 16)]], anc)
        if cut > pos:
            sock.sendall(data[pos:cut])
            pos = cut
        if rand.random() < 0.2:
            time.sleep(0.001)


@pytest.mark.parametrize("sender", SIDES)
@pytest.mark.parametrize("seed", range(12))
def test_random_stream(link, files, seed, sender):
    """Bytes, their order, and the messages of file descriptors are the same."""
    rand = random.Random(seed)
    data, passed, ends = stream(rand, 40)
    source, sink = link.ends(sender)
    thread = threading.Thread(target=send_pieces, args=(
        random.Random(seed + 1), source.sock, data, passed, ends, files))
    thread.start()
    got, fds = recv_all(sink.sock, len(data))
    thread.join()
    assert got == data
    assert [ino for _, ino in fds] == [files.ids[i] for _, which in passed for i in which]
    # the recvmsg() that hands them over begins no later message
    starts = [offset for offset, which in passed for _ in which]
    assert all(begin <= offset for (begin, _), offset in zip(fds, starts))
    link.close()
    messages = link.proxy.messages()
    assert [m["id"] for m in messages] == list(range(40))
    starts, counts = [0] + ends[:-1], {offset: len(which) for offset, which in passed}
    assert [m.get("nb_fds", 0) for m in messages] == [counts.get(s, 0) for s in starts]


@pytest.mark.parametrize("sender", SIDES)
def test_fds_of_each_message(link, files, sender):
    """A burst: each message's are its own, though they are received at once."""
    source, sink = link.ends(sender)
    link.proxy.proc.send_signal(signal.SIGSTOP)
    for mid in range(6):
        source.send_raw(vu.message(vu.RESET, mid=mid))
        source.send_raw(vu.message(vu.SET_IRQS, b"x" * mid, mid=mid + 100),
                        files.fds[:mid + 1])
    link.proxy.proc.send_signal(signal.SIGCONT)
    for mid in range(6):
        assert sink.recv().fds == []
        assert len(sink.recv().fds) == mid + 1
    link.close()
    assert [m.get("nb_fds", 0) for m in link.proxy.messages()] == \
        [n for mid in range(6) for n in (0, mid + 1)]


@pytest.mark.parametrize("sender", SIDES)
def test_one_recv_takes_a_header(link, sender):
    """A peer that takes 16 bytes by one call finds them, however much is under way."""
    source, sink = link.ends(sender)
    count = 3000
    data = b"".join(vu.message(vu.REGION_READ, b"y" * (i % 23), mid=i) for i in range(count))
    thread = threading.Thread(target=source.sock.sendall, args=(data,))
    thread.start()
    sink.sock.settimeout(vu.LIMIT)
    for i in range(count):
        head = sink.sock.recv(16)
        assert len(head) == 16
        size = vu.HEADER.unpack(head)[2] - 16
        assert size == i % 23 and len(sink.sock.recv(size) if size else b"") == size
    thread.join()


@pytest.mark.parametrize("sender", SIDES)
def test_slow_sender(link, sender):
    """What a peer sends byte by byte arrives so: nothing is kept back for long."""
    source, sink = link.ends(sender)
    for byte in vu.message(vu.RESET, b"abc"):
        source.sock.sendall(bytes([byte]))
        sink.sock.settimeout(vu.LIMIT)
        assert sink.sock.recv(100) == bytes([byte])
    link.close()
    assert [m["size"] for m in link.proxy.messages()] == [19]


@pytest.mark.parametrize("sender", SIDES)
@pytest.mark.parametrize("size", [1 << 20, 3 << 20, 20 << 20])
def test_long_message(link, sender, size):
    """Messages longer than all buffers; the next one is understood."""
    source, sink = link.ends(sender)
    data = vu.message(vu.REGION_WRITE, vu.p_access(1, 0, size, vu.pattern(size, 1))) \
        + vu.message(vu.RESET)
    thread = threading.Thread(target=source.sock.sendall, args=(data,))
    thread.start()
    got, _ = recv_all(sink.sock, len(data))
    thread.join()
    assert got == data
    link.close()
    long, short = link.proxy.messages()
    assert (long["size"], short["size"]) == (size + 32, 16)
    assert long["payload"]["data_size"] == size
    assert long["payload"]["data"] == vu.pattern(64, 1).hex()


GARBAGE = {
    "zeros": bytes(200),
    "ones": b"\xff" * 200,
    "text": b"GET / HTTP/1.0\r\n\r\n",
    "small-size": vu.message(vu.RESET, size=15),
    "huge-size": vu.message(vu.RESET, size=0x7fffffff),
    "behind-a-message": vu.message(vu.RESET) + bytes(64),
}


@pytest.mark.parametrize("sender", SIDES)
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(link, files, name, sender):
    """What is no message is passed on, with what follows, and shown."""
    source, sink = link.ends(sender)
    data = GARBAGE[name]
    source.send_raw(data)
    assert recv_all(sink.sock, len(data))[0] == data
    source.send_raw(b"more", files.fds[:2])
    got, fds = recv_all(sink.sock, 4)
    assert got == b"more" and [ino for _, ino in fds] == files.ids[:2]
    sink.send_raw(vu.message(vu.RESET))  # the other direction is not concerned
    assert source.recv().cmd == vu.RESET
    link.close()
    events = link.proxy.events()
    raw = [e for e in events if e["event"] == "malformed"]
    assert sum(e["size"] for e in raw) == len(data) + 4 - (16 if "behind" in name else 0)
    assert sum(e.get("nb_fds", 0) for e in raw) == 2
    assert len([e for e in events if e["event"] == "malformed_stream"]) == 1
    assert events[-1]["malformed_bytes"] == sum(e["size"] for e in raw)


@pytest.mark.parametrize("sender", SIDES)
@pytest.mark.parametrize("left", [1, 15, 16, 20])
def test_cut_off(link, sender, left):
    """A peer that ends inside of a message: the part arrives, then the end."""
    source, sink = link.ends(sender)
    data = vu.message(vu.REGION_READ, vu.p_access(0, 0, 4))[:left]
    source.send_raw(data)
    source.close()
    sink.sock.settimeout(vu.LIMIT)
    got = b""
    while part := sink.sock.recv(100):
        got += part
    assert got == data
    link.close()
    cut, = [e for e in link.proxy.events() if e["event"] == "cut_off"]
    assert cut["size"] == left and cut["from"] == sender
    assert cut.get("msg_size", 32) == 32


@pytest.mark.parametrize("sender", SIDES)
def test_half_close(link, sender):
    """One direction ends; the other one goes on."""
    source, sink = link.ends(sender)
    source.send_raw(vu.message(vu.RESET))
    source.sock.shutdown(socket.SHUT_WR)
    assert sink.recv().cmd == vu.RESET
    sink.assert_closed()
    for mid in range(3):
        sink.send_raw(vu.message(vu.RESET, mid=mid, flags=vu.REPLY))
        assert source.recv().id == mid
    sink.close()
    source.assert_closed()


@pytest.mark.parametrize("sender", SIDES)
def test_reader_gone(link, sender):
    """A peer that takes no more makes the other one's sending fail."""
    source, sink = link.ends(sender)
    sink.sock.shutdown(socket.SHUT_RD)
    with pytest.raises(OSError):
        for _ in range(int(vu.LIMIT * 1000)):
            source.send_raw(vu.message(vu.RESET))
            time.sleep(0.001)
    sink.send_raw(vu.message(vu.RESET, mid=9))
    assert source.recv().id == 9
    link.close()
    assert link.proxy.events()[-1]["lost"] > 0


@pytest.mark.parametrize("sender", SIDES)
def test_deaf_sender(link, sender):
    """Who gets a message from a peer that takes no answer can send none."""
    source, sink = link.ends(sender)
    data = vu.message(vu.RESET)
    source.send_raw(data[:9])
    assert sink.sock.recv(100) == data[:9]
    source.sock.shutdown(socket.SHUT_RD)
    source.send_raw(data[9:])
    assert sink.sock.recv(100) == data[9:]
    with pytest.raises(BrokenPipeError):
        sink.sock.send(b"x")


@pytest.mark.parametrize("sender", SIDES)
def test_peer_gone(link, sender):
    """A peer that ends with messages unread ends the other one, too."""
    source, sink = link.ends(sender)
    source.send_raw(vu.message(vu.RESET, mid=1))
    sink.send_raw(vu.message(vu.RESET, mid=2))
    source.sock.setblocking(True)
    select.select([source.sock], [], [], vu.LIMIT)
    source.close()
    assert sink.recv().id == 1
    with pytest.raises(vu.Closed):
        sink.recv()
    with pytest.raises(OSError):
        sink.send_raw(vu.message(vu.RESET))


@pytest.mark.parametrize("sender", SIDES)
def test_back_pressure(link, sender):
    """A receiver that does not read stops the sender; nothing is lost or stored."""
    source, sink = link.ends(sender)
    source.sock.setblocking(False)
    message = vu.message(vu.REGION_WRITE, vu.p_access(0, 0, 4000, bytes(4000)))
    sent, idle = 0, 0
    while idle < 50:
        try:
            sent += source.sock.send(message[sent % len(message):])
            idle = 0
        except BlockingIOError:
            time.sleep(0.01)
            idle += 1
    assert sent < 4 << 20
    # the other direction does not wait for this one
    sink.send_raw(vu.message(vu.RESET))
    assert source.recv().cmd == vu.RESET
    got, _ = recv_all(sink.sock, sent)
    assert got == (message * (sent // len(message) + 1))[:sent]


def test_back_pressure_with_fds(link, files):
    """The same with file descriptors: the proxy holds few of them."""
    source, sink = link.ends("client")
    source.sock.setblocking(False)
    message = vu.message(vu.SET_IRQS, bytes(3000))
    anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files.fds))]
    sent, idle = 0, 0
    while idle < 50:
        try:
            count = source.sock.sendmsg([message], anc)
            assert count == len(message)
            sent, idle = sent + 1, 0
        except BlockingIOError:
            time.sleep(0.01)
            idle += 1
    assert link.proxy.fds() < 200
    source.sock.setblocking(True)
    for _ in range(sent):
        msg = sink.recv()
        assert len(msg.fds) == 16
        for fd in msg.fds:
            os.close(fd)
        sink.received.clear()
    link.close()
    assert len(link.proxy.messages()) == sent


@pytest.mark.parametrize("sender", SIDES)
def test_unsent_fds_are_closed(link, files, sender):
    """Those of messages that cannot be delivered."""
    source, sink = link.ends(sender)
    link.proxy.proc.send_signal(signal.SIGSTOP)
    for _ in range(5):
        source.send_raw(vu.message(vu.SET_IRQS), files.fds)
    sink.close()
    link.proxy.proc.send_signal(signal.SIGCONT)
    link.close()  # counts them


# -- twin socket -----------------------------------------------------------

TWIN = {"max_msg_fds": 16, "twin_socket": {"supported": True, "fd_index": 1}}


def negotiate(link, files, caps, fds):
    """VERSION with fds in the reply; what the client got of them."""
    mid = link.client.send(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)))
    assert vu.serve_version(link.server, caps, fds) is not None
    reply = link.client.recv_reply()
    assert reply.id == mid and len(reply.fds) == len(fds)
    return reply.fds


def test_twin_socket(link, files):
    """It is replaced, and what passes is shown; other fds are as they were."""
    ours, theirs = socket.socketpair()
    fds = negotiate(link, files, TWIN, [files.fds[0], theirs.fileno(), files.fds[1]])
    inode = os.fstat(theirs.fileno()).st_ino
    theirs.close()
    assert [os.fstat(fds[i]).st_ino for i in (0, 2)] == files.ids[:2]
    assert os.fstat(fds[1]).st_ino != inode
    server_twin = vu.Conn(ours)
    client_twin = vu.Conn(socket.socket(fileno=os.dup(fds[1])))
    mid = server_twin.send(vu.DMA_READ, vu.p_dma(0x1000, 4))
    msg = client_twin.recv_command(vu.DMA_READ)
    client_twin.reply(msg, vu.p_dma(0x1000, 4, b"data"))
    assert server_twin.recv_reply().id == mid
    server_twin.close()
    client_twin.assert_closed()
    client_twin.close()
    link.client.send(vu.RESET)  # the main socket goes on
    assert link.server.recv().cmd == vu.RESET
    link.close()
    messages = link.proxy.messages()
    assert [(m["command"], m["socket"], m["from"]) for m in messages] == [
        ("VERSION", "main", "client"), ("VERSION", "main", "server"),
        ("DMA_READ", "twin", "server"), ("DMA_READ", "twin", "client"),
        ("DEVICE_RESET", "main", "client")]
    assert messages[3]["latency_ns"] > 0


@pytest.mark.parametrize("caps, nb", [
    ({"twin_socket": {"supported": True, "fd_index": 7}}, 2),
    ({"twin_socket": {"supported": True, "fd_index": -1}}, 2),
    ({"twin_socket": {"supported": True, "fd_index": "0"}}, 2),
    ({"twin_socket": {"supported": False, "fd_index": 0}}, 2),
    ({"twin_socket": 3}, 1), ({"twin_socket": {"supported": True}}, 1),
    ({"twin_socket": {"supported": True, "fd_index": 0}}, 1),  # not a socket
])
def test_no_twin_socket(link, files, caps, nb):
    """Nothing is replaced when it makes no sense."""
    fds = negotiate(link, files, caps, files.fds[:nb])
    assert [os.fstat(fd).st_ino for fd in fds] == files.ids[:nb]


@pytest.mark.parametrize("cut", [1, 15, 16, 30])
def test_twin_socket_in_pieces(link, files, cut):
    """The reply to VERSION is seen whole though it comes in pieces."""
    ours, theirs = socket.socketpair()
    link.client.send(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)))
    msg = link.server.recv_command(vu.VERSION)
    caps = {"twin_socket": {"supported": True, "fd_index": 0}}
    raw = vu.message(vu.VERSION, vu.p_version(vu.caps_json(caps)), mid=msg.id, flags=vu.REPLY)
    link.server.send_raw(raw[:cut], [theirs.fileno()])
    link.client.assert_silent()
    link.server.send_raw(raw[cut:])
    fd, = link.client.recv_reply().fds
    inode = os.fstat(theirs.fileno()).st_ino
    assert os.fstat(fd).st_ino != inode
    ours.close()
    theirs.close()


def test_server_ends_in_version(link, files):
    """The part of the reply that was kept back arrives with its fds."""
    link.client.send(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)))
    link.server.recv_command(vu.VERSION)
    raw = vu.message(vu.VERSION, vu.p_version(vu.caps_json(TWIN)), flags=vu.REPLY)[:40]
    link.server.send_raw(raw, files.fds[:2])
    link.server.close()
    got, fds = recv_all(link.client.sock, 40)
    assert got == raw and [ino for _, ino in fds] == files.ids[:2]


# -- connections -----------------------------------------------------------

def test_reconnect(start, fake):
    """One client after the other, and two at once."""
    proxy = start()
    links = [Link(proxy, fake) for _ in range(3)]
    for number, link in enumerate(links):
        link.client.send(vu.RESET, mid=number)
        assert link.server.recv().id == number
    for link in links:
        link.client.close()
        link.server.close()
    proxy.wait_fds(proxy.baseline)
    for number in range(3, 6):
        link = Link(proxy, fake)
        link.client.send(vu.RESET, mid=number)
        assert link.server.recv().id == number
        link.close()
    assert sorted((m["connection"], m["id"]) for m in proxy.messages()) == [
        (i + 1, i) for i in range(6)]
    assert proxy.events()[-1]["connections"] == 6


def test_once(start, fake):
    """With --once it ends with its connection, and nobody else is let in."""
    proxy = start("--once", "--format", "json")
    link = Link(proxy, fake)
    with pytest.raises(OSError):
        proxy.connect()
    link.client.close()
    link.server.close()
    assert proxy.wait() == OK
    assert proxy.events()[-1]["connections"] == 1
    assert not os.path.exists(proxy.path)


def test_no_server(start, tmp_path):
    """A client is sent away, with the reason; the next one is tried again."""
    proxy = start(server=tmp_path / "nothing", *("--format", "json"))
    for _ in range(2):
        client = proxy.connect()
        client.assert_closed()
        client.close()
    proxy.end()
    assert proxy.log.count("cannot connect to %s: No such file" % (tmp_path / "nothing")) == 2
    assert [e["event"] for e in proxy.events()] == ["refused", "refused", "summary"]


def test_no_server_once(start, tmp_path):
    """The same with --once is an exit status."""
    proxy = start(server=tmp_path / "nothing", *("--once",))
    proxy.connect().assert_closed()
    assert proxy.wait() == CONNECT


def test_full_server(start, tmp_path):
    """A server whose queue is full makes the client wait, as without the proxy."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "full"))
    listener.listen(0)
    blocker = socket.socket(socket.AF_UNIX)
    blocker.connect(str(tmp_path / "full"))
    proxy = start(server=tmp_path / "full", *("--format", "json"))
    client = proxy.connect()
    client.send(vu.RESET)
    client.assert_silent(0.1)
    first, _ = listener.accept()
    listener.settimeout(vu.LIMIT)
    server = vu.Conn(listener.accept()[0])
    assert server.recv().cmd == vu.RESET
    for sock in (client, server, first, blocker, listener):
        sock.close()


# -- the program -----------------------------------------------------------

@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal(link, sig):
    """Ends the connections, shows the summary, leaves no socket file."""
    link.client.send(vu.RESET)
    link.server.recv()
    log = link.proxy.end(sig)
    assert "DEVICE_RESET" in log and "1 without a reply" in log
    link.client.assert_closed()
    link.server.assert_closed()
    assert not os.path.exists(link.proxy.path)


def test_stale_socket(start, program, tmp_path, fake):
    """A socket file that nobody listens at is replaced, nothing else is."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "trace.sock"))
    proxy = start()
    assert os.stat(proxy.path).st_mode & 0o777 == 0o600
    (tmp_path / "file").write_text("mine")
    for path in (proxy.path, tmp_path / "file"):
        done = subprocess.run([program, "trace", "-l", path, "-c", fake.path], check=False,
                              capture_output=True, text=True, timeout=vu.LIMIT)
        assert done.returncode == FAILED and "exists already" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_socket_of_another(start):
    """A socket that took the path of ours is not removed with it."""
    proxy = start()
    os.unlink(proxy.path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(proxy.path)
        proxy.end()
        assert os.path.exists(proxy.path)


@pytest.mark.parametrize("options, text", [
    (["-l", "a"], "--listen and --connect are needed"),
    (["-l", "a", "-c", "a"], "are the same"),
    (["-l", "a", "-c", "b", "c"], "unexpected argument"),
    (["-l", "a", "-c", "b", "-f", "xml"], "unknown format"),
    (["-l", "a", "-c", "b", "--command", "NOTHING"], "NOTHING"),
    (["-l", "a", "-c", "b", "--command", "65536"], "too large"),
    (["-l", "a", "-c", "b", "--region", "BAR9"], "BAR9"),
    (["-l", "a", "-c", "b", "--region", "0xffffffff"], "no region"),
    (["-l", "a" * 108, "-c", "b"], "socket path"),
])
def test_usage(program, options, text):
    """Wrong options are told, before anything is done."""
    done = subprocess.run([program, "trace", *options], check=False, capture_output=True,
                          text=True, timeout=vu.LIMIT)
    assert done.returncode == USAGE and text in done.stderr


def test_output_that_cannot_be_opened(program, tmp_path):
    """It is told at once."""
    done = subprocess.run([program, "trace", "-l", tmp_path / "l", "-c", "b", "-o",
                           tmp_path / "no" / "file"], check=False, capture_output=True,
                          text=True, timeout=vu.LIMIT)
    assert done.returncode == FAILED and "No such file" in done.stderr
    assert not (tmp_path / "l").exists()


def test_older_trace_stays(start, program, tmp_path, fake):
    """A proxy that cannot listen does not touch its output."""
    older = tmp_path / "older"
    older.write_text("a trace")
    running = start()
    for path, status in ((running.path, FAILED), (tmp_path / "no" / "sock", FAILED),
                         ("a" * 108, USAGE)):
        done = subprocess.run([program, "trace", "-l", path, "-c", fake.path, "-o", older],
                              check=False, capture_output=True, text=True, timeout=vu.LIMIT)
        assert done.returncode == status and older.read_text() == "a trace", done.stderr


class Piped:
    """The proxy with its output in a pipe."""

    def __init__(self, program, tmp_path, fake, *options):
        self.path = str(tmp_path / "trace.sock")
        self.proc = subprocess.Popen(
            [program, "trace", "-l", self.path, "-c", fake.path, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert b"listening" in self.proc.stderr.readline()
        self.client = vu.Client.connect(self.path)
        self.server = fake.accept()

    def message(self, mid):
        self.client.send(vu.REGION_WRITE, bytes(4000), mid=mid, flags=vu.NO_REPLY)
        assert self.server.recv().id == mid & 0xffff

    def end(self, timeout=vu.LIMIT):
        self.client.close()
        self.proc.send_signal(signal.SIGINT)
        return self.proc.communicate(timeout=timeout), self.proc.returncode


@pytest.fixture
def piped(program, tmp_path, fake):
    """Starts the proxy with its output in a pipe."""
    made = []

    def make(*options):
        made.append(Piped(program, tmp_path, fake, *options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.client.close()
        proxy.proc.kill()
        proxy.proc.communicate()


def test_output_is_soon_there(piped):
    """What happens is shown while it happens."""
    proxy = piped()
    proxy.message(1)
    assert select.select([proxy.proc.stdout], [], [], vu.LIMIT)[0]
    text = b""
    while b"REGION_WRITE" not in text:
        text += os.read(proxy.proc.stdout.fileno(), 65536)


def test_slow_output(piped):
    """Nobody reads the output: messages pass, then wait, and nothing is left out."""
    proxy = piped("--hexdump", "4000", "-f", "json")
    for mid in range(500):  # 4 MB of output
        proxy.message(mid)
    (out, err), status = proxy.end()
    assert status == OK, err
    assert out.count(b'"event":"message"') == 500


def test_stuck_output(piped):
    """A signal ends it even when nobody will ever read."""
    proxy = piped("--hexdump", "4000", "-f", "json")
    proxy.client.sock.setblocking(False)
    idle = 0
    while idle < 50:  # until the proxy waits for the reader
        try:
            proxy.client.send(vu.REGION_WRITE, bytes(4000), flags=vu.NO_REPLY)
            idle = 0
        except BlockingIOError:
            while select.select([proxy.server.sock], [], [], 0)[0]:
                proxy.server.sock.recv(1 << 20)
            time.sleep(0.01)
            idle += 1
    proxy.proc.send_signal(signal.SIGINT)
    assert proxy.proc.wait(vu.LIMIT) == FAILED
    assert b"not complete" in proxy.proc.stderr.read()


def test_output_gone(piped):
    """The reader ends: it is told at once, the connection goes on."""
    proxy = piped()
    proxy.proc.stdout.close()
    proxy.proc.stdout = None
    for mid in range(100):
        proxy.message(mid)
        time.sleep(0.001)
    assert b"cannot write the trace: Broken pipe" in proxy.proc.stderr.readline()
    proxy.message(0)
    (_, err), status = proxy.end()
    assert status == FAILED and b"not complete: Broken pipe" in err


def test_spin(start, fake):
    """--spin does the same, awake."""
    proxy = start("--spin", "--format", "json")
    link = Link(proxy, fake)
    for mid in range(50):
        link.client.send(vu.RESET, mid=mid)
        link.server.reply(link.server.recv())
        link.client.recv()
    link.close()
    assert len(proxy.messages()) == 100


# -- our own client and server ---------------------------------------------

def test_client_and_server(start, build, tmp_path):
    """The library's client does its work with the library's server; both counts agree."""
    server = harness.Server(build("tests", "wire", "wire_server"), [], [tmp_path / "dev"],
                            tmp_path / "server.log")
    proxy = start(server=tmp_path / "dev", *("--format", "json"))
    driver = harness.Driver(build("tests", "wire", "client_driver"), [], proxy.path,
                            tmp_path / "driver.log")
    try:
        for line in ("connect", "info", "region_info 2", "irq_info 2", "irq_assign 2 0 e64",
                     "dma_map 0x10000 4096 3 memfd", "dma_map 0x20000 4096 3 mem",
                     "write 1 0 @65536:5", "read 1 0 65536", "multi 20 1 0 0102",
                     "posted 1 0 01", "flush", "reset", "dma_unmap 0x10000 4096"):
            driver.ok(*line.split())
        tag = server.ctl_start("dma_read", "thread", 0x20000, 16)
        driver.ok("poll", 2000, 1)
        assert server.result(tag).rc >= 0
        driver.ok("destroy")
        driver.quit()
        server.quit()
    finally:
        driver.kill()
        server.kill()
    proxy.wait_fds(proxy.baseline)
    seen = {m["command"] for m in proxy.messages()}
    assert {"VERSION", "DMA_MAP", "DMA_UNMAP", "DEVICE_GET_INFO", "DEVICE_SET_IRQS",
            "REGION_READ", "REGION_WRITE", "REGION_WRITE_MULTI", "DEVICE_RESET",
            "DMA_READ"} <= seen
    assert not any("notes" in m for m in proxy.messages())
    assert all(m["socket"] == "twin" for m in proxy.messages() if m["command"] == "DMA_READ")
    assert not any(c["unanswered"] for c in proxy.events()[-1]["commands"].values())
