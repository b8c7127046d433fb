# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DPDK's l3fwd between a port of either driver."""

import os

import pytest

import frames
import ports
from ports import CONSUMER, MACS, PROVIDER

LONG = os.environ.get("VFIO_USER_TEST_LONG") == "1"
#: Net -> port, more than one prefix length.
ROUTES = {"198.18.1.0/24": PROVIDER, "198.19.0.0/16": CONSUMER, "198.19.7.0/24": PROVIDER,
          "198.19.7.128/25": CONSUMER}
#: An address for each, and one for none: l3fwd returns that to where it came from.
ADDRESSES = {"198.18.1.9": PROVIDER, "198.19.1.1": CONSUMER, "198.19.7.1": PROVIDER,
             "198.19.7.200": CONSUMER, "203.0.113.1": None}
NEXT_HOP = {PROVIDER: "02:00:00:00:00:00", CONSUMER: "52:54:00:11:22:33"}


def given(count):
    """Frames for both ports, each to one of the addresses."""
    addresses = list(ADDRESSES)
    return {port: [frames.Frame(number, size, dst_mac=MACS[port], ttl=2 + number % 60,
                                dst=addresses[number % len(addresses)])
                   for number, size in enumerate(frames.sizes(count))]
            for port in (PROVIDER, CONSUMER)}


def routed(sent):
    """What comes out of each port."""
    out = {PROVIDER: [], CONSUMER: []}
    for came, some in sent.items():
        for frame in some:
            port = ADDRESSES[frame.dst]
            port = came if port is None else port
            out[port].append(bytes(frame.but(dst_mac=NEXT_HOP[port], src_mac=MACS[port],
                                             ttl=frame.ttl - 1)))
    return out


@pytest.mark.parametrize("lookup", ["lpm", "fib"] if LONG else ["lpm"])
def test_routes(lab, drivers, examples, lookup):
    """Packets leave by the port of their route, with addresses, TTL and checksum renewed."""
    rules = os.path.join(lab.folder, "routes")
    with open(rules, "w", encoding="utf-8") as file:
        file.writelines("R%s %d\n" % route for route in ROUTES.items())
    with open(rules + "6", "w", encoding="utf-8") as file:
        file.write("R2001:db8::/32 0\n")
    crossing = ports.Crossing(
        lab, drivers, os.path.join(examples, "l3fwd"),
        options=["-p", "3", "-P", "--config=(0,0,0),(1,0,0)", "--lookup=" + lookup,
                 "--parse-ptype", "--rule_ipv4=" + rules,
                 "--rule_ipv6=" + rules + "6",
                 "--eth-dest=%d,%s" % (CONSUMER, NEXT_HOP[CONSUMER])])
    sent = given(100)
    wanted = routed(sent)
    got = crossing.exchange(sent, {port: len(some) for port, some in wanted.items()})
    # those of two ports come in any order
    assert {port: sorted(some) for port, some in got.items()} == \
        {port: sorted(some) for port, some in wanted.items()}
    crossing.end()
