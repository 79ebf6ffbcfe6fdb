"""System calls that Go does not make by itself, from a few bytes of machine code."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from emuplugin import Limits, Network
from emuplugin.runtime_shims.kernel.kernel import AllAsleepError
from emuplugin.runtime_shims.kernel.net import abi
from emuplugin.runtime_shims.kernel.signals import Fatal
from tests.kernel.raw import BAD, DATA, SECRET, Raw

READ, WRITE, CLOSE, POLL, SELECT = 0, 1, 3, 7, 23
SOCKET, CONNECT, ACCEPT, SENDTO, RECVFROM, SENDMSG, RECVMSG = 41, 42, 43, 44, 45, 46, 47
BIND, LISTEN, GETSOCKNAME, SOCKETPAIR, SETSOCKOPT, GETSOCKOPT = 49, 50, 51, 53, 54, 55
PPOLL, RECVMMSG, SENDMMSG, EPOLL_CREATE1, EPOLL_CTL, EPOLL_PWAIT2 = 271, 299, 307, 291, 233, 441
EPERM, EAGAIN, EFAULT, EINVAL, EMFILE, EPIPE = 1, 11, 14, 22, 24, 32
RIGHTS = 1
MILLISECOND = 1_000_000


@pytest.fixture
def raw() -> Iterator[Raw]:
    process = Raw(limits=Limits(memory=64 << 20, seconds=60, open_files=64))
    yield process
    process.close()


def address(port: int, ip: bytes = b"\x7f\0\0\1") -> bytes:
    return struct.pack("<H", 2) + struct.pack(">H", port) + ip + bytes(8)


def pair(raw: Raw, kind: int = abi.SOCK_STREAM) -> tuple[int, int]:
    assert raw.syscall(SOCKETPAIR, abi.AF_UNIX, kind, 0, DATA) == 0
    first, second = struct.unpack("<ii", raw.memory.read(DATA, 8))
    return first, second


def listener(raw: Raw, backlog: int = 1) -> tuple[int, int]:
    """A listening TCP socket and its port."""
    fd = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM, 0)
    assert raw.syscall(BIND, fd, raw.put(address(0)), 16) == 0
    assert raw.syscall(LISTEN, fd, backlog) == 0
    raw.put(struct.pack("<I", 16), DATA + 64)
    assert raw.syscall(GETSOCKNAME, fd, DATA, DATA + 64) == 0
    return fd, struct.unpack(">H", raw.memory.read(DATA + 2, 2))[0]


def elapsed(raw: Raw, number: int, *arguments: int) -> tuple[int, int]:
    """The result of a call, and the milliseconds of virtual time that it took."""
    start = raw.kernel.clock.monotonic()
    result = raw.syscall(number, *arguments)
    return result, (raw.kernel.clock.monotonic() - start) // MILLISECOND


def test_receive_timeout(raw: Raw) -> None:
    first, second = pair(raw)
    raw.put(struct.pack("<qq", 1, 500_000))
    assert raw.syscall(SETSOCKOPT, first, abi.SOL_SOCKET, abi.SO_RCVTIMEO, DATA, 16) == 0
    assert elapsed(raw, READ, first, DATA, 8) == (-EAGAIN, 1500)
    raw.put(struct.pack("<I", 16), DATA + 64)
    assert raw.syscall(GETSOCKOPT, first, abi.SOL_SOCKET, abi.SO_RCVTIMEO, DATA, DATA + 64) == 0
    assert struct.unpack("<qq", raw.memory.read(DATA, 16)) == (1, 500_000)
    raw.put(struct.pack("<qq", 0, 2_000_000))
    assert raw.syscall(SETSOCKOPT, first, abi.SOL_SOCKET, abi.SO_RCVTIMEO, DATA, 16) == -33
    with pytest.raises(AllAsleepError):
        raw.syscall(READ, second, DATA, 8)


def test_send_timeout(raw: Raw) -> None:
    first, _ = pair(raw, abi.SOCK_SEQPACKET)
    raw.put(struct.pack("<qq", 2, 0))
    assert raw.syscall(SETSOCKOPT, first, abi.SOL_SOCKET, abi.SO_SNDTIMEO, DATA, 16) == 0
    sent = 0
    while True:
        result, passed = elapsed(raw, WRITE, first, DATA, 0x8000)
        if result < 0:
            break
        sent += result
    assert (result, passed) == (-EAGAIN, 2000)
    assert sent >= 0x8000


def test_connect_timeout_on_a_full_backlog(raw: Raw) -> None:
    _, port = listener(raw, backlog=0)
    for expected in (0, -abi.EINPROGRESS):
        fd = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM, 0)
        raw.put(struct.pack("<qq", 3, 0))
        assert raw.syscall(SETSOCKOPT, fd, abi.SOL_SOCKET, abi.SO_SNDTIMEO, DATA, 16) == 0
        result, passed = elapsed(raw, CONNECT, fd, raw.put(address(port)), 16)
        assert (result, passed) == (expected, 3000 if expected else 0)


def test_who_waits_in_a_full_backlog_is_let_in(raw: Raw) -> None:
    server, port = listener(raw, backlog=0)
    clients = []
    for _ in range(3):
        fd = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM | abi.SOCK_NONBLOCK, 0)
        assert raw.syscall(CONNECT, fd, raw.put(address(port)), 16) == -abi.EINPROGRESS
        clients.append(fd)
    for fd in clients:
        assert raw.syscall(ACCEPT, server, 0, 0) > 0
        assert raw.syscall(CONNECT, fd, raw.put(address(port)), 16) == 0


def test_waitall_gives_what_there_is_at_the_end(raw: Raw) -> None:
    first, second = pair(raw)
    raw.put(b"abcdef", DATA + 256)
    assert raw.syscall(WRITE, second, DATA + 256, 4) == 4
    assert raw.syscall(RECVFROM, first, DATA, 2, abi.MSG_WAITALL, 0, 0) == 2
    raw.syscall(CLOSE, second)
    assert raw.syscall(RECVFROM, first, DATA, 10, abi.MSG_WAITALL, 0, 0) == 2
    assert raw.memory.read(DATA, 2) == b"cd"


def test_waiting_polls(raw: Raw) -> None:
    first, _ = pair(raw)
    raw.put(struct.pack("<ihh", first, 1, -1), DATA)
    assert elapsed(raw, POLL, DATA, 1, 250) == (0, 250)
    assert raw.memory.read(DATA, 8) == struct.pack("<ihh", first, 1, 0)
    raw.put(struct.pack("<qq", 0, 40 * MILLISECOND), DATA + 64)
    assert elapsed(raw, PPOLL, DATA, 1, DATA + 64, 0, 8) == (0, 40)
    raw.put(struct.pack("<Q", 1 << first), DATA + 128)
    raw.put(struct.pack("<qq", 0, 70_000), DATA + 64)
    assert elapsed(raw, SELECT, first + 1, DATA + 128, 0, 0, DATA + 64) == (0, 70)
    assert raw.memory.read_u64(DATA + 128) == 0
    epoll = raw.syscall(EPOLL_CREATE1, 0)
    raw.put(struct.pack("<IQ", 1, 7))
    assert raw.syscall(EPOLL_CTL, epoll, 1, first, DATA) == 0
    raw.put(struct.pack("<qq", 1, 0), DATA + 64)
    assert elapsed(raw, EPOLL_PWAIT2, epoll, DATA, 1, DATA + 64, 0, 8) == (0, 1000)
    raw.put(struct.pack("<Q", 1 << 60), DATA + 128)
    assert raw.syscall(SELECT, 64, DATA + 128, 0, 0, 0) == -9


def test_many_messages_at_once(raw: Raw) -> None:
    first, second = pair(raw, abi.SOCK_DGRAM)
    raw.put(b"onetwothree", DATA + 1024)
    vectors = ((0, 3), (3, 3), (6, 5))
    for index, (start, size) in enumerate(vectors):
        raw.put(struct.pack("<QQ", DATA + 1024 + start, size), DATA + 512 + 16 * index)
        header = struct.pack("<QQQQQQQ", 0, 0, DATA + 512 + 16 * index, 1, 0, 0, 0)
        raw.put(header + bytes(8), DATA + 64 * index)
    assert raw.syscall(SENDMMSG, first, DATA, 3, 0) == 3
    assert [raw.memory.read_u32(DATA + 64 * i + 56) for i in range(3)] == [3, 3, 5]
    raw.put(bytes(11), DATA + 1024)
    assert raw.syscall(RECVMMSG, second, DATA, 3, 0, 0) == 3
    assert raw.memory.read(DATA + 1024, 11) == b"onetwothree"
    assert raw.syscall(RECVMMSG, second, DATA, 3, abi.MSG_DONTWAIT, 0) == -EAGAIN


def test_a_broken_stream_sends_a_signal(raw: Raw) -> None:
    first, second = pair(raw)
    raw.syscall(CLOSE, second)
    assert raw.syscall(SENDTO, first, DATA, 1, abi.MSG_NOSIGNAL, 0, 0) == -EPIPE
    with pytest.raises(Fatal) as fatal:
        raw.syscall(SENDTO, first, DATA, 1, 0, 0, 0)
    assert fatal.value.number == 13


def test_bad_pointers(raw: Raw) -> None:
    first, second = pair(raw)
    raw.syscall(WRITE, second, DATA, 8)
    tcp = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM, 0)
    for bad in (*BAD, SECRET):
        assert raw.syscall(SOCKETPAIR, abi.AF_UNIX, 1, 0, bad) == -EFAULT
        assert raw.syscall(RECVFROM, first, bad, 8, 0, 0, 0) == -EFAULT
        assert raw.syscall(RECVMSG, first, bad, 0) in (-EFAULT, -EINVAL)
        assert raw.syscall(GETSOCKNAME, tcp, DATA, bad) == -EFAULT
        assert raw.syscall(GETSOCKOPT, tcp, 1, 3, bad, bad) == -EFAULT
    for bad in BAD:
        assert raw.syscall(BIND, tcp, bad, 16) == -EFAULT
        assert raw.syscall(SENDTO, first, bad, 8, 0, 0, 0) == -EFAULT
        assert raw.syscall(SENDMSG, first, bad, 0) == -EFAULT
        assert raw.syscall(POLL, bad, 1, 0) == -EFAULT
    # None of them took anything away.
    assert raw.syscall(RECVFROM, first, DATA, 100, 0, 0, 0) == 8


def test_lengths_that_cannot_be(raw: Raw) -> None:
    tcp = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM, 0)
    for size in (0, 1, 15, 129, 1 << 31, (1 << 64) - 1):
        assert raw.syscall(BIND, tcp, raw.put(address(0)), size) == -EINVAL
    first, _ = pair(raw)
    raw.put(struct.pack("<QQQQQQQ", 0, 0, DATA + 512, 1025, 0, 0, 0))
    assert raw.syscall(SENDMSG, first, DATA, 0) == -abi.EMSGSIZE
    raw.put(struct.pack("<QQQQQQQ", 0, 0, DATA + 512, 0, DATA, 1 << 40, 0))
    assert raw.syscall(SENDMSG, first, DATA, 0) == -abi.ENOBUFS
    assert raw.syscall(POLL, DATA, 1 << 31, 0) == -EINVAL


def test_descriptors_run_out(raw: Raw) -> None:
    made = [raw.syscall(SOCKET, abi.AF_UNIX, abi.SOCK_STREAM, 0) for _ in range(61)]
    assert min(made) == 3
    assert raw.syscall(SOCKET, abi.AF_UNIX, abi.SOCK_STREAM, 0) == -EMFILE
    raw.syscall(CLOSE, made[-1])
    assert raw.syscall(SOCKETPAIR, abi.AF_UNIX, abi.SOCK_STREAM, 0, DATA) == -EMFILE
    assert raw.syscall(SOCKET, abi.AF_UNIX, abi.SOCK_STREAM, 0) == made[-1]


def test_what_is_under_way_is_limited(raw: Raw) -> None:
    """Connections that nobody accepts, full of data, must not fill the host's memory."""
    server, port = listener(raw, backlog=4096)
    accepted = 0
    for _ in range(600):
        fd = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_STREAM | abi.SOCK_NONBLOCK, 0)
        assert raw.syscall(CONNECT, fd, raw.put(address(port)), 16) == -abi.EINPROGRESS
        while (sent := raw.syscall(WRITE, fd, DATA, 0x10000)) > 0:
            accepted += sent
        raw.syscall(CLOSE, fd)
    assert accepted <= 64 << 20
    raw.syscall(CLOSE, server)
    first, _ = pair(raw)
    assert raw.syscall(WRITE, first, DATA, 0x10000) == 0x10000


