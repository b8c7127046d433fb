# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DPDK's l2fwd and skeleton (basicfwd) between a port of either driver."""

import os
import re
import signal

import pytest

import frames
import ports
from ports import CONSUMER, MACS, PROVIDER

LONG = os.environ.get("VFIO_USER_TEST_LONG") == "1"
SECONDS = 20 if LONG else 1
OTHER = {PROVIDER: CONSUMER, CONSUMER: PROVIDER}
L2FWD = ["-p", "3", "-q", "2", "-T", "1"]


def given(count=ports.MOST):
    """Frames for both ports of the application."""
    return {port: [frames.Frame(number + 1000000 * port, size)
                   for number, size in enumerate(frames.sizes(count))]
            for port in OTHER}


def crossed(sent, change):
    """What comes out of the ports when all is forwarded to the other one."""
    return {OTHER[port]: [bytes(change(frame, OTHER[port])) for frame in some]
            for port, some in sent.items()}


def as_l2fwd(frame, port):
    """What l2fwd makes of a frame that it sends."""
    return frame.but(dst_mac="02:00:00:00:00:%02x" % port, src_mac=MACS[port])


def unchanged(frame, _port):
    """What others make of it."""
    return frame


#: Program, its arguments, what it makes of a frame, how it ends.
CASES = {
    "l2fwd": ("l2fwd", [*L2FWD, "-P"], as_l2fwd, 0),
    "l2fwd-no-mac": ("l2fwd", [*L2FWD, "-P", "--no-mac-updating"], unchanged, 0),
    "basicfwd": ("basicfwd", [], unchanged, -signal.SIGTERM),
}
LAYOUTS = ("packed=1", "packed=0")
#: The others need the long form.
SHORT = (("l2fwd", "packed=1"), ("basicfwd", "packed=0"))


@pytest.mark.parametrize("case,layout", [(case, layout) for case in CASES for layout in LAYOUTS
                                         if LONG or (case, layout) in SHORT])
def test_exact(lab, drivers, examples, case, layout):
    """Each frame comes out at the other port, once, in order, as it should be."""
    program, options, change, status = CASES[case]
    crossing = ports.Crossing(lab, drivers, os.path.join(examples, program), options=options,
                              provided="," + layout)
    sent = given()
    wanted = crossed(sent, change)
    for _ in range(2):  # the ports of files stop and start in between
        got = crossing.exchange(sent, {port: len(some) for port, some in wanted.items()})
        assert got == wanted
    crossing.end(status)


def counts(said):
    """What l2fwd has told last: packets sent, received and dropped, each by port."""
    found = [re.findall(r"Packets %s: +(\d+)" % what, said)[-2:]
             for what in ("sent", "received", "dropped")]
    return [dict(enumerate(map(int, two))) for two in found]


def test_l2fwd_counts(lab, drivers, examples):
    """Under a flood, what is lost has been counted, by l2fwd and by the ports alike."""
    crossing = ports.Crossing(lab, drivers, os.path.join(examples, "l2fwd"),
                              options=[*L2FWD, "-P"])
    crossing.pmd.run("clear port stats all")
    for mode in ("flowgen", "txonly"):
        crossing.flood(mode, SECONDS)
    # what l2fwd tells once a second
    for _ in range(2):
        crossing.app.wait_text("Aggregate statistics", start=len(crossing.app.text))
    crossing.app.wait_text("Total packets dropped.*\n", start=crossing.app.text.rindex("Aggre"))
    far = {port: crossing.pmd.stats(number) for port, number in ports.FAR.items()}
    said = crossing.end()
    sent, received, dropped = counts(said[:said.rindex("Aggregate")])
    for port, other in OTHER.items():
        assert received[port] == far[port]["TX-packets"] > ports.MOST
        assert sent[port] == far[port]["RX-packets"] > ports.MOST
        assert received[port] == sent[other] + dropped[other]


def test_l2fwd_addresses(lab, drivers, examples):
    """Without promiscuous mode the consumer's port gets what is for its address."""
    crossing = ports.Crossing(lab, drivers, os.path.join(examples, "l2fwd"), options=L2FWD)
    mine = [frames.Frame(number, 100, dst_mac=MACS[CONSUMER]) for number in range(50)]
    other = [frame.but(dst_mac="52:54:00:00:00:%02x" % frame.number) for frame in mine]
    every = [frame.but(dst_mac="ff:ff:ff:ff:ff:ff") for frame in mine]
    sent = {CONSUMER: [frame for some in zip(mine, other, every) for frame in some]}
    wanted = [bytes(as_l2fwd(frame, PROVIDER)) for some in zip(mine, every) for frame in some]
    got = crossing.exchange(sent, {PROVIDER: len(wanted)})
    assert got[PROVIDER] == wanted
    assert crossing.pmd.xstats(ports.FAR[CONSUMER])["tx_q0_filtered"] == len(other)
    crossing.end()
