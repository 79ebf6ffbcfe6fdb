"""Descriptors: streams, pipes, eventfd, epoll, devices; and pointers that lead nowhere."""

from __future__ import annotations

import io
import struct

import pytest

from emuplugin.runtime_shims.kernel import linux
from tests.kernel.raw import BAD, DATA, SECRET, Raw

READ, WRITE, CLOSE, LSEEK, READV, WRITEV, PIPE, DUP, DUP2 = 0, 1, 3, 8, 19, 20, 22, 32, 33
FCNTL, GETDENTS, EPOLL_WAIT, EPOLL_CTL, OPENAT, FSTATAT = 72, 217, 232, 233, 257, 262
EVENTFD, EPOLL_CREATE, DUP3, PIPE2 = 290, 291, 292, 293
AT_FDCWD = linux.AT_FDCWD & 0xFFFFFFFFFFFFFFFF


def test_streams() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    raw = Raw(stdin=io.BytesIO(b"input"), stdout=out, stderr=err)
    text = raw.put(b"hello")
    assert raw.syscall(WRITE, 1, text, 5) == 5
    assert raw.syscall(WRITE, 2, text, 4) == 4
    assert raw.syscall(WRITE, 0, text, 4) == -linux.EBADF
    assert raw.syscall(READ, 1, text, 4) == -linux.EBADF
    assert raw.syscall(READ, 0, DATA + 100, 3) == 3
    assert raw.syscall(READ, 0, DATA + 103, 300) == 2
    assert raw.syscall(READ, 0, DATA + 103, 300) == 0
    assert raw.memory.read(DATA + 100, 5) == b"input"
    assert (out.getvalue(), err.getvalue()) == (b"hello", b"hell")
    assert raw.syscall(LSEEK, 1, 0, 0) == -linux.ESPIPE
    raw.close()


def test_vectors() -> None:
    out = io.BytesIO()
    raw = Raw(stdin=io.BytesIO(b"abcdef"), stdout=out)
    raw.put(b"hello world", DATA + 0x100)
    vector = raw.put(struct.pack("<4Q", DATA + 0x100, 6, DATA + 0x106, 5))
    assert raw.syscall(WRITEV, 1, vector, 2) == 11
    assert out.getvalue() == b"hello world"
    vector = raw.put(struct.pack("<4Q", DATA + 0x200, 2, DATA + 0x300, 9))
    assert raw.syscall(READV, 0, vector, 2) == 6
    assert (raw.memory.read(DATA + 0x200, 3), raw.memory.read(DATA + 0x300, 5)) == (
        b"ab\0",
        b"cdef\0",
    )
    assert raw.syscall(WRITEV, 1, vector, 5000) == -linux.EINVAL
    assert raw.syscall(WRITEV, 1, vector, -1) == -linux.EINVAL
    raw.close()


@pytest.mark.parametrize("pointer", [*BAD, SECRET])
def test_bad_pointers(pointer: int, raw: Raw) -> None:
    """EFAULT, also for memory that the guest itself could not write; and nothing is lost."""
    raw.syscall(PIPE, DATA)
    reader, writer = struct.unpack("<ii", raw.memory.read(DATA, 8))
    raw.put(b"payload", DATA + 16)
    assert raw.syscall(WRITE, writer, DATA + 16, 7) == 7
    writes_memory = [
        (READ, reader, pointer, 7),
        (PIPE, pointer),
        (FSTATAT, AT_FDCWD, raw.put(b"/dev/null\0", DATA + 32), pointer, 0),
        (318, pointer, 16, 0),  # getrandom
        (228, 0, pointer),  # clock_gettime
        (63, pointer),  # uname
        (99, pointer),  # sysinfo
        (98, 0, pointer),  # getrusage
        (79, pointer, 100),  # getcwd
    ]
    for call in writes_memory:
        assert raw.syscall(*call) == -linux.EFAULT, call
    if pointer != SECRET:
        reads_memory = [
            (WRITE, writer, pointer, 7),
            (OPENAT, AT_FDCWD, pointer, 0, 0),
            (WRITEV, writer, pointer, 1),
            (202, pointer & -4 or 4, 0, 0, 0),  # futex wait
            (13, 10, pointer or 8, 0, 8),  # rt_sigaction
        ]
        for call in reads_memory:
            assert raw.syscall(*call) == -linux.EFAULT, call
    assert raw.syscall(READ, reader, DATA + 64, 100) == 7
    assert raw.memory.read(DATA + 64, 7) == b"payload"
    assert not any(raw.memory.read(SECRET, 64))


