# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Every call of libraries and drivers that may fail is made to fail by a test.

app/test/test_fault.c does it for the libraries, pmd/pmd_fault.c for the drivers, whose
calls of DPDK are looked at, too.
"""

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

#: The same of DPDK and of the C library in the drivers.
HARMLESS_IN_DRIVERS = re.compile(r"""
    __ctype_b_loc | __tls_get_addr | strto\w+ | eventfd_read
    | json_\w+ | per_lcore_\w+ | rte_(log|cpu|get_tsc|net|random)\w* | __rte_panic | rte_panic
    | __rte_pktmbuf_read | rte_pktmbuf_\w+ | rte_mempool_\w+  # data path: they may be few
    | rte_eal_(process_type|alarm_cancel) | rte_eth_random_addr | rte_ether_\w+ | rte_free
    | rte_vdev_register | rte_telemetry_register_cmd | rte_vect_\w+
    | rte_eth_dev_(allocated|attach_secondary|callback_process|close|probing_finish)
    | rte_eth_dev_release_port | rte_eth_pkt_burst_dummy
    | rte_intr_\w+_free | rte_intr_free_\w+       # and those that set a plain number
    | rte_intr_(efd_counter_size|max_intr|nb_efd|type)_set
    | rte_kvargs_(count|free|process)
    | rte_tel_data_\w+                            # an answer is shorter
    """, re.X)


def names(folder, variable):
    """A list of a meson.build: what the linker directs to a function of a test."""
    text = (tree.ROOT / folder / "meson.build").read_text(encoding="utf-8")
    found = re.search(r"^%s = \[(.*?)\]" % variable, text, re.S | re.M)[1]
    return set(re.findall(r"'(\w+)'", found))


def undefined(*archives):
    """What objects use that is defined elsewhere."""
    return {line.split()[0] for line in tree.run("nm", "-u", "-P", *archives).splitlines()
            if re.match(r"\w+ U", line)}


@pytest.fixture(scope="module")
def wrapped():
    """What the linker directs to test_fault.c."""
    return names("app/test", "wrapped")


def test_each_call_can_fail(build_dir, wrapped):
    archives = [build_dir / "lib" / ("librte_%s.a" % lib.name) for lib in tree.LIBS]
    used = undefined(*archives)
    own = {n for n in used if re.match(r"(rte_)?(vfio_user|virtio)_", n)}
    tree.nothing(sorted(n for n in used - own - wrapped if not HARMLESS.fullmatch(n)),
                 "neither in app/test/meson.build nor in HARMLESS of test_faults.py")
    tree.nothing(sorted(wrapped - used), "not used by the library any more")


def test_each_call_of_drivers_can_fail(build_dir, wrapped):
    archives = sorted((build_dir / "drivers").glob("librte_net_*.a"))
    if not archives:
        pytest.skip("the drivers were not built")
    used = undefined(*archives)
    of_dpdk = names("app/test/pmd", "pmd_wrapped")
    own = {n for n in used if re.match(r"v?nic_|rte_(vfio_user|virtio)_", n)}
    tree.nothing(sorted(n for n in used - own - wrapped - of_dpdk if not
                        (HARMLESS_IN_DRIVERS.fullmatch(n) or
                         (HARMLESS.fullmatch(n) and not n.startswith("rte_")))),
                 "neither in app/test/pmd/meson.build nor in HARMLESS of test_faults.py")
    libs = undefined(*[build_dir / "lib" / ("librte_%s.a" % lib.name) for lib in tree.LIBS])
    tree.nothing(sorted(of_dpdk - used - libs), "not used by a driver any more")
