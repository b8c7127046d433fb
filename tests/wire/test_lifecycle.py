# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Connections: a second client, slow and silent ones, death at each step."""

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import time

import pytest

import harness
import vfio_user_wire as vu

TIMEOUT = 150  # of the servers with a short one, ms
SHORT = ("--msg-timeout", TIMEOUT, "--dma-timeout", TIMEOUT)
short = pytest.mark.server(*SHORT)
PENDING = 0x100


def version():
    return vu.message(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)), mid=1)


# -- a second client ------------------------------------------------------

def test_second_client(server, client):
    """EBUSY in reply to its VERSION, then the end; the first goes on."""
    client.dma_map(0x1000, 4096)
    for _ in range(20):
        second = server.connect()
        second.fails(errno.EBUSY, vu.VERSION,
                     vu.p_version(vu.caps_json({})))
        second.assert_closed()
        client.sync()
    assert server.ctl("dma_count").rc == 1


def test_second_client_qemu(server, client):
    second = server.connect()
    second.fails(errno.EBUSY, vu.VERSION, vu.p_version(vu.QEMU_JSON, minor=0),
                 mid=0x1234)
    second.assert_closed()


def test_second_client_bad_version(server, client):
    """Whatever it says: an error, and the end."""
    for data in b"", b"garbage", vu.caps_json({}):
        second = server.connect()
        reply = second.call(vu.VERSION, vu.p_version(data))
        assert reply.error in (errno.EBUSY, errno.EINVAL)
        second.assert_closed()
    client.sync()


def test_second_client_other_command(server, client):
    """It never gets through to the device."""
    second = server.connect()
    try:
        reply = second.call(vu.GET_INFO, vu.p_info())
        assert reply.error in (errno.EBUSY, errno.EINVAL)
    except vu.Closed:
        pass
    client.sync()


@pytest.mark.parametrize("cut", [1, 15, 16, 20])
def test_second_client_split_version(server, client, cut):
    """Rust's client writes header and data separately."""
    second = server.connect()
    second.send_raw(version()[:cut])
    for _ in range(5):
        client.sync()
        server.ctl("fds")
    second.send_raw(version()[cut:])
    vu.check_error(second.recv_reply(), errno.EBUSY)
    second.assert_closed()


def test_second_client_with_fds(server, client, event):
    before = server.fds()
    second = server.connect()
    reply = second.call(vu.VERSION, vu.p_version(vu.caps_json({})),
                        fds=[event().fd] * 16)
    assert reply.error in (errno.EBUSY, errno.EINVAL)
    second.assert_closed()
    server.wait_fds(before)


def test_second_client_just_closes(server, client):
    for _ in range(50):
        server.connect().close()
    client.sync()


@short
def test_second_client_silent(server):
    """Connected and mute beside a good one: dropped, nobody disturbed."""
    client = server.client()
    before = server.fds()
    mute = [server.connect() for _ in range(5)]
    for conn in mute:
        conn.assert_closed()
    client.sync()
    server.wait_fds(before)


def test_many_waiting(server, client):
    """A crowd at the door."""
    crowd = [server.connect() for _ in range(30)]
    client.sync()
    for conn in crowd:
        conn.close()
    client.sync()


def test_next_client(server):
    """Free again as soon as the first has closed."""
    busy = 0
    for _ in range(100):
        conn = server.connect()
        while conn.call(vu.VERSION, vu.p_version(vu.caps_json({}))).error:
            conn.close()
            conn = server.connect()
            busy += 1
        conn.close()
    assert busy == 0, f"{busy} of 100 got EBUSY after the first had closed"


# -- silent, half and slow clients ----------------------------------------

def dropped(conn):
    """Closed after the timeout, not at once and not after the default one."""
    start = time.monotonic()
    conn.assert_closed()
    assert 0.05 < time.monotonic() - start < 5


@short
def test_silent(server):
    """A client that never negotiates."""
    dropped(server.connect())
    server.client().sync()