def test_pipes(raw: Raw) -> None:
    assert raw.syscall(PIPE2, DATA, linux.O_NONBLOCK | linux.O_CLOEXEC) == 0
    reader, writer = struct.unpack("<ii", raw.memory.read(DATA, 8))
    assert raw.syscall(READ, reader, DATA, 10) == -linux.EAGAIN
    assert raw.syscall(WRITE, reader, DATA, 1) == -linux.EBADF
    assert raw.syscall(READ, writer, DATA, 1) == -linux.EBADF
    written = 0
    while (done := raw.syscall(WRITE, writer, DATA, 50000)) > 0:
        written += done
    assert done == -linux.EAGAIN
    assert written == 65536
    read = 0
    while read < written:
        read += raw.syscall(READ, reader, DATA, 30000)
    assert raw.syscall(FCNTL, reader, linux.F_GETFD) == 1
    assert raw.syscall(FCNTL, reader, linux.F_SETFL, 0) == 0
    assert raw.syscall(CLOSE, writer) == 0
    assert raw.syscall(READ, reader, DATA, 10) == 0  # the end
    assert raw.syscall(CLOSE, writer) == -linux.EBADF


def test_a_pipe_without_a_reader(raw: Raw) -> None:
    # SIGPIPE is ignored, as a Go program has it for anything but the standard streams.
    raw.put(struct.pack("<4Q", linux.SIG_IGN, 0, 0, 0))
    assert raw.syscall(13, linux.SIGPIPE, DATA, 0, 8) == 0
    raw.syscall(PIPE, DATA)
    reader, writer = struct.unpack("<ii", raw.memory.read(DATA, 8))
    raw.syscall(CLOSE, reader)
    assert raw.syscall(WRITE, writer, DATA, 1) == -linux.EPIPE


def test_descriptors_are_the_lowest_free(raw: Raw) -> None:
    null = raw.put(b"/dev/null\0")
    opened = [raw.syscall(OPENAT, AT_FDCWD, null, linux.O_RDWR, 0) for _ in range(3)]
    assert opened == [3, 4, 5]
    assert raw.syscall(CLOSE, 4) == 0
    assert raw.syscall(DUP, 3) == 4
    assert raw.syscall(FCNTL, 3, linux.F_DUPFD, 10) == 10
    assert raw.syscall(DUP2, 3, 20) == 20
    assert raw.syscall(DUP2, 20, 20) == 20
    assert raw.syscall(DUP3, 20, 20, 0) == -linux.EINVAL
    assert raw.syscall(DUP2, 99, 5) == -linux.EBADF
    assert raw.syscall(DUP2, 3, 1 << 20) == -linux.EBADF
    for fd in (-1, 1 << 31, 999):
        assert raw.syscall(CLOSE, fd) == -linux.EBADF
        assert raw.syscall(READ, fd, DATA, 1) == -linux.EBADF


def test_devices(raw: Raw) -> None:
    def open_(name: bytes, flags: int = linux.O_RDWR) -> int:
        return raw.syscall(OPENAT, AT_FDCWD, raw.put(name + b"\0"), flags, 0)

    null, zero, full, random = (
        open_(b"/dev/" + n) for n in (b"null", b"zero", b"full", b"urandom")
    )
    assert raw.syscall(READ, null, DATA, 8) == 0
    raw.put(b"x" * 16)
    assert raw.syscall(READ, zero, DATA, 8) == 8
    assert raw.memory.read(DATA, 16) == bytes(8) + b"x" * 8
    assert raw.syscall(WRITE, full, DATA, 8) == -linux.ENOSPC
    assert raw.syscall(WRITE, null, DATA, 8) == 8
    assert raw.syscall(READ, random, DATA, 16) == 16
    assert len(set(raw.memory.read(DATA, 16))) > 4
    assert open_(b"/etc/shadow") == -linux.ENOENT
    assert open_(b"") == -linux.ENOENT
    assert open_(b"/new", linux.O_CREAT | linux.O_WRONLY) == -linux.EACCES
    assert open_(b"/" + b"x" * 5000) == -linux.ENAMETOOLONG
    assert raw.kernel.refused["openat"] > 0


