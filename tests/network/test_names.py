"""Host names are resolved as far as they are granted, and lead where they may."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from emuplugin.errors import GoError
from emuplugin.plugin import Plugin
from tests.network.conftest import Opened, connections

PUBLIC, PUBLIC6 = "93.184.216.34", "2606:2800:220:1::1"
ADDRESSES = {
    "good.example": [PUBLIC, PUBLIC6],
    "rebind.example": ["127.0.0.1", "::1"],
    "mapped.example": ["::ffff:10.0.0.5"],
    "metadata.example": ["169.254.169.254"],
    "inside.example": ["10.0.0.5"],
    "mixed.example": ["10.9.9.9", PUBLIC],
}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A resolver of the host that knows ADDRESSES; what it was asked for."""
    names: list[str] = []

    def getaddrinfo(host: str, *arguments: Any, **settings: Any) -> list[Any]:
        names.append(host)
        if host not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in ADDRESSES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def look_up(plugin: Plugin, name: str, lookup: str = "Names") -> list[str]:
    """The addresses of a name, none if there is no such host."""
    try:
        return sorted(plugin.lookup(lookup)(name))
    except GoError as error:
        if "no such host" not in str(error):
            raise
        return []


def test_granted_names(opened: Opened, asked: list[str]) -> None:
    plugin, machine = opened(connect=["good.example:443", "*.other.example:80"])
    for name in ("good.example", "GOOD.Example."):
        for lookup in ("Names", "NamesByTCP"):
            assert look_up(plugin, name, lookup) == [PUBLIC6, PUBLIC]
    assert look_up(plugin, "bad.example") == []
    assert look_up(plugin, "other.example") == []
    assert look_up(plugin, "unknown.other.example") == []
    assert list(plugin.lookup("Reverse")(PUBLIC)) == ["good.example."]
    assert set(asked) == {"good.example", "unknown.other.example"}
    assert asked.count("good.example") == 1
    assert connections(machine) == {
        ("name", "good.example"): "granted",
        ("name", "bad.example"): "refused",
        ("name", "other.example"): "refused",
        ("name", "unknown.other.example"): "granted: the host knows no such name",
    }


@pytest.mark.parametrize("grant", ["*.example:*", "*:*"])
def test_names_do_not_open_private_addresses(grant: str, opened: Opened) -> None:
    plugin, machine = opened(connect=[grant])
    for name in ("rebind", "mapped", "metadata", "inside"):
        assert look_up(plugin, f"{name}.example") == []
        assert "is private" in connections(machine)["name", f"{name}.example"]


def test_private_addresses_are_left_out(opened: Opened) -> None:
    plugin, _ = opened(connect=["*.example:*"])
    assert look_up(plugin, "mixed.example") == [PUBLIC]


def test_a_name_that_leads_to_a_granted_address(opened: Opened) -> None:
    plugin, machine = opened(connect=["inside.example:80", "10.0.0.5:5432"])
    assert look_up(plugin, "inside.example") == ["10.0.0.5"]
    # The address is granted with its own port, not with the name's.
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("tcp", "inside.example:80", "x")
    assert connections(machine)["tcp connect", "10.0.0.5:80"] == "refused"


def test_an_address_that_was_not_looked_up_is_not_granted(opened: Opened) -> None:
    plugin, machine = opened(connect=["good.example:443"])
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("tcp", f"{PUBLIC}:443", "x")
    assert connections(machine) == {("tcp connect", f"{PUBLIC}:443"): "refused"}


def test_given_names(opened: Opened, asked: list[str]) -> None:
    plugin, machine = opened(
        connect=["db:5432"], resolve={"db": ["10.0.0.9", "fd00::9"], "self.test": "127.0.0.1"}
    )
    assert look_up(plugin, "db") == ["10.0.0.9", "fd00::9"]
    assert look_up(plugin, "self.test") == ["127.0.0.1"]
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("tcp", "db:80", "x")
    assert asked == []
    assert connections(machine)["tcp connect", "db:80 (10.0.0.9)"] == "refused"


def test_a_given_name_may_be_granted(opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        plugin, machine = opened(connect=[f"127.0.0.1:{port}"], resolve={"db": "127.0.0.1"})
        server.settimeout(0)
        plugin.lookup("Reach")(bytes([127, 0, 0, 1]), port)
        server.accept()[0].close()
        assert "granted" in connections(machine).values()
