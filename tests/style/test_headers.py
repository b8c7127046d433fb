# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Each header compiles alone: public ones as C and C++, private ones as C."""

import pytest
import tree

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-fsyntax-only")
#: What an application compiles with; it has none of the library's own flags.
PUBLIC = (("gcc", "c", "c11"), ("clang", "c", "c11"),
          ("g++", "c++", "c++17"), ("clang++", "c++", "c++17"))


def name(value):
    return getattr(value, "name", None) or (value[0] if isinstance(value, tuple) else value)


def compile_alone(header, compiler, language, standard, flags):
    tree.run(compiler, "-x", language, "-std=" + standard, *WARNINGS, *flags,
             *tree.includes(), *tree.pkg_config("--cflags", "libdpdk"), "-",
             text='#include "%s"\n' % header.name)


@pytest.mark.parametrize("compiler", PUBLIC, ids=name)
@pytest.mark.parametrize("header", tree.public_headers(), ids=name)
def test_public_header(header, compiler):
    compile_alone(header, *compiler, flags=["-DALLOW_EXPERIMENTAL_API"])


@pytest.mark.parametrize("header", tree.private_headers(), ids=name)
def test_private_header(header):
    compile_alone(header, "gcc", "c", "gnu11",
                  flags=[*tree.DEFINES, *tree.pkg_config("--cflags", "jansson")])