def test_the_root(raw: Raw) -> None:
    for name in (b"/\0", b".\0", b"/.\0"):
        fd = raw.syscall(OPENAT, AT_FDCWD, raw.put(name), linux.O_DIRECTORY, 0)
        assert fd >= 3
        assert raw.syscall(READ, fd, DATA, 10) == -linux.EISDIR
        assert raw.syscall(GETDENTS, fd, DATA, 1000) > 0
        assert raw.syscall(GETDENTS, fd, DATA, 1000) == 0
    assert raw.syscall(OPENAT, AT_FDCWD, raw.put(b"/\0"), linux.O_RDWR, 0) == -linux.EISDIR
    assert raw.syscall(FSTATAT, AT_FDCWD, raw.put(b".\0"), DATA + 64, 0) == 0
    (mode,) = struct.unpack_from("<I", raw.memory.read(DATA + 64 + 24, 4))
    assert mode & 0o170000 == linux.S_IFDIR


def test_eventfd(raw: Raw) -> None:
    fd = raw.syscall(EVENTFD, 3, linux.O_NONBLOCK)
    assert raw.syscall(READ, fd, DATA, 8) == 8
    assert raw.memory.read_u64(DATA) == 3
    assert raw.syscall(READ, fd, DATA, 8) == -linux.EAGAIN
    assert raw.syscall(WRITE, fd, raw.put((1 << 64).to_bytes(9, "little")[:8]), 8) == 8
    assert raw.syscall(WRITE, fd, raw.put(b"\xff" * 8), 8) == -linux.EINVAL
    assert raw.syscall(WRITE, fd, raw.put(struct.pack("<Q", (1 << 64) - 2)), 8) == 8
    assert raw.syscall(WRITE, fd, raw.put(struct.pack("<Q", 1)), 8) == -linux.EAGAIN
    assert raw.syscall(READ, fd, DATA, 4) == -linux.EINVAL


def test_epoll(raw: Raw) -> None:
    epoll = raw.syscall(EPOLL_CREATE, 0)
    raw.syscall(PIPE, DATA)
    reader, writer = struct.unpack("<ii", raw.memory.read(DATA, 8))
    event = raw.put(struct.pack("<IQ", linux.EPOLLIN, 77))
    assert raw.syscall(EPOLL_CTL, epoll, linux.EPOLL_CTL_ADD, reader, event) == 0
    assert raw.syscall(EPOLL_CTL, epoll, linux.EPOLL_CTL_ADD, reader, event) == -linux.EEXIST
    assert raw.syscall(EPOLL_CTL, epoll, linux.EPOLL_CTL_DEL, writer, event) == -linux.ENOENT
    assert raw.syscall(EPOLL_CTL, epoll, 9, writer, event) == -linux.EINVAL
    assert raw.syscall(EPOLL_CTL, reader, linux.EPOLL_CTL_ADD, writer, event) == -linux.EINVAL
    assert raw.syscall(EPOLL_WAIT, epoll, DATA, 4, 0) == 0
    before = raw.kernel.clock.monotonic()
    assert raw.syscall(EPOLL_WAIT, epoll, DATA, 4, 1000) == 0  # a second passes at once
    assert raw.kernel.clock.monotonic() - before >= 1_000_000_000
    raw.syscall(WRITE, writer, DATA, 1)
    for _ in range(2):  # level-triggered: as long as there is something
        assert raw.syscall(EPOLL_WAIT, epoll, DATA + 64, 4, -1) == 1
        assert struct.unpack("<IQ", raw.memory.read(DATA + 64, 12)) == (linux.EPOLLIN, 77)
    edge = raw.put(struct.pack("<IQ", linux.EPOLLIN | linux.EPOLLET, 78))
    assert raw.syscall(EPOLL_CTL, epoll, linux.EPOLL_CTL_MOD, reader, edge) == 0
    assert raw.syscall(EPOLL_WAIT, epoll, DATA + 64, 4, 0) == 1
    assert raw.syscall(EPOLL_WAIT, epoll, DATA + 64, 4, 0) == 0
    assert raw.syscall(EPOLL_WAIT, epoll, SECRET, 4, 0) == -linux.EFAULT
    assert raw.syscall(EPOLL_WAIT, epoll, DATA, 0, 0) == -linux.EINVAL
