# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Fixtures: the virtio examples as servers, and a driver of ours."""

import os
import pathlib
import tempfile

import pytest

import driver

EAL = ["--no-huge", "--no-pci", "-m", "64", "--no-shconf", "--no-telemetry",
       "--vdev", "crypto_openssl0", "--"]


def pytest_addoption(parser):
    """Add --build-dir."""
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.addoption("--build-dir", default=str(root / "build"), help="meson's build folder")


@pytest.fixture(scope="session")
def build(request):
    """The build folder."""
    return os.path.abspath(request.config.getoption("--build-dir"))


def cpus():
    """The number of cpus that may be used."""
    return len(os.sched_getaffinity(0))


def serve(build, name, options):
    """A server of an example; it must end well."""
    # Not below pytest's long folder names: a socket path has 107 bytes.
    with tempfile.TemporaryDirectory(prefix="virtio-") as folder:
        server = driver.Server(os.path.join(build, "examples", name), folder, options)
        try:
            yield server
        finally:
            status = server.stop()
            print(server.read_log())
        assert status == 0
        if name == "virtio_crypto":
            assert "0 sessions, 0 buffers in use" in server.read_log()


@pytest.fixture(scope="session")
def crypto_server(build):
    """The crypto device."""
    yield from serve(build, "virtio_crypto", EAL)


@pytest.fixture(params=[[], ["-r", "4096"]], ids=["unlimited", "limited"])
def rng_server(request, build):
    """The entropy device."""
    yield from serve(build, "virtio_rng", request.param)


@pytest.fixture
def drive(build):
    """A function that starts a driver of a server's device; it must end well."""
    drivers = []

    def start(server, *options):
        drivers.append(driver.Driver(os.path.join(build, "tests", "virtio", "virtio_shell"),
                                     server, *options))
        return drivers[-1]

    yield start
    for started in drivers:
        if started.process.poll() is None:
            started.close()
