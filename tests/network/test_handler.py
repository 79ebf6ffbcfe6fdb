"""Python code that plays the server."""

from __future__ import annotations

import asyncio
import http.server
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from emuplugin import Connection, Datagrams
from emuplugin.errors import GoError
from tests.network.conftest import Opened, connections

SECOND = 10**9


class Page(http.server.BaseHTTPRequestHandler):
    """Tells what was asked for, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_GET(self) -> None:
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def page(connection: socket.socket) -> None:
    Page(connection, ("", 0), None)  # type: ignore[arg-type]


def test_a_server_of_the_standard_library(opened: Opened) -> None:
    seen: list[tuple[str, int]] = []

    def handler(connection: Connection) -> None:
        seen.append(connection.address)
        page(connection)

    plugin, machine = opened(handler=handler)
    assert plugin.lookup("Get")("http://api.example.com/x") == "200 api.example.com /x"
    assert plugin.lookup("Get")("http://10.1.2.3:8080/") == "200 10.1.2.3:8080 /"
    assert plugin.lookup("Get")("http://127.0.0.1:81/") == "200 127.0.0.1:81 /"
    assert seen == [("api.example.com", 80), ("10.1.2.3", 8080), ("127.0.0.1", 81)]
    found = connections(machine)
    assert found["name", "api.example.com"] == "handler"
    assert found["tcp connect", "api.example.com:80"] == "handler"
    # What the plugin serves itself is not for the handler.
    assert "hello, gopher" in plugin.lookup("HTTP")()
    assert len(seen) == 3


def test_time_jumps_while_only_the_handler_waits(opened: Opened) -> None:
    plugin, _ = opened(handler=page)
    Page.connections = 0
    start = time.monotonic()
    text = plugin.lookup("Patient")("http://api.example.com/", 3, 60 * SECOND)
    assert text == "; ".join(["200 api.example.com /"] * 3)
    assert Page.connections == 1
    assert time.monotonic() - start < 60


def test_time_passes_while_the_handler_computes(opened: Opened) -> None:
    answered = threading.Event()

    def handler(connection: Connection) -> None:
        connection.recv(1000)
        time.sleep(0.2)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        answered.set()

    plugin, _ = opened(handler=handler)
    plugin.lookup("Impatient")("http://slow.example/", 30 * SECOND)
    assert answered.is_set()


def test_a_silent_server_is_given_up(opened: Opened) -> None:
    def handler(connection: Connection) -> None:
        while connection.recv(1000):
            pass

    plugin, _ = opened(handler=handler)
    with pytest.raises(GoError, match=r"Client\.Timeout"):
        plugin.lookup("Impatient")("http://silent.example/", 3600 * SECOND)


@pytest.mark.parametrize("how", ["false", "error", "slowly"])
def test_refusing(how: str, opened: Opened) -> None:
    def handler(connection: Connection) -> bool:
        if how == "error":
            raise ConnectionRefusedError
        time.sleep(0.05 if how == "slowly" else 0)
        return False

    plugin, machine = opened(handler=handler)
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("tcp", "db.example:5432", "x")
    found = connections(machine)
    assert found["tcp connect", "db.example:5432"] == "refused by the handler"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("late", [False, True])
def test_an_exception_breaks_the_connection(
    late: bool, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_type))

    def handler(connection: Connection) -> None:
        if late:
            connection.recv(1)
        raise ValueError("a bug in the handler")

    plugin, machine = opened(handler=handler)
    with pytest.raises(GoError, match=r"connection reset by peer|connection refused"):
        plugin.lookup("Talk")("tcp", "db.example:5432", "xyz")
    assert raised == [ValueError]
    assert connections(machine)["tcp connect", "db.example:5432"] == "handler failed"


def test_much_data_both_ways(opened: Opened) -> None:
    received = []

    def handler(connection: Connection) -> None:
        with connection.makefile("rb") as lines:
            received.append(len(lines.read()))
        connection.sendall(bytes(range(65, 91)) * 100_000)

    plugin, _ = opened(handler=handler)
    text = plugin.lookup("Talk")("tcp", "sink.example:9", "0123456789" * 100_000)
    assert received == [1_000_000]
    assert text == "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 100_000


def test_coroutines(opened: Opened) -> None:
    async def handler(connection: Connection) -> None:
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    plugin, _ = opened(handler=handler)
    assert plugin.lookup("Talk")("tcp", "echo.example:7", "hello") == "HELLO"


def test_a_server_elsewhere_may_keep_the_connection(opened: Opened) -> None:
    kept: list[Connection] = []
    plugin, _ = opened(handler=kept.append)

    def serve() -> None:
        while not kept:
            time.sleep(0.001)
        with kept.pop() as connection:
            connection.sendall(b"later: " + connection.recv(100))

    thread = threading.Thread(target=serve)
    thread.start()
    assert plugin.lookup("Talk")("tcp", "echo.example:7", "hello") == "later: hello"
    thread.join()


def test_tls(opened: Opened, tmp_path: Path) -> None:
    def handler(connection: Connection) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            page(secured)

    plugin, _ = opened(handler=handler)
    certificate, key = plugin.lookup("Certificate")("secure.example")
    (tmp_path / "both.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    text = plugin.lookup("GetTrusting")("https://secure.example/y", certificate)
    assert text == "200 secure.example /y"


def test_datagrams(opened: Opened) -> None:
    seen = []

    def handler(connection: Datagrams) -> None:
        seen.append((connection.network, connection.address))
        while data := connection.recv():
            connection.send(b"re: " + data)

    plugin, machine = opened(handler=handler)
    assert plugin.lookup("Talk")("udp", "time.example:123", "now?") == "re: now?"
    assert seen == [("udp", ("time.example", 123))]
    assert connections(machine)["udp send", "time.example:123"] == "handler"


def test_datagrams_refused(opened: Opened) -> None:
    plugin, machine = opened(handler=lambda connection: False)
    with pytest.raises(GoError, match="connection refused"):
        plugin.lookup("Talk")("udp", "time.example:123", "now?")
    assert connections(machine)["udp send", "time.example:123"] == "refused by the handler"


def test_grants_and_resolve_go_first(opened: Opened) -> None:
    seen = []

    def handler(connection: Connection) -> bool:
        seen.append(connection.address)
        return False

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server_thread = threading.Thread(target=_answer, args=(server,))
        server_thread.start()
        plugin, _ = opened(
            handler=handler, connect=[f"127.0.0.1:{port}"], resolve={"db": "10.0.0.9"}
        )
        assert plugin.lookup("Talk")("tcp", f"127.0.0.1:{port}", "hi") == "HI"
        server_thread.join()
    with pytest.raises(GoError, match=r"dial tcp 10\.0\.0\.9:5432"):
        plugin.lookup("Talk")("tcp", "db:5432", "x")
    assert seen == [("db", 5432)]


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as data:
        connection.sendall(data.read().upper())


def test_closing_the_machine_ends_the_handler(opened: Opened) -> None:
    ended = threading.Event()

    def handler(connection: Connection) -> None:
        while connection.recv(1000):
            pass
        ended.set()

    plugin, machine = opened(handler=handler)
    with pytest.raises(GoError):
        plugin.lookup("Impatient")("http://silent.example/", SECOND)
    machine.close()
    assert ended.wait(10)
