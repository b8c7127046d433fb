# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""testpmd with a port of either driver: engines that change frames, and its commands."""

import pytest

import frames
import ports
import testpmd
import vm
from ports import CONSUMER, MACS, PROVIDER

BOTH = pytest.mark.parametrize("far", [PROVIDER, CONSUMER], ids=["provider", "consumer"])


def given(count=ports.MOST, **fields):
    """Frames for the far testpmd."""
    return [frames.Frame(number, size, sport=1000 + number, **fields)
            for number, size in enumerate(frames.sizes(count))]


@BOTH
def test_swapped(lab, drivers, far):
    """Frames whose addresses and ports are exchanged."""
    echo = ports.Echo(lab, drivers, far)
    echo.far.run("set fwd 5tswap")
    echo.far.run("start")
    sent = given()
    assert echo.exchange(sent) == [
        bytes(frame.but(dst_mac=frame.src_mac, src_mac=frame.dst_mac, src=frame.dst,
                        dst=frame.src, sport=frame.dport, dport=frame.sport))
        for frame in sent]


@BOTH
def test_checksums(lab, drivers, far):
    """Wrong checksums of UDP are set right by the port: the offload is complete at the end."""
    echo = ports.Echo(lab, drivers, far)
    for command in ("port stop 0", "csum set ip sw 0", "csum set udp hw 0", "port start 0",
                    "set fwd csum", "start"):
        said = echo.far.run(command)
        assert "not supported" not in said
    sent = given(udp_sum=0x1234)
    assert echo.exchange(sent) == [
        bytes(frame.but(dst_mac="02:00:00:00:00:00", src_mac=MACS[PROVIDER], udp_sum=None))
        for frame in sent]
    # the consumer did not ask for it, so the provider has done it, where the packets pass
    counters = echo.far.xstats(0) if far == PROVIDER else echo.near.xstats(echo.NEAR)
    way = "tx" if far == PROVIDER else "rx"
    assert counters[way + "_q0_software_checksums"] == len(sent)


@BOTH
def test_life(lab, drivers, far):
    """Either port stops and starts, the far one goes and comes: frames pass each time."""
    echo = ports.Echo(lab, drivers, far)
    device = echo.far.run("show device info all").split("Infos for device ")[1].split()[0]
    arguments = [word for word in echo.far.popen.args if word.startswith(device)][0]
    sent = given(20)

    def check():
        echo.far.run("start")
        assert echo.exchange(sent) == [bytes(frame) for frame in sent]
        echo.far.run("stop")

    check()
    for pmd, port in ((echo.near, echo.NEAR), (echo.far, 0)) * 2:
        pmd.run("port stop %d" % port)
        assert not pmd.link_up(port)
        pmd.run("port start %d" % port)
        check()
    for _ in range(2):
        echo.far.run("port stop 0")
        echo.far.run("port close 0")
        assert "Device %s is detached" % device in echo.far.run("device detach " + device)
        assert "Now total ports is 1" in echo.far.run("port attach " + arguments)
        echo.far.run("port start 0")
        check()


#: The source of a frame, and its type.
RARP = frames.mac(MACS[PROVIDER]) + b"\x80\x35"
#: A command, and what the near port's driver allows: for the provider's port, the consumer's.
SETTINGS = {
    "set promisc %d off": ("Operation not supported", ""),
    "set promisc %d on": ("", ""),
    "set allmulti %d on": ("", ""),
    "port config mtu %d 1400": ("", ""),
    "port config mtu %d 60": ("< device min MTU", "< device min MTU"),
    "port config mtu %d 1500": ("", ""),
    "mac_addr add %d 52:54:00:00:00:55": ("Operation not supported", ""),
    "mac_addr set %d 52:54:00:00:00:66": ("", ""),
    "mac_addr set %d 01:00:00:00:00:66": ("Invalid argument", "Invalid argument"),
    "mcast_addr add %d 01:00:5e:00:00:01": ("failed. diag=-95", ""),
    "vlan set strip on %d": ("", ""),
    "vlan set strip off %d": ("", ""),
    "vlan set filter on %d": ("failed diag=-22", "failed diag=-95"),
}


@BOTH
def test_settings(lab, drivers, far):
    """What testpmd sets is done or refused with a reason, and frames pass afterwards."""
    echo = ports.Echo(lab, drivers, far)
    echo.far.run("start")
    for command, answers in SETTINGS.items():
        answer = answers[1 if far == PROVIDER else 0]
        said = echo.near.run(command % echo.NEAR)
        failed = [word for word in ("rror", "ail", "<") if word in said]
        assert answer in said and bool(failed) == bool(answer), (command, said)
    sent = given(20)
    # a driver whose device has got another address tells the network of it first
    announced = [] if far == PROVIDER else [RARP]
    got = echo.exchange(sent, len(announced))
    assert [frame[6:14] for frame in got[:len(announced)]] == announced
    assert got[len(announced):] == [bytes(frame) for frame in sent]


def queue_packets(pmd, way, queues):
    """Packets that each queue of port 0 has carried."""
    counters = pmd.xstats(0)
    return [counters["%s_q%d_packets" % (way, queue)] for queue in range(queues)]


def test_queues(lab, drivers):
    """Each queue of the driver carries its packets to the same one of the device, however
    many it is told to use."""
    path = lab.folder + "/port"
    device = testpmd.Testpmd(lab, "device", [*drivers, *ports.provider(0, path, ",queues=4")],
                             ["--rxq=4", "--txq=4", "--nb-cores=1", "--forward-mode=rxonly"])
    driver = testpmd.Testpmd(lab, "driver", [*drivers, *ports.consumer(0, path, ",queues=4")],
                             ["--rxq=4", "--txq=4", "--nb-cores=1", "--forward-mode=flowgen"],
                             cpus="1,0")
    for queues in (4, 2, 3, 1, 4):
        for command in ("port stop all", "port config all rxq %d" % queues,
                        "port config all txq %d" % queues, "port start all"):
            assert "Fail" not in driver.run(command)
        vm.wait_for("link", lambda: device.link_up(0) and driver.link_up(0), 20)
        for pmd in (device, driver):
            pmd.run("clear port xstats all")
            pmd.run("start")
        vm.wait_for("packets of all queues",
                    lambda: min(queue_packets(driver, "tx", queues)) > 1000, 20)
        driver.run("stop")
        sent = queue_packets(driver, "tx", queues) + [0] * (4 - queues)
        vm.wait_for("the rest", lambda: queue_packets(device, "rx", 4) == sent, 20)
        assert "RX-total: %d" % sum(sent) in device.run("stop")
