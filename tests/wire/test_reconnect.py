# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test, whose server goes away and comes back."""

import errno
import os
import random
import socket
import struct
import threading
import time

import pytest

import harness
import vfio_user_wire as vu

ENOTCONN, ETIMEDOUT, ESTALE = -errno.ENOTCONN, -errno.ETIMEDOUT, -errno.ESTALE

CAPS = {"max_msg_fds": 8, "max_data_xfer_size": 65536, "max_dma_maps": 100,
        "pgsizes": 4096}
RW = vu.REGION_READABLE | vu.REGION_WRITABLE
NB_REGIONS, NB_IRQS = 3, 2
IOVA = 0x10000

#: Commands of the handshake, in their order.
STEPS = [vu.VERSION, vu.GET_INFO, vu.REGION_INFO, vu.IRQ_INFO, vu.DMA_MAP, vu.SET_IRQS]

RECONNECT = pytest.mark.driver("--reconnect", 60000)
IMPATIENT = pytest.mark.driver("--reconnect", 60000, "--request-timeout", 500)


def answers(**changes):
    """What the device answers: command -> function of a request."""
    dev = {"version": vu.p_version(vu.caps_json(CAPS)),
           "info": struct.pack("=IIII", 16, 3, NB_REGIONS, NB_IRQS),
           "region": (32, RW, 0x4000), "irq": (1, 4), **changes}

    def index(msg):
        return struct.unpack_from("=I", msg.payload, 8)[0]

    def region(msg):
        argsz, flags, size = dev["region"]
        return struct.pack("=IIIIQQ", argsz, flags, index(msg), 0, size, 0)

    def irq(msg):
        flags, count = dev["irq"]
        return struct.pack("=IIII", 16, flags, index(msg), count)

    return {vu.VERSION: lambda msg: dev["version"], vu.GET_INFO: lambda msg: dev["info"],
            vu.REGION_INFO: region, vu.IRQ_INFO: irq,
            vu.REGION_READ: lambda msg: msg.payload + bytes(
                struct.unpack_from("=I", msg.payload, 12)[0])}


class Device:
    """Serves one connection in a thread; bad(conn, msg, payload) replies instead."""

    def __init__(self, conn, step=None, bad=None, **changes):
        self.conn, self.step, self.bad = conn, step, bad
        self.answers = answers(**changes)
        self.seen = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while True:
                msg = self.conn.recv_command(timeout=30)
                self.seen.append(msg)
                payload = self.answers.get(msg.cmd, lambda msg: b"")(msg)
                if msg.cmd == self.step:
                    self.bad(self.conn, msg, payload)
                else:
                    self.conn.reply(msg, payload)
        except (vu.Closed, OSError):
            pass

    def end(self):
        """The connection is over; which commands came."""
        try:
            self.conn.sock.shutdown(2)
        except OSError:
            pass
        self.thread.join()
        self.conn.close()
        return [msg.cmd for msg in self.seen]


