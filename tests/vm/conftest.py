# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Images of the guests, and the devices that they get."""

import pytest

import vm
# pylint: disable=unused-import
from guests import (built, lab, missing, module_lab, pytest_addoption,
                    pytest_runtest_makereport, pytest_terminal_summary)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """QEMU, kernel and initramfs."""
    try:
        return vm.Images.get(str(tmp_path_factory.mktemp("images")))
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(scope="session")
def lspci_images(tmp_path_factory):
    """The same, with this machine's lspci in the guest."""
    try:
        return vm.Images.get(str(tmp_path_factory.mktemp("images")), programs=["lspci"])
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(scope="session")
def example(request):
    """A function that returns the path of an example."""
    return lambda name: built(request, "examples", name)


@pytest.fixture(scope="session")
def pci_device(request):
    """The path of the server of the kit's devices."""
    return built(request, "tests", "vm", "pci_device")


@pytest.fixture(scope="session")
def demo(example):
    """The path of the demo device's server."""
    return example("vfio_user_demo")
