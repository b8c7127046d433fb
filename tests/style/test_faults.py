# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Every call of the libraries that may fail is made to fail by app/test/test_fault.c."""

import re

import pytest
import tree

#: What needs no failure: it cannot fail with the arguments it gets, or nothing
#: depends on it. test_fault.c has more to say on the system calls.
HARMLESS = re.compile(r"""
    (__|_GLOBAL_OFFSET_TABLE_) \w*   # compiler, errno, sanitizers
    | (rte_|json_|per_lcore_) \w+    # jansson's allocations are wrapped as a whole
    | (mem|str(?!dup))\w+ | v?snprintf | free
    | pthread_(cond|mutex|rwlock)_(?!init)\w+ | pthread_condattr_\w+
    | pthread_(detach|join|self|sigmask|setname_np) | sig(fillset|emptyset|addset|delset)
    | sigaction | raise
    | clock_gettime | nanosleep | usleep | sysconf | getpid
    | shutdown | timerfd_settime | munmap
    | (eventfd_)?write               # to eventfds only
    """, re.X)


@pytest.fixture(scope="module")
def wrapped():
    """What the linker directs to test_fault.c."""
    text = (tree.ROOT / "app" / "test" / "meson.build").read_text(encoding="utf-8")
    return set(re.findall(r"'(\w+)'", re.search(r"wrapped = \[(.*?)\]", text, re.S)[1]))


def test_each_call_can_fail(build_dir, wrapped):
    archives = [build_dir / "lib" / ("librte_%s.a" % lib.name) for lib in tree.LIBS]
    used = {line.split()[0] for line in tree.run("nm", "-u", "-P", *archives).splitlines()
            if re.match(r"\w+ U", line)}
    own = {n for n in used if re.match(r"(rte_)?(vfio_user|virtio)_", n)}
    tree.nothing(sorted(n for n in used - own - wrapped if not HARMLESS.fullmatch(n)),
                 "neither in app/test/meson.build nor in HARMLESS of test_faults.py")
    tree.nothing(sorted(wrapped - used), "not used by the library any more")
