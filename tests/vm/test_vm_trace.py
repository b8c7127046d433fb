# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The main guest of test_vm.py with a tracing proxy before each device.

All tests of that guest are run again; then what was traced is complete, and
Wireshark decodes all of it.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import test_vm
import vm
from demo_device import ID, ID_VALUE

# pylint: disable=unused-import
from test_vm import (dev, guest, test_capabilities, test_dma, test_dma_outside_memory,
                     test_enumeration, test_intx, test_memory_bar, test_registers, test_reset,
                     test_two_devices)

LUA = pathlib.Path(__file__).resolve().parents[2] / "app" / "vfio-user" / "wireshark" \
    / "vfio_user.lua"


class Proxy(vm.Server):
    """dpdk-vfio-user trace in front of a server."""

    def __init__(self, binary, server, name, form):
        folder = os.path.dirname(server.path)
        self.output = os.path.join(folder, name + "." + form)
        self.path = os.path.join(folder, name + ".sock")
        vm.Process.__init__(self, [binary, "trace", "--listen", self.path, "--connect",
                                   server.path, "--format", form, "--output", self.output],
                            os.path.join(folder, name + ".log"))


class World:
    """The main guest: one device is traced as JSON, the other one as pcapng."""

    def __init__(self, lab, images, demo, tool):
        self.servers = [lab.server(demo, name) for name in ("dev0", "dev1")]
        self.proxies = []
        for server, name, form in zip(self.servers, ("trace0", "trace1"), ("json", "pcapng")):
            proxy = Proxy(tool, server, name, form)
            lab.processes.append(proxy)
            lab.logs.append(proxy.log)
            proxy.wait()
            self.proxies.append(proxy)
        self.guest = lab.guest(images, [
            vm.root_port("rp4", 4),
            vm.device(self.proxies[0], id="dev0", bus="rp4"),
            vm.device(self.proxies[1], id="dev1", addr="0x8")])
        self.devices = [test_vm.DemoDevice.at(self.guest, slot)
                        for slot in (test_vm.PORT, test_vm.ROOT_SLOT)]


@pytest.fixture(scope="module")
def tool(request):
    """The path of dpdk-vfio-user."""
    path = os.path.join(os.path.abspath(request.config.getoption("--build-dir")),
                        "app", "vfio-user", "dpdk-vfio-user")
    if not os.access(path, os.X_OK):
        pytest.fail("no program %s: build first" % path, pytrace=False)
    return path


@pytest.fixture(scope="module")
def world(module_lab, images, demo, tool):
    """Boot the main guest."""
    return World(module_lab, images, demo, tool)


def test_message_dma(lab, images, demo, tool):
    """DMA by messages: requests of the server, with data of a megabyte each."""
    server = lab.server(demo, "message")
    proxy = Proxy(tool, server, "trace", "json")
    lab.processes.append(proxy)
    proxy.wait()
    guest_ = lab.guest(images, [vm.device(proxy, addr="0x8")], shared=False)
    device = test_vm.DemoDevice.at(guest_, test_vm.ROOT_SLOT)
    assert device.read(ID) == ID_VALUE
    print(device.vmdev("dma", test_vm.MIB))
    guest_.stop()
    events = end(proxy)
    dma = [e for e in events if e.get("command") in ("DMA_READ", "DMA_WRITE")]
    requests = [e for e in dma if e["type"] == "command"]
    assert all(e["from"] == "server" for e in requests)
    written = sum(e["payload"]["count"] for e in requests if e["command"] == "DMA_WRITE")
    assert written >= test_vm.MIB and len(dma) == 2 * len(requests)
    check_events(events)


def test_msix_behind_iommu(lab, images, demo, tool):
    """Eventfds of MSI-X vectors, and maps and unmaps of a guest's IOMMU."""
    server = lab.server(demo, "vfio")
    proxy = Proxy(tool, server, "trace", "json")
    lab.processes.append(proxy)
    proxy.wait()
    test_vm.test_msix_behind_iommu(Before(lab, proxy), images, None)
    lab.processes[-1].stop()  # the guest
    events = end(proxy)
    check_events(events)
    irqs = [e for e in events if e.get("command") == "DEVICE_SET_IRQS" and e.get("nb_fds")]
    assert any(e["payload"]["index_text"] == "MSIX" for e in irqs)


class Before:
    """A lab whose server is the proxy."""

    def __init__(self, lab, proxy):
        self.guest = lab.guest
        self.proxy = proxy

    def server(self, *_):
        """Return the proxy, which runs already."""
        return self.proxy


def end(proxy):
    """End a proxy; the events of its JSON trace."""
    assert proxy.stop(signal.SIGINT) == 0
    if not proxy.output.endswith(".json"):
        return None
    with open(proxy.output, encoding="ascii") as file:
        return [json.loads(line) for line in file]


def check_events(events):
    """Nothing is lost: each request has its reply, and all bytes are accounted for."""
    messages = [e for e in events if e["event"] == "message"]
    summary = events[-1]
    assert len(messages) == summary["messages"] > 50
    for side in ("client", "server"):
        assert sum(e["size"] for e in messages if e["from"] == side) == summary[side]["bytes"]
    for name in ("unexpected_replies", "partial", "malformed_bytes", "lost"):
        assert summary[name] == 0, name
    for name, counts in summary["commands"].items():
        assert counts["replies"] == counts["requests"] - counts["no_reply"], name
    assert "unknown" not in summary["commands"]
    notes = {note for e in messages for note in e.get("notes", ())}
    assert notes <= {"the count has 32 bits"}, notes  # QEMU 10.x


def tshark(path, *options):
    """What tshark prints with our dissector."""
    if shutil.which("tshark") is None:
        pytest.fail("no tshark: scripts/install-deps.sh test", pytrace=False)
    done = subprocess.run(["tshark", "-X", "lua_script:%s" % LUA, "-r", path, *options],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=300)
    assert done.returncode == 0 and "Lua" not in done.stderr, done.stderr
    return done.stdout


def test_json_is_complete(world):
    """After all of these tests; the guest is ended by this one."""
    world.guest.stop()
    events = end(world.proxies[0])
    check_events(events)
    seen = {e["command"] for e in events if e["event"] == "message"}
    assert {"VERSION", "DMA_MAP", "DMA_UNMAP", "DEVICE_GET_INFO", "DEVICE_GET_REGION_INFO",
            "DEVICE_GET_IRQ_INFO", "DEVICE_SET_IRQS", "REGION_READ", "REGION_WRITE",
            "DEVICE_RESET"} <= seen
    assert world.servers[0].alive() and world.servers[1].alive()


def test_wireshark(world):
    """Every packet of the other device's trace is a message that is decoded."""
    end(world.proxies[1])
    path = world.proxies[1].output
    # one pass: these are many packets
    rows = tshark(path, "-T", "fields", *[w for name in (
        "command", "flags.type", "flags.no_reply", "request_in", "time", "expert.malformed",
        "expert.short", "expert.unknown", "expert.unexpected") for w in
                                          ("-e", "vfio_user." + name)]).splitlines()
    assert len(rows) > 50
    waiting = 0
    for row in rows:
        command, kind, no_reply, request, time, *expert = row.split("\t")
        assert 1 <= int(command) <= 18 and not any(expert), row
        if int(kind) == 1:
            assert request and time
            waiting -= 1
        elif no_reply not in ("1", "True"):
            waiting += 1
    assert waiting == 0
    with open(world.proxies[1].log, encoding="utf-8") as log:
        assert " %d messages" % len(rows) in log.read()
