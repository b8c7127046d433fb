# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The modules of the library use each other only downwards.

A module is vfio_user_NAME.c with vfio_user_NAME.h, or a header alone. What it
uses is read from the symbols of its object file and from its includes.
"""

import re

import pytest
import tree

#: Layer -> modules. A new module must be given a place here; parts of the
#: server (server_NAME), the client (client_NAME) and the series' API
#: (series_NAME) have theirs.
LAYERS = {
    "L0": {"pace", "proto", "compat", "log", "thread", "codec", "caps", "iova", "iova_node"},
    "L1": {"fd", "file", "sock", "grace", "lookup", "lookup_avx2", "sigbus", "window"},
    "L2": {"conn", "dma", "irq", "region"},
    "server": {"server"},
    "client": {"client"},
    "pci": {"pci"},
    "poll_group": {"poll_group"},
    "runner": {"runner"},
    "series": {"series"},
}

#: Layers whose modules are vfio_user_LAYER_PART.
PARTED = ("server", "client", "series")

#: Layer -> layers whose modules it may use.
BELOW = {
    "L0": {"L0"},
    "L1": {"L0"},
    "L2": {"L0", "L1"},
    "server": {"L0", "L1", "L2", "server"},
    "client": {"L0", "L1", "L2", "client"},
    "pci": set(),
    "poll_group": set(),
    "runner": set(),
    "series": {"series"},
}

#: Single edges besides: module -> modules.
ALSO = {
    "lookup": {"lookup_avx2"},
    "lookup_avx2": {"lookup"},
    "window": {"file", "sigbus"},  # memory mappings of files, which may break
    "sock": {"fd"},  # received file descriptors belong to the message
    "pci": {"log"},
    "poll_group": {"log"},
    "runner": {"log", "thread"},
    "series": {"log", "thread"},
    "series_client": {"log"},
    "series_info": {"log"},
}

SERVER_API = re.compile(r"rte_vfio_user_(server|dma)_\w+")

#: Modules that stand on public APIs: module -> layer -> symbols.
PUBLIC_API = {
    "pci": {"server": SERVER_API},
    "poll_group": {"server": SERVER_API},
    "runner": {"poll_group": re.compile(r"rte_vfio_user_poll_group_\w+")},
    "series": {"server": SERVER_API},
    "series_client": {"client": re.compile(r"rte_vfio_user_client_\w+")},
    "series_info": {"server": SERVER_API},
    "series_mem": {"server": SERVER_API},
}

#: Public headers that a source file must not see, not even through another
#: one: the server and the client know nothing of each other.
#: Layer -> NAME of rte_vfio_user_NAME.h, "series" of rte_vfio_user.h.
HIDDEN = {
    "L0": {"client", "server", "pci", "poll_group", "runner", "series"},
    "L1": {"client", "pci", "poll_group", "runner", "series"},
    "L2": {"client", "pci", "poll_group", "runner", "series"},
    "server": {"client", "pci", "poll_group", "runner", "series"},
    "client": {"server", "pci", "poll_group", "runner", "series"},
    "pci": {"client", "poll_group", "runner", "series"},
    "poll_group": {"client", "pci", "runner", "series"},
    "runner": {"client", "pci", "series"},
    "series": {"pci", "poll_group", "runner"},
}


def layer_of(module):
    """The layer of a module, or None."""
    role = module.partition("_")[0]
    for layer, modules in LAYERS.items():
        if module in modules or (layer == role and role in PARTED):
            return layer
    return None


def may_use(user, used, symbol=None):
    """Whether module user may use (this symbol of) module used."""
    if user == used or used in ALSO.get(user, ()):
        return True
    api = PUBLIC_API.get(user, {}).get(layer_of(used))
    if symbol and api:
        return bool(api.fullmatch(symbol))
    return layer_of(used) in BELOW[layer_of(user)]


def named(module):
    """A module as it is written in messages."""
    return "vfio_user_%s (%s)" % (module, layer_of(module))


def module_of(name):
    """The module of a source file, or of an object file as meson names it."""
    return re.search(r"vfio_user_((?!vfio_user_)\w+?)(?:\.c)?\.[cho]$", name)[1]


@pytest.mark.parametrize("user, used, symbol, allowed", (
    ("conn", "sock", None, True),
    ("conn", "dma", None, False),
    ("fd", "sock", None, False),
    ("server_cmd", "server_dma", None, True),
    ("server", "client", None, False),
    ("client_dma", "server_dma", None, False),
    ("server", "runner", None, False),
    ("pci", "server", "rte_vfio_user_server_irq_set", True),
    ("pci", "server", "vfio_user_server_close", False),
    ("pci", "server", None, False),
    ("poll_group", "server", "rte_vfio_user_server_poll", True),
    ("poll_group", "conn", "vfio_user_conn_own", False),
    ("runner", "poll_group", "rte_vfio_user_poll_group_poll", True),
    ("runner", "server", "rte_vfio_user_server_poll", False),
    ("series", "server", "rte_vfio_user_server_poll", True),
    ("series", "client", "rte_vfio_user_client_create", False),
    ("series_client", "client", "rte_vfio_user_client_create", True),
    ("series_client", "server", "rte_vfio_user_server_poll", False),
    ("series_mem", "server", "rte_vfio_user_dma_next", True),
    ("series_mem", "iova", "vfio_user_iova_next", False),
    ("server", "series", None, False),
))
def test_the_table_itself(user, used, symbol, allowed):
    assert may_use(user, used, symbol) == allowed


@pytest.fixture(scope="module")
def symbols(build_dir):
    """Module -> (defined symbols, undefined symbols), of the static archive."""
    archive = build_dir / "lib" / "librte_vfio_user.a"
    found = {}
    for line in tree.run("nm", "-A", "-g", "-P", archive).splitlines():
        member, name, kind = re.match(r".*\[(.*)\]: (\S+) (\S)", line).groups()
        defined, wanted = found.setdefault(module_of(member), (set(), set()))
        (wanted if kind in "Uvw" else defined).add(name)
    return found


def test_every_module_has_a_layer(symbols):
    sources = {module_of(p.name) for p in tree.LIB.glob("vfio_user_*.[ch]")}
    tree.nothing({m for m in sources if layer_of(m) is None},
                 "modules without a layer in test_layers.py")
    tree.nothing({m for m in sources if (tree.LIB / ("vfio_user_%s.c" % m)).exists()}
                 - set(symbols), "modules that are not in the library")


def test_symbols_go_downwards(symbols):
    owner = {name: module for module, (defined, _) in symbols.items() for name in defined}
    bad = ["%s uses %s of %s" % (named(user), name, named(owner[name]))
           for user, (_, wanted) in symbols.items() for name in sorted(wanted)
           if name in owner and not may_use(user, owner[name], name)]
    tree.nothing(bad, "not allowed by test_layers.py")


#: Named by the patch series of 2020.
UNPREFIXED = {"rte_vfio_get_sock_addr"}


def test_internal_symbols_are_prefixed(symbols):
    bad = ["%s: %s" % (named(module), name) for module, (defined, _) in symbols.items()
           for name in sorted(defined - UNPREFIXED)
           if not re.match(r"(rte_)?vfio_user_", name)]
    tree.nothing(bad, "global symbols without the prefix")


def includes():
    """(file, module, header) for each include of one of our headers."""
    for path in sorted(tree.LIB.glob("vfio_user_*.[ch]")):
        text = path.read_text(encoding="utf-8")
        for header in re.findall(r'^#\s*include\s+["<]((?:rte_)?vfio_user_\w+\.h)', text, re.M):
            yield path.name, module_of(path.name), header


def test_includes_go_downwards():
    bad = ["%s includes %s" % (name, header) for name, module, header in includes()
           if header.startswith("vfio_user_") and not may_use(module, module_of(header))]
    tree.nothing(bad, "not allowed by test_layers.py")


@pytest.mark.parametrize("source", sorted(tree.LIB.glob("*.c")), ids=lambda p: p.stem)
def test_roles_do_not_see_each_other(source):
    rule = tree.run("gcc", "-MM", *tree.DEFINES, *tree.pkg_config("--cflags", "libdpdk", "jansson"),
                    source)
    seen = {name or "series" for name in re.findall(r"\brte_vfio_user(?:_(\w+))?\.h\b", rule)}
    tree.nothing(sorted(seen & HIDDEN[layer_of(module_of(source.name))]),
                 "%s includes, directly or not, the headers of" % source.name)
