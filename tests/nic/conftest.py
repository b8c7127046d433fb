# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The guests' images, and the two ways in which testpmd can be a guest's NIC."""

import os
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "vm"))

# pylint: disable=wrong-import-position, unused-import
import nic
import vm
import world as worlds
from guests import (built, missing, pytest_addoption, pytest_runtest_makereport,
                    pytest_terminal_summary, run_lab)

@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """QEMU, kernel and initramfs."""
    try:
        return vm.Images.get(str(tmp_path_factory.mktemp("images")), worlds.MODULES,
                             programs=worlds.PROGRAMS)
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(scope="session", params=list(nic.BACKENDS))
def backend(request):
    """Each of the two ways."""
    try:
        return nic.BACKENDS[request.param](os.path.abspath(
            request.config.getoption("--build-dir")))
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(scope="session")
def backend_lab(backend):  # pylint: disable=unused-argument
    """A place for what is tested in one of the ways, and ends before the other's turn."""
    yield from run_lab()


@pytest.fixture(scope="session")
def stream(request):
    """The path of the program that is one end of a TCP connection."""
    return built(request, "tests", "nic", "stream")


@pytest.fixture(scope="session")
def world(backend_lab, images, backend, stream):
    """Boot the guest."""
    try:
        return worlds.World(backend_lab, images, backend, stream)
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(autouse=True)
def healthy(world):
    """No test makes the guest's kernel complain."""
    yield
    if world.guest.alive():
        world.healthy()


@pytest.fixture
def guest(world):
    """Return the guest."""
    return world.guest


@pytest.fixture
def eth(world):
    """The name of the NIC in the guest."""
    return world.nic.wait()
