# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The code compiles with the headers of later versions of DPDK, which Debian has.

They are not linked, let alone run: what differs is in headers, and nearly all of it is
found by a compiler.
"""

import pathlib
import subprocess

import pytest
import tree

#: Versions of DPDK, and the suites of Debian that have them.
SUITES = {"24.11": "trixie", "25.11": "forky"}
#: As meson.build has them; those that a compiler or a machine may lack are left out.
FLAGS = ("-std=gnu11", "-fsyntax-only", "-march=corei7", "-Wall", "-Wextra", "-Werror", "-Wno-undef",
         "-Wno-missing-field-initializers", "-include", "rte_config.h", "-DVFIO_USER_TRACE_FP",
         "-DALLOW_INTERNAL_API", "-mprfchw")
DRIVERS = sorted((tree.ROOT / "drivers" / "net").glob("*/"))


@pytest.fixture(scope="module", params=SUITES)
def headers(request):
    """The folder with the headers of a version."""
    done = subprocess.run([tree.ROOT / "scripts" / "fetch-dpdk-headers.sh", SUITES[request.param]],
                          check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        pytest.skip("no headers of DPDK %s: %s" % (request.param, done.stderr.strip()[-300:]))
    folder = pathlib.Path(done.stdout.strip())
    found = (folder / "include" / "x86_64-linux-gnu" / "dpdk" / "rte_build_config.h").read_text()
    for name, number in zip(("YEAR", "MONTH"), request.param.split(".")):
        if "#define RTE_VER_%s %s\n" % (name, number) not in found:
            pytest.skip("%s of Debian has another DPDK than %s" % (folder.name, request.param))
    return folder


def compile_all(sources, headers, *flags):
    """Compile them all, as far as warnings go."""
    include = headers / "include"
    tree.run("gcc", *FLAGS, *tree.DEFINES, *tree.includes(), "-I", include / "dpdk",
             "-I", include / "x86_64-linux-gnu" / "dpdk", *flags,
             *tree.pkg_config("--cflags", "jansson"), *sorted(sources))


@pytest.mark.parametrize("lib", tree.LIBS, ids=lambda lib: lib.name)
def test_library(headers, lib):
    """A library of ours."""
    compile_all(lib.glob("*.c"), headers)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_driver(headers, driver):
    """A driver, for which the headers of the sources are needed."""
    sdk = headers / "driver-sdk"
    if not sdk.exists():
        pytest.skip("%s: the mirror had not the sources of that DPDK; remove the folder from "
                    "the cache to try again" % headers.name)
    compile_all(driver.glob("*.c"), headers, "-isystem", sdk,
                "-I", tree.ROOT / "drivers" / "common" / "virtio_net")
