# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DPDK's own applications on ports of both drivers."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "vm"), str(HERE.parent / "nic")]

# pylint: disable=wrong-import-position, unused-import
import ports
import testpmd
import vm
from guests import (lab, missing, module_lab, pytest_addoption, pytest_runtest_makereport,
                    pytest_terminal_summary)


@pytest.fixture(scope="session")
def drivers(request):
    """The words of EAL that load both drivers; testpmd is there, too."""
    try:
        testpmd.program()
        return ports.load(os.path.abspath(request.config.getoption("--build-dir")))
    except vm.Missing as error:
        return missing(str(error))


@pytest.fixture(scope="session")
def examples():
    """The folder with DPDK's examples."""
    try:
        return vm.run_script("fetch-dpdk-examples.sh")
    except vm.Missing as error:
        return missing(str(error))
