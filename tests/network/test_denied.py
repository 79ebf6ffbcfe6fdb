"""Without grants nothing leaves the machine, and every attempt is told."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator

import pytest

from emuplugin.errors import GoError
from tests.network.conftest import Opened, connections


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket of the host but the pair that wakes the machine may be made, no name resolved."""

    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("the host's network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)


@contextlib.contextmanager
def host_listener(family: int, address: str) -> Iterator[int]:
    """A listener of the host's; its port. Nobody may have connected to it in the end."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((address, 0))
        listener.listen()
        listener.setblocking(False)
        yield listener.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listener.accept()


ITSELF = ("127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1")
ELSEWHERE = (
    "8.8.8.8", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.17.0.1", "198.18.0.1",
    "100.100.100.200", "240.0.0.1", "2001:4860:4860::8888", "fe80::1", "fd00:ec2::254",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "224.0.0.1",
)  # fmt: skip


def test_the_hosts_loopback_is_another_one(opened: Opened) -> None:
    plugin, _ = opened()
    with (
        host_listener(socket.AF_INET, "0.0.0.0") as four,
        host_listener(socket.AF_INET6, "::1") as six,
    ):
        for address in ITSELF:
            for port in (four, six):
                packed = ipaddress.ip_address(address).packed
                assert plugin.lookup("Reach")(packed, port) == "errno 111", address


@pytest.mark.usefixtures("forbidden")
def test_connections_are_refused(opened: Opened) -> None:
    plugin, machine = opened()
    for address in ELSEWHERE:
        packed = ipaddress.ip_address(address).packed
        assert plugin.lookup("Reach")(packed, 80) == "errno 111", address
    found = machine.report.connections
    assert {each.outcome for each in found} == {"refused"}
    assert sum(each.count for each in found) == len(ELSEWHERE)


@pytest.mark.usefixtures("forbidden")
def test_names_have_no_addresses(opened: Opened) -> None:
    plugin, machine = opened()
    for lookup in ("Names", "NamesByTCP"):
        with pytest.raises(GoError, match="no such host"):
            plugin.lookup(lookup)("example.org")
    with pytest.raises(GoError, match="no such host"):
        plugin.lookup("Reverse")("8.8.8.8")
    assert connections(machine) == {("name", "example.org"): "refused"}
    assert list(plugin.lookup("Names")("localhost")) == ["127.0.0.1", "::1"]


@pytest.mark.usefixtures("forbidden")
def test_datagrams_are_refused(opened: Opened) -> None:
    plugin, machine = opened()
    with pytest.raises(GoError, match="operation not permitted"):
        plugin.lookup("Talk")("udp", "8.8.8.8:53", "x")
    assert connections(machine) == {("udp send", "8.8.8.8:53"): "refused"}


@pytest.mark.usefixtures("forbidden")
def test_other_sockets_are_refused(opened: Opened) -> None:
    plugin, _ = opened()
    for arguments, errno in (
        ((2, 3, 1), 1),  # raw IPv4
        ((10, 3, 58), 1),  # raw IPv6
        ((17, 3, 0x300), 1),  # packets
        ((2, 10, 0x300), 1),  # SOCK_PACKET
        ((2, 2, 1), 13),  # ping
        ((16, 3, 9), 93),  # netlink: audit
        ((38, 5, 0), 97),  # AF_ALG
        ((40, 1, 0), 97),  # AF_VSOCK
        ((29, 3, 1), 97),  # AF_CAN
        ((44, 3, 0), 97),  # AF_XDP
        ((-1, 1, 0), 97),
        ((2, 1 << 20, 0), 22),
    ):
        assert plugin.lookup("Socket")(*arguments) == f"errno {errno}", arguments


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_abstract_names_of_the_host_are_others(opened: Opened) -> None:
    plugin, machine = opened()
    name = f"emuplugin-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("\0" + name)
        listener.listen()
        with pytest.raises(GoError, match="connection refused"):
            plugin.lookup("Talk")("unix", "@" + name, "x")
    assert connections(machine) == {("unix connect", "@" + name): "refused"}


@pytest.mark.usefixtures("forbidden")
def test_a_grant_is_for_its_port_and_protocol(opened: Opened) -> None:
    plugin, machine = opened(connect=["93.184.216.34:443", "udp://93.184.216.35:53", "*:80"])
    for network, address in (
        ("tcp", "93.184.216.34:444"),
        ("tcp", "93.184.216.33:443"),
        ("tcp", "93.184.216.35:53"),
        ("udp", "93.184.216.34:443"),
        ("udp", "93.184.216.34:80"),
        ("tcp", "10.0.0.1:80"),  # * is the public Internet
        ("tcp", "127.0.0.1:80"),
        ("tcp", "169.254.169.254:80"),
        ("tcp", "[fd00::1]:80"),
    ):
        with pytest.raises(GoError, match=r"refused|not permitted"):
            plugin.lookup("Talk")(network, address, "x")
    assert "granted" not in connections(machine).values()