@short
@pytest.mark.parametrize("length", [1, 15, 16, 17, 30])
def test_half_version(server, length):
    conn = server.connect()
    conn.send_raw(version()[:length])
    dropped(conn)
    server.client().sync()


@short
@pytest.mark.parametrize("length", [1, 8, 15, 16, 17, 31])
def test_half_message(server, length):
    """A header, or a part of one, then silence."""
    conn = server.client()
    conn.sync()
    conn.send_raw(vu.message(vu.GET_INFO, vu.p_info())[:length])
    dropped(conn)
    server.client().sync()


@short
def test_half_message_with_fds(server, event):
    conn = server.client()
    conn.send_raw(vu.message(vu.GET_INFO, vu.p_info())[:20], [event().fd] * 9)
    dropped(conn)
    server.wait_fds(server.baseline)


@short
def test_half_large_message(server):
    """Most of a large write, then silence."""
    conn = server.client()
    conn.send_raw(vu.message(vu.REGION_WRITE,
                             vu.p_access(1, 0, 0x10000, bytes(0x10000)))[:-1])
    dropped(conn)
    server.client().sync()


@short
def test_idle_client_stays(server):
    """Nothing to say is no fault."""
    conn = server.client()
    time.sleep(3 * TIMEOUT / 1000)
    conn.sync()


@short
def test_idle_while_pending(server):
    """Nor is it the client's fault when the device takes its time."""
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    time.sleep(3 * TIMEOUT / 1000)
    assert server.ctl("complete", 4, "01020304").rc == 0
    assert conn.recv_reply().payload[16:] == b"\1\2\3\4"


@short
def test_idle_while_quiescing(server):
    conn = server.client()
    server.ctl("log")
    server.ctl("quiesce", "pending")
    conn.send(vu.RESET)
    conn.send(vu.GET_INFO, vu.p_info())
    server.wait_log("quiesce")
    time.sleep(3 * TIMEOUT / 1000)
    server.ctl("quiesce", 0)
    assert server.ctl("quiesce_done", 0).rc == 0
    assert [conn.recv_reply().cmd for _ in range(2)] == [vu.RESET, vu.GET_INFO]


def flood(conn, seconds=1.0):
    """Ask for megabytes without reading until the server takes no more."""
    conn.sock.setblocking(False)
    data = vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000))
    end = time.monotonic() + seconds
    sent, part, last = 0, data, time.monotonic()
    while time.monotonic() < end and time.monotonic() - last < 0.1:
        try:
            n = conn.sock.send(part)
            part = part[n:] or data
            sent += n
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            break  # dropped already
    conn.sock.setblocking(True)
    return sent


@short
def test_client_that_does_not_read(server):
    """Its replies pile up, bounded; it is dropped after the timeout."""
    conn = server.client()
    flood(conn)
    server.wait_idle()
    rss = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    assert rss < 512 << 20
    server.client().sync()


def take(conn):
    """Number of the bytes that are there."""
    total = 0
    while True:
        try:
            part = conn.sock.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return total
        if not part:
            return total
        total += len(part)


@pytest.mark.server("--msg-timeout", 1000)
def test_client_that_reads_slowly(server):
    """Replies wait for it at any time, but it takes some: it stays."""
    conn = server.client()
    size = 32 + 0x10000  # of a reply
    sent = got = 0
    end = time.monotonic() + 2.5
    while time.monotonic() < end or got < sent * size:
        server.pause()  # it finds room and the next requests together
        got += take(conn)
        while time.monotonic() < end and sent < got // size + 32:
            conn.send(vu.REGION_READ, vu.p_access(1, 0, 0x10000))
            sent += 1
        server.resume()
        time.sleep(0.01)
        assert server.ctl("negotiated").rc == 0, "dropped"
    conn.sync()


def test_flood_is_bounded(own_server):
    """What a client may have in flight has a limit in bytes."""
    server = own_server()
    conn = server.client()
    before = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    flood(conn, 1.5)
    after = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    assert after - before < 64 << 20
    conn.close()
    server.wait_idle()
    server.client().sync()