def test_files_under_way_are_limited(raw: Raw) -> None:
    """Sockets that lie in themselves are lost: only so many can be."""
    sent = 0
    for _ in range(200):
        first, second = pair(raw)
        raw.put(struct.pack("<QIIii", 24, abi.SOL_SOCKET, RIGHTS, first, second), DATA + 256)
        raw.put(struct.pack("<QQ", DATA, 1), DATA + 512)
        raw.put(struct.pack("<QQQQQQQ", 0, 0, DATA + 512, 1, DATA + 256, 24, 0), DATA + 600)
        result = raw.syscall(SENDMSG, first, DATA + 600, 0)
        raw.syscall(CLOSE, first)
        raw.syscall(CLOSE, second)
        if result < 0:
            break
        sent += 1
    assert (result, sent) == (-abi.ETOOMANYREFS, 32)


def test_handlers_are_limited() -> None:
    """A plugin cannot start endless threads of the host."""

    def handler(connection: object) -> None:
        connection.recv()  # type: ignore[attr-defined]

    raw = Raw(network=Network(handler=handler))
    udp = raw.syscall(SOCKET, abi.AF_INET, abi.SOCK_DGRAM, 0)
    results = []
    raw.kernel.network.handlers = []
    for index in range(300):
        raw.put(address(80, bytes([10, 0, index >> 8, index & 0xFF])), DATA)
        # Nothing looks at the handlers in between, so all of them run.
        results.append(raw.syscall(SENDTO, udp, DATA + 64, 1, 0, DATA, 16))
    raw.close()
    assert set(results) <= {1, -EPERM}
    assert len(raw.kernel.network.handlers) <= 256
