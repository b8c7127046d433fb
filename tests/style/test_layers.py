# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The modules of a library use each other only downwards.

A module is PREFIX_NAME.c with PREFIX_NAME.h, or a header alone. What it uses is
read from the symbols of its object file and from its includes. The tables below
are those of lib/vfio_user; the small ones of lib/virtio_dev follow.
"""

import dataclasses
import re

import pytest
import tree

#: Layer -> modules. A new module must be given a place here; parts of the
#: server (server_NAME), the client (client_NAME), the device kit (pci_NAME) and
#: the series' API (series_NAME) have theirs.
LAYERS = {
    "L0": {"pace", "proto", "compat", "log", "thread", "codec", "caps", "iova", "iova_node",
           "stats", "trace"},
    "L1": {"fd", "file", "sock", "grace", "lookup", "lookup_avx2", "sigbus", "telemetry", "window"},
    "L2": {"conn", "dma", "irq", "region"},
    "server": {"server"},
    "client": {"client"},
    "pci": {"pci"},
    "poll_group": {"poll_group"},
    "runner": {"runner"},
    "series": {"series"},
}

#: Layers whose modules are vfio_user_LAYER_PART.
PARTED = ("server", "client", "pci", "series")

#: Layer -> layers whose modules it may use.
BELOW = {
    "L0": {"L0"},
    "L1": {"L0"},
    "L2": {"L0", "L1"},
    "server": {"L0", "L1", "L2", "server"},
    "client": {"L0", "L1", "L2", "client"},
    "pci": {"pci"},
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
    "pci_caps": {"log"},
    "pci_config": {"log"},
    "pci_ext_caps": {"log"},
    "pci_msi": {"log"},
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
    "pci_config": {"server": SERVER_API},
    "pci_msi": {"server": SERVER_API},
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


#: Public functions without the prefix: named by the patch series of 2020.
UNPREFIXED = {"rte_vfio_get_sock_addr"}


@dataclasses.dataclass
class Library:
    """The rules of one library: its tables are those above."""
    name: str
    #: Before the names of its modules and of its global symbols.
    prefix: str
    layers: dict
    parted: tuple
    below: dict
    hidden: dict
    also: dict = dataclasses.field(default_factory=dict)
    public_api: dict = dataclasses.field(default_factory=dict)
    unprefixed: set = dataclasses.field(default_factory=set)

    def files(self, suffix):
        """Its private files, those with one of the letters as suffix."""
        folder = tree.ROOT / "lib" / self.name
        return sorted(folder.glob("%s_*.[%s]" % (self.prefix, suffix)))

    def layer_of(self, module):
        """The layer of a module, or None."""
        role = module.partition("_")[0]
        for layer, modules in self.layers.items():
            if module in modules or (layer == role and role in self.parted):
                return layer
        return None

    def may_use(self, user, used, symbol=None):
        """Whether module user may use (this symbol of) module used."""
        if user == used or used in self.also.get(user, ()):
            return True
        api = self.public_api.get(user, {}).get(self.layer_of(used))
        if symbol and api:
            return bool(api.fullmatch(symbol))
        return self.layer_of(used) in self.below[self.layer_of(user)]

    def named(self, module):
        """A module as it is written in messages."""
        return "%s_%s (%s)" % (self.prefix, module, self.layer_of(module))

    def module_of(self, name):
        """The module of a source file, or of an object file as meson names it."""
        return re.search(r".*{0}_(\w+?)(?:\.c)?\.[cho]$".format(self.prefix), name)[1]

    def includes(self):
        """(file, module, header) for each include of one of its private headers."""
        for path in self.files("ch"):
            text = path.read_text(encoding="utf-8")
            for header in re.findall(r'^#\s*include\s+["<](%s_\w+\.h)' % self.prefix, text, re.M):
                yield path.name, self.module_of(path.name), header


VFIO_USER = Library("vfio_user", "vfio_user", LAYERS, PARTED, BELOW, HIDDEN, ALSO, PUBLIC_API,
                    UNPREFIXED)

#: Rings know the DMA readers of rte_vfio_user_server.h, but no device.
VIRTIO_DEV = Library(
    "virtio_dev", "virtio",
    layers={"L0": {"compat", "log"}, "ring": {"ring"}, "dev": {"dev"}},
    parted=("ring", "dev"),
    below={"L0": {"L0"}, "ring": {"L0", "ring"}, "dev": {"L0", "ring", "dev"}},
    hidden={
        "L0": {"client", "server", "pci", "poll_group", "runner", "series",
               "virtio_dev", "virtio_ring"},
        "ring": {"client", "pci", "poll_group", "runner", "series", "virtio_dev"},
        "dev": {"client", "poll_group", "runner", "series"},
    })

LIBRARIES = (VFIO_USER, VIRTIO_DEV)

#: A public header in the list of those that a source file sees.
PUBLIC = re.compile(r"\brte_(?:vfio_user(?:_(\w+))?|(virtio_\w+))\.h\b")


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
    assert VFIO_USER.may_use(user, used, symbol) == allowed


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda lib: lib.name)
def lib(request):
    return request.param


@pytest.fixture(scope="module")
def symbols(build_dir, lib):
    """Module -> (defined symbols, undefined symbols), of the static archive."""
    archive = build_dir / "lib" / ("librte_%s.a" % lib.name)
    found = {}
    for line in tree.run("nm", "-A", "-g", "-P", archive).splitlines():
        member, name, kind = re.match(r".*\[(.*)\]: (\S+) (\S)", line).groups()
        defined, wanted = found.setdefault(lib.module_of(member), (set(), set()))
        (wanted if kind in "Uvw" else defined).add(name)
    return found


def test_every_module_has_a_layer(lib, symbols):
    sources = {lib.module_of(p.name) for p in lib.files("ch")}
    tree.nothing({m for m in sources if lib.layer_of(m) is None},
                 "modules without a layer in test_layers.py")
    tree.nothing({lib.module_of(p.name) for p in lib.files("c")} - set(symbols),
                 "modules that are not in the library")


def test_symbols_go_downwards(lib, symbols):
    owner = {name: module for module, (defined, _) in symbols.items() for name in defined}
    bad = ["%s uses %s of %s" % (lib.named(user), name, lib.named(owner[name]))
           for user, (_, wanted) in symbols.items() for name in sorted(wanted)
           if name in owner and not lib.may_use(user, owner[name], name)]
    tree.nothing(bad, "not allowed by test_layers.py")


def test_internal_symbols_are_prefixed(lib, symbols):
    bad = ["%s: %s" % (lib.named(module), name) for module, (defined, _) in symbols.items()
           for name in sorted(defined - lib.unprefixed)
           if not re.match(r"(rte_)?{0}_|__{0}_trace_".format(lib.prefix), name)]
    tree.nothing(bad, "global symbols without the prefix")


def test_includes_go_downwards(lib):
    bad = ["%s includes %s" % (name, header) for name, module, header in lib.includes()
           if not lib.may_use(module, lib.module_of(header))]
    tree.nothing(bad, "not allowed by test_layers.py")


@pytest.mark.parametrize("lib, source", [(lib, c) for lib in LIBRARIES for c in lib.files("c")],
                         ids=lambda value: getattr(value, "stem", ""))
def test_roles_do_not_see_each_other(lib, source):
    rule = tree.run("gcc", "-MM", *tree.DEFINES, *tree.includes(),
                    *tree.pkg_config("--cflags", "libdpdk", "jansson"), source)
    seen = {names[0] or names[1] or "series" for names in PUBLIC.findall(rule)}
    tree.nothing(sorted(seen & lib.hidden[lib.layer_of(lib.module_of(source.name))]),
                 "%s includes, directly or not, the headers of" % source.name)
