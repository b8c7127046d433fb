# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Frames of UDP over IPv4, and files of them."""

import dataclasses
import ipaddress
import struct

ETHER, IPV4, UDP = 14, 20, 8
SMALLEST, LARGEST = 60, 1514
PCAP = struct.Struct("=IHHiIII")
RECORD = struct.Struct("=IIII")
MAGIC, ETHERNET = 0xa1b2c3d4, 1


def checksum(data):
    """The Internet checksum of bytes."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(text):
    """The bytes of an address."""
    return bytes.fromhex(text.replace(":", ""))


@dataclasses.dataclass
class Frame:
    """A frame; its checksums are right unless another one is given."""
    number: int  # what it carries
    size: int
    dst_mac: str = "02:00:00:00:00:aa"
    src_mac: str = "02:00:00:00:00:bb"
    src: str = "192.0.2.1"
    dst: str = "192.0.2.2"
    sport: int = 1000
    dport: int = 2000
    ttl: int = 64
    udp_sum: int = None

    def _ip(self):
        addresses = ipaddress.ip_address(self.src).packed + ipaddress.ip_address(self.dst).packed
        head = struct.pack("!BBHHHBBH", 0x45, 0, self.size - ETHER, self.number & 0xffff, 0,
                           self.ttl, 17, 0)
        total = checksum(head + addresses)
        return head[:-2] + struct.pack("!H", total) + addresses

    def _udp(self, addresses):
        length = self.size - ETHER - IPV4
        data = (b"%08d " % self.number * (length // 9 + 1))[:length - UDP]
        head = struct.pack("!HHHH", self.sport, self.dport, length, 0)
        total = self.udp_sum
        if total is None:
            total = checksum(addresses + struct.pack("!HH", 17, length) + head + data) or 0xffff
        return head[:-2] + struct.pack("!H", total) + data

    def __bytes__(self):
        ip = self._ip()
        return mac(self.dst_mac) + mac(self.src_mac) + b"\x08\0" + ip + self._udp(ip[12:])

    def but(self, **changes):
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)


def sizes(count):
    """So many sizes of frames, all over what is allowed, with both ends."""
    return [SMALLEST + i * (LARGEST - SMALLEST) // (count - 1) for i in range(count)]


def write(path, frames):
    """Write frames to a file that net_pcap reads."""
    with open(path, "wb") as file:
        file.write(PCAP.pack(MAGIC, 2, 4, 0, 0, 65535, ETHERNET))
        for frame in map(bytes, frames):
            file.write(RECORD.pack(0, 0, len(frame), len(frame)) + frame)


def read(path):
    """The frames of a file that net_pcap has written, with time in either resolution."""
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], PCAP.size
    while at < len(data):
        length = RECORD.unpack_from(data, at)[2]
        at += RECORD.size + length
        frames.append(data[at - length:at])
    return frames
