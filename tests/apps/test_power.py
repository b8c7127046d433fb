# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DPDK's l3fwd-power, which sleeps until a port of either driver interrupts it."""

import os
import pathlib
import re
import signal
import time

import frames
import ports
from ports import CONSUMER, MACS, PROVIDER

WOKEN = r"lcore 0 is waked up from rx interrupt on port %d queue 0"
SLEEPS = "lcore 0 sleeps until interrupt triggers"


def cpu_seconds(process):
    """Processor time that a process has used so far."""
    tasks = pathlib.Path("/proc/%d/task" % process.popen.pid)
    return sum(int((task / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
               for task in tasks.iterdir())


def given(count):
    """Frames to the net of the other port: l3fwd-power has 1.1.1.0/24 at port 0, and so on."""
    return {port: [frames.Frame(number, size, dst_mac=MACS[port],
                                dst="%d.1.1.1" % (2 - port))
                   for number, size in enumerate(frames.sizes(count))]
            for port in (PROVIDER, CONSUMER)}


def test_wakes(lab, drivers, examples):
    """It uses no processor while there is nothing, and packets of both ports wake it."""
    crossing = ports.Crossing(
        lab, drivers, os.path.join(examples, "l3fwd-power"), provided=",mode=interrupt",
        options=["-p", "3", "-P", "--config=(0,0,0),(1,0,0)", "--interrupt-only", "--parse-ptype"])
    app = crossing.app
    for _ in range(3):
        app.wait_text(SLEEPS)
        used = cpu_seconds(app)
        time.sleep(0.5)
        assert cpu_seconds(app) - used < 0.25
        for port in (PROVIDER, CONSUMER):
            start = len(app.text)
            sent = {port: given(20)[port]}
            got = crossing.exchange(sent, {1 - port: 20})
            assert [frame[14 + 20:] for frame in got[1 - port]] == \
                [bytes(frame)[14 + 20:] for frame in sent[port]]
            app.wait_text(SLEEPS, start=app.wait_text(WOKEN % port, start=start).end())
    assert not re.search("RX interrupt won't enable", app.text)
    crossing.end(-signal.SIGTERM)  # it has no handler