class Setup:
    """A client of the first device, with memory and an interrupt."""

    def __init__(self, fake, driver):
        self.fake, self.drv = fake, driver
        tag = driver.start("connect")
        self.dev = self.accept()
        assert driver.result(tag).rc == 0
        driver.ok("dma_map", IOVA, 4096, 3, "memfd", IOVA + 8192, 4096, 1, "none")
        driver.ok("irq_assign", 1, 0, "e", "-", "e")

    def accept(self, **kw):
        return Device(self.fake.accept(), **kw)

    def states(self, number, ms=15000):
        """Poll the client until it has told of as many states."""
        return self.drv.result(self.drv.start("states", number, ms), 60)

    def lose(self):
        self.dev.end()
        assert self.states(1).text.split() == [f"lost:{ENOTCONN}"]

    def come_back(self, tag):
        """A good device, until the client is content with it."""
        self.dev = self.accept()
        while not self.drv.done(tag, 0.1):
            if not self.dev.thread.is_alive():  # too slow for the client
                self.dev.end()
                self.dev = self.accept()
        assert self.drv.result(tag).text.split() == ["back:0"]
        maps = [m for m in self.dev.seen if m.cmd == vu.DMA_MAP]
        assert [(struct.unpack_from("=QQ", m.payload, 16), len(m.fds)) for m in maps] == \
            [((IOVA, 4096), 1), ((IOVA + 8192, 4096), 0)]
        irqs = [m for m in self.dev.seen if m.cmd == vu.SET_IRQS]
        assert [struct.unpack_from("=IIII", m.payload, 4) + (len(m.fds),) for m in irqs] == \
            [(vu.EVENTFD | vu.TRIGGER, 1, 0, 1, 1), (vu.EVENTFD | vu.TRIGGER, 1, 2, 1, 1)]
        order = [STEPS.index(m.cmd) for m in self.dev.seen if m.cmd in STEPS]
        assert order == sorted(order)
        assert self.drv.ok("read", 0, 0, 4) == "00000000"


@pytest.fixture
def setup(fake, driver):
    made = Setup(fake, driver)
    yield made
    made.dev.end()


def refuse(conn, msg, _payload):
    conn.reply(msg, err=errno.EBUSY)


def garbage(conn, _msg, _payload):
    conn.send_raw(b"\xff" * 64)


def silence(conn, _msg, _payload):
    pass


def close(conn, _msg, _payload):
    conn.sock.shutdown(2)


def short(conn, msg, payload):
    conn.reply(msg, payload[:3])


def long_fds(conn, msg, payload):
    with open("/dev/null", "rb") as null:
        conn.reply(msg, payload, fds=[null.fileno()] * 8)


BAD = [(step, bad) for step in STEPS for bad in (refuse, garbage, silence, close, short)
       # an answer that has no payload cannot be short; a refusal to describe
       # something is another shape, see below
       if not (bad is short and step in (vu.DMA_MAP, vu.SET_IRQS))
       and not (bad is refuse and step in (vu.REGION_INFO, vu.IRQ_INFO))]


@IMPATIENT
@pytest.mark.parametrize("step, bad", BAD, ids=lambda v: getattr(v, "__name__", str(v)))
def test_bad_handshake(setup, step, bad):
    """A bad server costs an attempt; the next good one is taken."""
    setup.lose()
    before = setup.drv.fds()
    tag = setup.drv.start("states", 1, 50000)
    reached = 0
    for _ in range(20):  # on a slow machine an earlier step may time out
        dev = setup.accept(step=step, bad=bad)
        dev.thread.join(20)
        seen = dev.end()
        assert all(STEPS.index(cmd) <= STEPS.index(step) for cmd in seen), seen
        setup.drv.wait_fds(before)
        reached += step in seen
        if reached == 2:
            break
    assert reached == 2
    setup.come_back(tag)


@RECONNECT
def test_unwanted_fds(setup):
    """File descriptors nobody asked for are closed."""
    setup.lose()
    before = setup.drv.fds()
    tag = setup.drv.start("states", 1, 50000)
    setup.dev = setup.accept(step=vu.GET_INFO, bad=long_fds)
    assert setup.drv.result(tag, 60).text.split() == ["back:0"]
    setup.drv.wait_fds(before + 1)  # the socket


@RECONNECT
def test_connect_and_close(setup):
    """A server that ends every connection at once costs few attempts."""
    setup.lose()
    tag = setup.drv.start("states", 1, 1500)
    attempts = 0
    while not setup.drv.done(tag):
        try:
            setup.fake.accept(timeout=0.1).close()
            attempts += 1
        except socket.timeout:
            pass
    wakes = setup.drv.result(tag)
    assert wakes.text == ""
    # 10 + 20 + 40 ... ms: about eight
    assert 2 <= attempts <= 12
    assert wakes.rc <= 20 * attempts, "the client is busy"
    setup.come_back(setup.drv.start("states", 1, 50000))


