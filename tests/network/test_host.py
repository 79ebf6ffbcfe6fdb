"""What is granted passes through to the host."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from emuplugin import Limits
from emuplugin.errors import GoError, Interrupted, TimeLimitExceeded
from tests.network.conftest import Opened, connections


@contextlib.contextmanager
def host_server(address: str = "127.0.0.1", clients: int = 1) -> Iterator[int]:
    """Answers so many clients in capitals; the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        server.settimeout(20)

        def serve() -> None:
            for _ in range(clients):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as data:
                    connection.sendall(data.read().upper())

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_connecting(address: str, opened: Opened) -> None:
    with host_server(address.strip("[]"), clients=2) as port:
        plugin, machine = opened(connect=[f"{address}:{port}"])
        assert plugin.lookup("Talk")("tcp", f"{address}:{port}", "hello") == "HELLO"
        data = "0123456789abcdef" * 100_000
        assert plugin.lookup("Talk")("tcp", f"{address}:{port}", data) == data.upper()
        assert connections(machine) == {("tcp connect", f"{address}:{port}"): "granted"}


def test_localhost(opened: Opened) -> None:
    with host_server() as port:
        plugin, _ = opened(connect=[f"localhost:{port}"])
        assert plugin.lookup("Talk")("tcp", f"localhost:{port}", "hello") == "HELLO"


def test_the_hosts_errors(opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    plugin, machine = opened(connect=[f"127.0.0.1:{port}"])
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("tcp", f"127.0.0.1:{port}", "hello")
    assert connections(machine) == {("tcp connect", f"127.0.0.1:{port}"): "granted"}


def test_the_own_listener_goes_first(opened: Opened) -> None:
    with host_server() as port:
        plugin, machine = opened(connect=["127.0.0.0/8:*"])
        assert "32 true ok" in plugin.lookup("TCPEcho")("tcp", f"127.0.0.1:{port}", 32)
        found = connections(machine)
        assert found["tcp connect", f"127.0.0.1:{port}"] == "private"
        assert plugin.lookup("Talk")("tcp", f"127.0.0.1:{port}", "hello") == "HELLO"


def test_a_reset_from_outside(opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        server.settimeout(20)

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(2)
            connection.close()  # with unread data

        thread = threading.Thread(target=serve)
        thread.start()
        plugin, _ = opened(connect=[f"127.0.0.1:{port}"])
        with pytest.raises(GoError, match=r"connection reset by peer|broken pipe"):
            plugin.lookup("Talk")("tcp", f"127.0.0.1:{port}", "x" * 100_000)
        thread.join()


def test_datagrams(opened: Opened) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]

        def serve() -> None:
            data, source = server.recvfrom(1000)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"not asked for", source)
            server.sendto(data.upper(), source)

        thread = threading.Thread(target=serve)
        thread.start()
        plugin, machine = opened(connect=[f"udp://127.0.0.1:{port}"])
        assert plugin.lookup("Talk")("udp", f"127.0.0.1:{port}", "hello") == "HELLO"
        thread.join()
        assert connections(machine) == {("udp send", f"127.0.0.1:{port}"): "granted"}
        with pytest.raises(GoError, match="connection refused"):
            plugin.lookup("Talk")("tcp", f"127.0.0.1:{port}", "hello")


def _client(address: tuple[str, int], text: bytes, answers: list[bytes]) -> None:
    with socket.create_connection(address, 20) as connection, connection.makefile("rb") as data:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answers.append(data.read())


@pytest.mark.parametrize("guest", ["127.0.0.1:0", ":0", "localhost:8080"])
def test_listening(guest: str, opened: Opened) -> None:
    plugin, machine = opened(listen=["127.0.0.1:0"])
    seen = plugin.lookup("Listen")(guest)
    (listening,) = machine.listening
    assert listening.network == "tcp"
    assert listening.host[0] == "127.0.0.1"
    assert seen.endswith(f":{listening.guest[1]}")
    answers: list[bytes] = []
    thread = threading.Thread(target=_client, args=(listening.host, b"from outside", answers))
    thread.start()
    plugin.lookup("Serve")(1)
    thread.join()
    assert answers == [b"FROM OUTSIDE"]
    assert machine.listening == ()


def test_a_listener_of_the_wrong_port_stays_private(opened: Opened) -> None:
    plugin, machine = opened(listen=["127.0.0.1:8080", "[::1]:0"])
    plugin.lookup("Listen")("127.0.0.1:8081")
    assert machine.listening == ()
    assert connections(machine) == {("tcp listen", "127.0.0.1:8081"): "private"}


def test_a_port_that_the_host_has_given_away(opened: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        plugin, _ = opened(listen=[f"127.0.0.1:{port}"])
        with pytest.raises(GoError, match="address already in use"):
            plugin.lookup("Listen")(f"127.0.0.1:{port}")


def test_a_datagram_from_outside(opened: Opened) -> None:
    plugin, machine = opened(listen=["udp://127.0.0.1:0"])
    answers: list[bytes] = []

    def ask() -> None:
        while not machine.listening:
            time.sleep(0.001)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            client.sendto(b"hello", machine.listening[0].host)
            answers.append(client.recv(100))

    thread = threading.Thread(target=ask)
    thread.start()
    plugin.lookup("ServeUDP")("127.0.0.1:5353")
    thread.join()
    assert answers == [b"HELLO"]


def test_waiting_for_the_outside_counts_against_the_time(opened: Opened) -> None:
    plugin, machine = opened(listen=["127.0.0.1:0"], limits=Limits(seconds=4))
    plugin.lookup("Listen")("127.0.0.1:0")
    with pytest.raises(TimeLimitExceeded):
        plugin.lookup("Serve")(1)
    machine.close()


def test_interrupting_who_waits_for_the_outside(opened: Opened) -> None:
    plugin, machine = opened(listen=["127.0.0.1:0"])
    plugin.lookup("Listen")("127.0.0.1:0")
    timer = threading.Timer(0.2, machine.interrupt)
    timer.start()
    with pytest.raises(Interrupted):
        plugin.lookup("Serve")(1)
    timer.join()