def test_slow_reader(server, client):
    """A client that reads slowly gets everything, in order."""
    count = 40
    data = vu.pattern(0x10000, 3)
    client.write(1, 0, data)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send_raw(b"".join(
        vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000), mid=i)
        for i in range(count)))
    for i in range(count):
        if i % 10 == 0:
            time.sleep(0.02)
        reply = client.recv_reply()
        assert reply.id == i and reply.payload[16:] == data


@pytest.mark.server(devices=3)
def test_other_devices_undisturbed(server):
    """Bad clients of one device cost the clients of the others nothing."""
    good = [server.client(device=i) for i in (1, 2)]
    bad = server.client()
    flood(bad, 0.3)
    worst = 0
    conns = [server.connect() for _ in range(3)]
    conns[0].send_raw(version()[:17])
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        for conn in good:
            start = time.monotonic()
            conn.sync()
            conn.write(1, 0, b"fine")
            worst = max(worst, time.monotonic() - start)
    # who waits for a bad one waits until it is dropped, after ten seconds
    assert worst < 5, f"a good client waited {worst:.3f} s"


@pytest.mark.server(devices=3)
def test_pending_does_not_stop_others(server):
    waiting = server.client()
    waiting.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    for i in 1, 2:
        server.client(device=i).sync()
    assert server.ctl("complete", 4, "00000000").rc == 0
    waiting.recv_reply()


# -- the client dies at each step -----------------------------------------

def step_connect(server, conn, mem, ev):
    pass


def step_half_header(server, conn, mem, ev):
    conn.send_raw(version()[:9])


def step_half_version(server, conn, mem, ev):
    conn.send_raw(version()[:40])


def step_version_sent(server, conn, mem, ev):
    conn.send_raw(version())


def step_negotiated(server, conn, mem, ev):
    conn.negotiate()


def step_twin(server, conn, mem, ev):
    conn.negotiate(dict(vu.CAPS, twin_socket={"supported": True}))


def step_mapped(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096, fd=mem.fd)
    conn.dma_map(4096, 4096, vu.MAP_RW | vu.MAP_FILE, fd=mem.fd)
    conn.dma_map(8192, 4096)


def step_map_in_flight(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])


def step_half_map(server, conn, mem, ev):
    conn.negotiate()
    conn.send_raw(vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096))[:30], [mem.fd])


def step_irqs(server, conn, mem, ev):
    conn.negotiate()
    conn.set_irqs(vu.MSIX, 0, 16, vu.EVENTFD | vu.TRIGGER, fds=[ev.fd] * 16)
    conn.set_irqs(vu.INTX, 0, 1, vu.EVENTFD | vu.UNMASK, fds=[ev.fd])


def step_region_fd(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.REGION_INFO, vu.p_region_info(2, 4096))


def step_pending_access(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])
    server.wait_log("pending:4")


def step_quiescing(server, conn, mem, ev):
    conn.negotiate()
    server.ctl("log")
    server.ctl("quiesce", "pending")
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])
    conn.send(vu.DMA_MAP, vu.p_dma_map(4096, 4096), fds=[mem.fd])
    server.wait_log("quiesce")


def step_reader(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096, fd=mem.fd)
    assert server.ctl("reader", "hold", 0).rc == 1
    conn.send(vu.DMA_UNMAP, vu.p_dma_unmap(0, 4096))
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])


def step_dma_request(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "thread", 0, 16)
    conn.recv_command(vu.DMA_READ)


def step_half_dma_reply(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "thread", 0, 16)
    msg = conn.recv_command(vu.DMA_READ)
    conn.send_raw(vu.message(vu.DMA_READ, vu.p_dma(0, 16, bytes(16)),
                             mid=msg.id, flags=vu.REPLY)[:-1])


def step_unread_replies(server, conn, mem, ev):
    conn.negotiate()
    conn.send_raw(vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000)) * 50)