@RECONNECT
def test_nobody_listens(setup):
    """Waiting costs next to nothing, and ends when somebody listens."""
    path = setup.fake.path
    os.rename(path, path + ".away")
    setup.lose()
    res = setup.states(1, 1000)
    assert res.text == "" and res.rc <= 40, "the client is busy"
    tag = setup.drv.start("states", 1, 50000)
    os.rename(path + ".away", path)
    setup.come_back(tag)


CHANGES = {
    "fewer fds": {"version": vu.p_version(vu.caps_json({**CAPS, "max_msg_fds": 7}))},
    "smaller messages": {"version": vu.p_version(
        vu.caps_json({**CAPS, "max_data_xfer_size": 4096}))},
    "fewer maps": {"version": vu.p_version(vu.caps_json({**CAPS, "max_dma_maps": 99}))},
    "minor": {"version": vu.p_version(vu.caps_json(CAPS), minor=1)},
    "flags": {"info": struct.pack("=IIII", 16, 2, NB_REGIONS, NB_IRQS)},
    "regions": {"info": struct.pack("=IIII", 16, 3, NB_REGIONS + 1, NB_IRQS)},
    "irqs": {"info": struct.pack("=IIII", 16, 3, NB_REGIONS, 0xffffffff)},
    "size": {"region": (32, RW, 0x5000)},
    "region flags": {"region": (32, vu.REGION_READABLE, 0x4000)},
    "mappable": {"region": (32, RW | vu.REGION_MMAP, 0x4000)},
    "capabilities": {"region": (64, RW, 0x4000)},
    "vectors": {"irq": (1, 5)},
    "irq flags": {"irq": (3, 4)},
}


def gives_up(setup, **kw):
    setup.lose()
    tag = setup.drv.start("states", 1, 50000)
    setup.dev = setup.accept(**kw)
    assert setup.drv.result(tag, 60).text.split() == [f"gave_up:{ESTALE}"]
    seen = setup.dev.end()
    assert vu.DMA_MAP not in seen and vu.SET_IRQS not in seen
    assert setup.drv.cmd("read", 0, 0, 4).rc == ENOTCONN
    assert "has changed" in setup.drv.log()


@RECONNECT
@pytest.mark.parametrize("what", CHANGES)
def test_other_shape(setup, what):
    """Another device gets no memory and no interrupts."""
    gives_up(setup, **CHANGES[what])


@RECONNECT
@pytest.mark.parametrize("step", [vu.REGION_INFO, vu.IRQ_INFO])
def test_refused_description(setup, step):
    gives_up(setup, step=step, bad=refuse)


@pytest.mark.driver("--reconnect", 400, "--request-timeout", 10000)
@pytest.mark.parametrize("step", STEPS)
def test_timeout_in_handshake(setup, step):
    """The time is over while a server thinks: sooner than its answer is due."""
    setup.lose()
    tag = setup.drv.start("states", 1, 9000)
    setup.dev = setup.accept(step=step, bad=silence)
    assert setup.drv.result(tag, 60).text.split() == [f"gave_up:{ETIMEDOUT}"]
    setup.dev.thread.join(20)
    assert not setup.dev.thread.is_alive(), "the client has not parted"


@pytest.mark.driver("--reconnect", 20000, "--request-timeout", 3000, "--retry-reads")
def test_read_in_flight(setup):
    """A read that the server took with it is sent again, a write is not."""
    drv = setup.drv
    setup.dev.step, setup.dev.bad = vu.REGION_READ, silence
    setup.dev.answers[vu.REGION_WRITE] = None  # ends the thread: no answer
    rd = drv.start("&", "read", 0, 8, 4)
    harness.wait_for(lambda: setup.dev.seen[-1].cmd == vu.REGION_READ)
    setup.lose()
    assert drv.cmd("write", 0, 8, "00").rc == ENOTCONN
    tag = drv.start("states", 1, 50000)
    setup.come_back(tag)
    assert drv.result(rd) == (4, "00000000")


