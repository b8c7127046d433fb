# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Fixtures: servers and clients under test, checked after each test.

Servers live for the session, one process per set of options; after each test
that used one it must be sane and hold no file descriptor more than before.
"""

import os
import pathlib

import pytest

import harness
import lying_server
import vfio_user_wire as vu


def pytest_addoption(parser):
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.addoption("--build-dir", default=str(root / "build"),
                     help="meson build directory with the test programs")
    parser.addoption("--through", metavar="PROGRAM", help="put this tracing "
                     "proxy (dpdk-vfio-user) between clients and servers")


def pytest_configure(config):
    config.addinivalue_line("markers", "server(*options): options of `server`")
    config.addinivalue_line("markers", "driver(*options): options of `driver`")
    config.addinivalue_line("markers", "long: full counts, WIRE_LONG=1 only")


def pytest_collection_modifyitems(items):
    if os.environ.get("WIRE_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="WIRE_LONG is not set"))


@pytest.fixture(scope="session")
def programs(request):
    """Where the programs are."""
    where = pathlib.Path(request.config.getoption("--build-dir")).resolve()
    where = where / "tests" / "wire"
    if not (where / "wire_server").exists():
        pytest.fail(f"no wire_server in {where}: build first", pytrace=False)
    return where


class Pool:
    """Servers by their options."""

    def __init__(self, programs, tmp, proxy):
        self.programs = programs
        self.tmp = tmp
        self.proxy = proxy
        self.servers = {}
        self.number = 0

    def create(self, *options, devices=1, paths=None, pass_fds=()):
        self.number += 1
        if paths is None:
            paths = [self.tmp / f"{self.number}.{i}" for i in range(devices)]
        return harness.Server(self.programs / "wire_server",
                              [str(o) for o in options], paths,
                              self.tmp / f"server{self.number}.log", pass_fds,
                              self.proxy)

    def get(self, *options, devices=1):
        key = options, devices
        if key not in self.servers:
            self.servers[key] = self.create(*options, devices=devices)
        return self.servers[key]

    def drop(self, server):
        """It is not to be trusted any more."""
        self.servers = {k: s for k, s in self.servers.items() if s != server}
        server.kill()

    def check(self, server):
        try:
            server.check()
        except BaseException:
            self.drop(server)
            raise

    def quit(self):
        for server in self.servers.values():
            server.quit()


@pytest.fixture(scope="session")
def pool(programs, tmp_path_factory, request):
    pool = Pool(programs, tmp_path_factory.mktemp("s"),
                request.config.getoption("--through"))
    yield pool
    pool.quit()


@pytest.fixture
def server(request, pool):
    """The server under test, with the options of the mark `server`."""
    mark = request.node.get_closest_marker("server")
    server = pool.get(*(mark.args if mark else ()),
                      **(mark.kwargs if mark else {}))
    yield server
    pool.check(server)


@pytest.fixture
def client(server):
    """A negotiated client."""
    return server.client()


@pytest.fixture
def own_server(pool):
    """Makes servers for this test alone; it must end them well itself."""
    made = []

    def make(*options, **kw):
        made.append(pool.create(*options, **kw))
        return made[-1]

    yield make
    for server in made:
        for conn in server.conns:
            conn.close()
        try:
            if server.alive():
                server.quit()
            server.check_log()
        finally:
            server.kill()


@pytest.fixture
def memory():
    """Makes client memory: memory(size, seed)."""
    made = []

    def make(size, seed=0):
        made.append(vu.Memory(size, seed))
        return made[-1]

    yield make
    for mem in made:
        mem.close()


@pytest.fixture
def event():
    """Makes eventfds: event()."""
    made = []

    def make():
        made.append(vu.Event())
        return made[-1]

    yield make
    for ev in made:
        ev.close()


@pytest.fixture
def fake(drivers):
    """A server played by the test."""
    server = vu.FakeServer(drivers.path)
    yield server
    server.close()


class DriverPool:
    """Clients under test by their options; all connect to one path."""

    def __init__(self, programs, tmp, proxy):
        self.programs = programs
        self.tmp = tmp
        self.path = tmp / "fake"
        self.proxy = harness.Proxy(proxy, self.path) if proxy else None
        self.drivers = {}
        self.number = 0

    def create(self, path, *options, pass_fds=()):
        self.number += 1
        options = [str(o) for o in options]
        if "--request-timeout" not in options:
            options += ["--request-timeout", "30000"]
        return harness.Driver(self.programs / "client_driver", options, path,
                              self.tmp / f"driver{self.number}.log", pass_fds)

    def get(self, *options):
        if options not in self.drivers:
            path = self.proxy.path if self.proxy else self.path
            self.drivers[options] = self.create(path, *options)
        return self.drivers[options]

    def check(self, driver):
        try:
            driver.check()
        except BaseException:
            self.drivers = {k: d for k, d in self.drivers.items()
                            if d != driver}
            driver.kill()
            raise

    def quit(self):
        for driver in self.drivers.values():
            driver.quit()
        if self.proxy:
            self.proxy.quit()


@pytest.fixture(scope="session")
def drivers(programs, tmp_path_factory, request):
    pool = DriverPool(programs, tmp_path_factory.mktemp("d"),
                      request.config.getoption("--through"))
    yield pool
    pool.quit()


@pytest.fixture
def driver(request, fake, drivers):
    """The client under test, for `fake`, with the options of its mark."""
    mark = request.node.get_closest_marker("driver")
    driver = drivers.get(*(mark.args if mark else ()))
    yield driver
    drivers.check(driver)


@pytest.fixture
def session(fake, driver):
    """The client under test, negotiated with `fake`."""
    return lying_server.Session(fake, driver)


@pytest.fixture
def make_driver(drivers):
    """Starts clients for this test alone: make_driver(path, options...)."""
    made = []

    def make(path, *options, pass_fds=()):
        made.append(drivers.create(path, *options, pass_fds=pass_fds))
        return made[-1]

    yield make
    for driver in made:
        try:
            driver.check()
            driver.quit()
        finally:
            driver.kill()