STEPS = {name[5:]: step for name, step in list(globals().items())
         if name.startswith("step_")}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_death(server, memory, event, step, how):
    """Nothing is left behind, and the next client is served."""
    mem, ev = memory(8192), event()
    conn = server.connect()
    step(server, conn, mem, ev)
    if how == "shutdown":
        conn.sock.shutdown(socket.SHUT_WR)
    elif how == "reset":  # unread data make the kernel say ECONNRESET
        server.ctl("fds")
    if how != "shutdown":
        conn.close()
    if step is step_reader:
        server.ctl("reader", "release")
    server.wait_idle()
    server.ctl("quiesce", 0)
    if how == "shutdown":
        conn.close()
    server.wait_fds(server.baseline)
    assert server.ctl("dma_count").rc == 0


def test_lost_connection_callback(server, memory):
    """Once per client that had negotiated; memory is there meanwhile."""
    server.ctl("log")
    conn = server.client()
    conn.dma_map(0x1000, 4096, fd=memory(4096).fd)
    conn.close()
    server.wait_idle()
    words = server.ctl("log").text.split()
    assert words.count("connected") == 1
    assert words.count("reset:lost") == 1
    assert words.index("connected") < words.index("reset:lost")
    if "unmap:1000:1000" in words:
        assert words.index("reset:lost") < words.index("unmap:1000:1000")


def test_no_callback_without_negotiation(server):
    server.ctl("log")
    for data in b"", version()[:20]:
        conn = server.connect()
        conn.send_raw(data)
        conn.close()
    conn = server.connect()
    conn.call(vu.VERSION, vu.p_version(b"garbage"))
    conn.close()
    server.client().close()  # it has seen the others by now
    server.wait_idle()
    words = server.ctl("log").text.split()
    assert words.count("connected") == words.count("reset:lost") == 1


def test_device_state_is_kept(server):
    """D10: disconnecting does not clear the device."""
    conn = server.client()
    conn.write(1, 0x40, b"kept")
    conn.close()
    server.wait_idle()
    assert server.client().read(1, 0x40, 4) == b"kept"


def test_many_connections(server, memory):
    """Two hundred clients in a row."""
    mem = memory(4096)
    for _ in range(200):
        conn = server.client()
        conn.dma_map(0, 4096, fd=mem.fd)
        conn.close()
        server.conns.remove(conn)
    server.wait_idle()
    server.wait_fds(server.baseline)


# -- no busy loops, no file descriptors left ------------------------------