@RECONNECT
def test_merged(setup):
    """What was mapped and assigned while nobody was there."""
    drv = setup.drv
    setup.lose()
    assert drv.cmd("dma_unmap", IOVA, 4096).rc == 0
    assert drv.cmd("dma_unmap", IOVA, 4096).rc == -errno.ENOENT
    assert drv.cmd("dma_map", IOVA + 8192, 4096, 3, "memfd").rc == -errno.EEXIST
    assert drv.cmd("dma_map", 0x40000, 4096, 2, "file").rc == 0
    assert drv.cmd("irq_assign", 1, 0, "-", "e").rc == 0
    assert drv.cmd("irq_assign", 1, 4, "e").rc == -errno.EINVAL
    tag = drv.start("states", 1, 50000)
    setup.dev = setup.accept()
    assert drv.result(tag, 60).text.split() == ["back:0"]
    maps = [struct.unpack_from("=IQQ", m.payload, 4)[0::2] for m in setup.dev.seen
            if m.cmd == vu.DMA_MAP]
    assert maps == [(vu.MAP_READ, IOVA + 8192), (vu.MAP_WRITE | vu.MAP_FILE, 0x40000)]
    irqs = [struct.unpack_from("=II", m.payload, 12) for m in setup.dev.seen
            if m.cmd == vu.SET_IRQS]
    assert irqs == [(1, 2)]


# -- a real server, killed ------------------------------------------------------


class Mortal(harness.Server):
    """wire_server that is not used before the client under test comes."""

    def warm(self, options):
        pass


def killed(programs, make_driver, tmp_path, times):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rand = random.Random(seed)
    path = tmp_path / "mortal"
    program = programs / "wire_server"
    server = Mortal(program, [], [path], tmp_path / "server.log")
    try:
        drv = make_driver(path, "--reconnect", 60000, *rand.choice(([], ["--retry-reads"])))
        drv.ok("connect")
        drv.ok("mmap", 2)
        drv.ok("dma_map", IOVA, 65536, 3, "memfd")
        drv.ok("irq_assign", 2, 0, "e")
        for turn in range(times):
            work = [drv.start("&", "work", 0x1000000 * (i + 1), rand.randrange(20, 120))
                    for i in range(2)]
            poller = drv.start("&", "poll", 120)
            time.sleep(rand.random() * 0.1)
            server.kill()
            time.sleep(rand.choice((0, 0, 0.03)))
            server = Mortal(program, [], [path], tmp_path / "server.log")
            for tag in work:
                res = drv.result(tag, 60)
                assert res.rc >= 0, (turn, errno.errorcode.get(-res.rc))
            assert drv.result(poller, 60).rc >= 0
            states = drv.result(drv.start("states", 2, 30000), 60).text.split()
            assert states == [f"lost:{ENOTCONN}", "back:0"], (turn, states)
            works(drv, server, turn)
        drv.ok("dma_unmap", IOVA, 65536)
        assert server.ctl("dma_count").rc == 0, "what the threads mapped is unmapped"
    finally:
        server.kill()


def works(drv, server, turn):
    """Memory, interrupts, messages and BARs all are the new server's."""
    drv.ok("irq_wait", 0, 0)  # for what may have been missed
    assert server.ctl("trigger", 2, 0).rc == 0
    assert drv.cmd("irq_wait", 0, 5000).rc == 1
    word = struct.pack("=I", turn).hex()
    drv.ok("mem", IOVA + 64, 4, word)
    assert server.ctl("dma_read", "poll", IOVA + 64, 4) == (0, word)
    drv.ok("write", 2, 0x1010, word)
    assert drv.ok("va", 2, 0x1010, 4) == word


def test_killed(programs, make_driver, tmp_path):
    """SIGKILL at random moments while threads use the device."""
    killed(programs, make_driver, tmp_path, 200 if os.environ.get("WIRE_LONG") else 20)