def cpu_ms(pid):
    """CPU time of a process."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) * 1000 // os.sysconf("SC_CLK_TCK")


def waits(server, seconds=0.2):
    """The server sleeps meanwhile."""
    before = cpu_ms(server.pid)
    time.sleep(seconds)
    used = cpu_ms(server.pid) - before
    assert used <= seconds * 1000 / 2, f"{used} ms of CPU while waiting"


def idle_nobody(server, event):
    server.wait_idle()


def idle_client(server, event):
    server.client().sync()


def idle_mute(server, event):
    server.connect()


def idle_half_message(server, event):
    server.client().send_raw(vu.message(vu.GET_INFO, vu.p_info())[:20])


def idle_visitors(server, event):
    server.client()
    for _ in range(40):
        server.connect()


def idle_visitor_half_header(server, event):
    server.client()
    server.connect().send_raw(version()[:7])


def idle_pending(server, event):
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    for _ in range(20):
        conn.send(vu.GET_INFO, vu.p_info())


def idle_pending_backlog(server, event):
    """More requests than are kept: the rest stays in the socket."""
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    for _ in range(100):
        conn.sock.setblocking(False)
        try:
            conn.sock.send(vu.message(vu.GET_INFO, vu.p_info()) * 50)
        except BlockingIOError:
            break


def idle_quiescing(server, event):
    server.ctl("quiesce", "pending")
    server.client().send(vu.RESET)


def idle_dma_request(server, event):
    conn = server.client()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "async", 0, 16)


def idle_unread(server, event):
    conn = server.client()
    conn.sock.setblocking(False)
    try:
        for _ in range(200):
            conn.sock.send(vu.message(vu.REGION_READ,
                                      vu.p_access(1, 0, 0x10000)))
    except BlockingIOError:
        pass


def idle_resample(server, event):
    """A resample eventfd that was signalled and whose client is gone."""
    conn, ev = server.client(), event()
    conn.set_irqs(vu.INTX, 0, 1, vu.EVENTFD | vu.UNMASK, fds=[ev.fd])
    ev.signal()
    conn.close()


IDLE = {name[5:]: step for name, step in list(globals().items())
        if name.startswith("idle_")}


@pytest.mark.parametrize("state", IDLE.values(), ids=IDLE)
def test_waits_without_spinning(server, event, state):
    state(server, event)
    server.ctl("fds")
    time.sleep(0.02)
    waits(server)


def limit_fds(server, room=None):
    """Leave room for that many more fds; without it, for plenty."""
    limit = 1024
    if room is not None:
        used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
        limit = 0
        while limit in used or room:
            room -= limit not in used
            limit += 1
    hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, hard))


def test_out_of_fds(own_server, memory, event):
    """fds that do not fit are lost (CTRUNC): an error, and nothing leaks."""
    server = own_server()
    conn = server.client()
    conn.sync()
    before = server.fds()
    limit_fds(server, 3)
    for count in 4, 16:
        for cmd, payload in (
                (vu.SET_IRQS, vu.p_set_irqs(vu.MSIX, 0, count,
                                            vu.EVENTFD | vu.TRIGGER)),
                (vu.GET_INFO, vu.p_info())):
            reply = conn.call(cmd, payload, fds=[event().fd] * count)
            assert reply.error in (errno.EMFILE, errno.EINVAL)
            server.wait_fds(before)
    limit_fds(server)
    conn.dma_map(0, 4096, fd=memory(4096).fd)
    conn.close()
    server.wait_idle()


def test_no_fd_for_next_client(own_server):
    """accept() fails: no busy loop, and it works again later."""
    server = own_server()
    conn = server.client()
    limit_fds(server, 2)
    conns = [server.connect() for _ in range(7)]
    time.sleep(0.02)
    waits(server)
    conn.sync()
    for other in conns:
        other.close()
    limit_fds(server)
    conn.close()
    server.client().sync()


# -- sockets --------------------------------------------------------------

def test_socket_mode(own_server):
    server = own_server()
    mode = os.stat(server.paths[0]).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    server.quit()
    assert not os.path.exists(server.paths[0])


def test_stale_socket_replaced(own_server, tmp_path):
    """A socket file that nobody listens on."""
    path = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    own_server(paths=[path]).client().sync()


def test_live_socket_not_replaced(server, programs):
    """Somebody listens there: the second server gives up, the first lives."""
    proc = subprocess.run([programs / "wire_server", server.paths[0]],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1
    assert b"setup: -98" in proc.stderr  # EADDRINUSE
    server.client().sync()


def test_other_file_not_replaced(programs, tmp_path):
    """A file that is no socket is left alone."""
    path = tmp_path / "precious"
    path.write_text("data")
    proc = subprocess.run([programs / "wire_server", path],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1
    assert path.read_text() == "data"


def test_long_path_refused(programs, tmp_path):
    """Not truncated."""
    path = tmp_path / ("x" * 120)
    proc = subprocess.run([programs / "wire_server", path],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1 and b"create: 36" in proc.stderr
    assert not list(tmp_path.iterdir())


def test_inherited_listening_socket(own_server, tmp_path):
    """As by socket activation."""
    path = tmp_path / "inherited"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen(4)
        server = own_server("--listen-fd", sock.fileno(), paths=[],
                            pass_fds=[sock.fileno()])
    server.paths = [str(path)]
    for _ in range(3):
        conn = server.client()
        conn.sync()
        conn.close()
        server.wait_idle()
    server.quit()
    assert path.exists(), "the file is not the server's"


def test_inherited_connection(own_server):
    ours, theirs = socket.socketpair()
    with theirs:
        server = own_server("--conn-fd", theirs.fileno(), paths=[],
                            pass_fds=[theirs.fileno()])
    conn = vu.Client(ours)
    conn.negotiate()
    conn.sync()
    assert server.ctl("negotiated").rc == 0
    conn.close()
    server.wait_idle()


def test_destroy_with_client(own_server, memory, event):
    """All is released while a client is connected."""
    server = own_server()
    conn = server.client()
    conn.dma_map(0, 4096, fd=memory(4096).fd)
    conn.set_irqs(vu.MSIX, 0, 1, vu.EVENTFD | vu.TRIGGER, fds=[event().fd])
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    server.ctl("log")
    assert server.ctl("destroy").rc == 0
    conn.assert_closed()
    left = server.fds()
    assert left <= 4, server.fd_list()
    assert not os.path.exists(server.paths[0])


def test_killed_server(own_server):
    """The client of a killed server sees the end at once."""
    server = own_server()
    conn = server.client()
    os.kill(server.pid, signal.SIGKILL)
    conn.assert_closed()
    server.proc.wait(5)


# -- two implementations of ours together ---------------------------------

def test_driver_against_server(server, make_driver):
    """The client under test with the server under test."""
    drv = make_driver(server.paths[0])
    assert drv.cmd("connect").rc == 0
    assert drv.ok("info") == "16 3 10 6"
    assert drv.cmd("write", 1, 0, "@65536:5").rc == 65536
    want = harness.data_text(vu.pattern(65536, 5))
    assert drv.cmd("read", 1, 0, 65536) == (65536, want)
    assert drv.cmd("mmap", 2) == (0, "1")
    assert drv.cmd("va", 2, 0x1000, 4, "01020304") == (0, "01020304")
    assert drv.cmd("read", 2, 0x1000, 4) == (4, "01020304")
    assert drv.cmd("mmap", 4) == (0, "1")
    assert drv.cmd("va", 4, 0, 4).text == vu.pattern(4, 0xa0).hex()
    assert drv.cmd("dma_map", 0x1000, 4096, 3, "mem",
                   0x100000, 8192, 3, "memfd").rc == 0
    assert drv.cmd("mem", 0x1000, 16, "@16:9").rc == 0
    tag = server.ctl_start("dma_read", "thread", 0x1000, 16)
    drv.cmd("poll", 30000, 1)
    assert server.result(tag) == (0, vu.pattern(16, 9).hex())
    assert drv.cmd("multi", 100, 1, 0, "0102030405060708").rc == 100
    assert drv.cmd("irq_assign", vu.MSIX, 0, "e64").rc == 0
    assert server.ctl("trigger", vu.MSIX, 33).rc == 0
    assert drv.cmd("irq_wait", 33, 30000).rc == 1
    assert drv.cmd("reset").rc == 0
    assert drv.cmd("dma_unmap_all").rc == 0


def test_driver_dma_while_waiting(server, make_driver):
    """Our client serves requests while it waits for its reply."""
    drv = make_driver(server.paths[0], "--no-twin")
    assert drv.cmd("connect").rc == 0
    assert drv.cmd("dma_map", 0x1000, 4096, 3, "mem").rc == 0
    assert drv.cmd("mem", 0x1000, 4, "aabbccdd").rc == 0
    tag = server.ctl_start("dma_read", "callback", 0x1000, 4)
    server.ctl("fds")
    assert drv.cmd("read", 0, 0x118, 4).rc == 4
    assert server.result(tag) == (0, "aabbccdd")


def test_driver_waits_for_busy_device(server, make_driver):
    """connect_timeout_ms goes on while another client holds the device."""
    holder = server.client()
    drv = make_driver(server.paths[0], "--connect-timeout", 30000)
    tag = drv.start("connect")
    assert not drv.done(tag, 0.1)
    holder.close()
    assert drv.result(tag).rc == 0


def test_driver_busy(server, client, make_driver):
    drv = make_driver(server.paths[0])
    assert drv.cmd("connect").rc == -errno.EBUSY
