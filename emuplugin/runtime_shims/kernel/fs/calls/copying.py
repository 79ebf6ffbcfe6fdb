"""Moving bytes from file to file (man 2 sendfile, copy_file_range, splice, tee)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import linux
from ...blocking import attempt_until, write_file
from ...net.stream import StreamSocket
from ...open_file import COPY_MAX, OpenFile
from ...pipes import PipeEnd
from ...table import Errno, signed, syscall
from ...transfer import gather, vector
from ..node import Directory
from ..regular import NodeFile, RegularFile

if TYPE_CHECKING:
    from ...kernel import Kernel

_SPLICE_FLAGS = 0xF
_NONBLOCK = 2  # SPLICE_F_NONBLOCK


def _readable(file: OpenFile) -> None:
    if file.flags & linux.O_ACCMODE == linux.O_WRONLY:
        raise Errno(linux.EBADF)


def _writable(file: OpenFile) -> None:
    if file.flags & linux.O_ACCMODE == linux.O_RDONLY:
        raise Errno(linux.EBADF)


def _offset(kernel: Kernel, at: int) -> int:
    """An offset in guest memory; it will be written to as well."""
    kernel.check_writable(at, 8)
    offset = kernel.read_i64(at)
    if offset < 0:
        raise Errno(linux.EINVAL)
    return offset


@syscall(40, "sendfile")
def sendfile(kernel: Kernel, out: int, source: int, offset: int, size: int) -> int:
    target, file = kernel.files.usable(out), kernel.files.usable(source)
    _readable(file)
    _writable(target)
    if signed(size) < 0 or (target.flags & linux.O_APPEND and isinstance(target, RegularFile)):
        raise Errno(linux.EINVAL)
    if isinstance(file, NodeFile) and not isinstance(file, RegularFile):
        raise Errno(linux.EINVAL)
    if not isinstance(file, RegularFile):
        raise Errno(linux.ESPIPE if offset else linux.EINVAL)
    place = _offset(kernel, offset) if offset else file.at
    # A socket or pipe takes what it has room for; not more than that must be taken here.
    data = file.pread(min(size, COPY_MAX), place)
    if not data:
        return 0

    def attempt() -> int | None:
        done = target.write(kernel, data)
        if done is not None:
            if offset:
                kernel.write_u64(offset, place + done)
            else:
                file.at = place + done
        return done

    return attempt_until(kernel, attempt, nonblocking=bool(target.flags & linux.O_NONBLOCK))


@syscall(326, "copy_file_range")
def copy_file_range(
    kernel: Kernel, source: int, at: int, out: int, to: int, size: int, flags: int
) -> int:
    file, target = kernel.files.usable(source), kernel.files.usable(out)
    if flags & 0xFFFFFFFF:
        raise Errno(linux.EINVAL)
    for side in (file, target):
        if isinstance(side, NodeFile) and isinstance(side.node, Directory):
            raise Errno(linux.EISDIR)
        if not isinstance(side, RegularFile):
            raise Errno(linux.EINVAL)
    assert isinstance(file, RegularFile)
    assert isinstance(target, RegularFile)
    _readable(file)
    _writable(target)
    if target.flags & linux.O_APPEND:
        raise Errno(linux.EBADF)
    begin = _offset(kernel, at) if at else file.at
    place = _offset(kernel, to) if to else target.at
    count = min(size, COPY_MAX, max(file.size() - begin, 0))
    if file.node is target.node and begin < place + count and place < begin + count:
        raise Errno(linux.EINVAL)
    if not count:
        return 0
    done = target.pwrite(file.pread(count, begin), place)
    if at:
        kernel.write_u64(at, begin + done)
    else:
        file.at = begin + done
    if to:
        kernel.write_u64(to, place + done)
    else:
        target.at = place + done
    return done


def _is_pipe(file: OpenFile) -> bool:
    return file.mode & linux.S_IFMT == linux.S_IFIFO


@syscall(275, "splice", "partial", "through a buffer; from pipes as much as the target takes")
def splice(kernel: Kernel, source: int, at: int, out: int, to: int, size: int, flags: int) -> int:
    file, target = kernel.files.usable(source), kernel.files.usable(out)
    if flags & 0xFFFFFFFF & ~_SPLICE_FLAGS:
        raise Errno(linux.EINVAL)
    _readable(file)
    _writable(target)
    if not size:
        return 0
    if not _is_pipe(file) and not _is_pipe(target):
        raise Errno(linux.EINVAL)
    if (at and _is_pipe(file)) or (to and _is_pipe(target)):
        raise Errno(linux.ESPIPE)
    if not isinstance(target, (RegularFile, StreamSocket)) and not _is_pipe(target):
        raise Errno(linux.EINVAL)
    if isinstance(target, RegularFile) and target.flags & linux.O_APPEND:
        raise Errno(linux.EINVAL)
    return _splice(kernel, file, at, target, to, size, bool(flags & _NONBLOCK))


def _splice(
    kernel: Kernel, file: OpenFile, at: int, target: OpenFile, to: int, size: int, nonblocking: bool
) -> int:
    begin = _offset(kernel, at) if at else None
    place = _offset(kernel, to) if to else None
    held = b""

    def attempt() -> int | None:
        nonlocal held
        if not held:
            # Not more than a pipe takes, so that nothing is lost in between.
            count = min(size, _room(target))
            if not count:
                return None
            found = file.read(kernel, count) if begin is None else file.pread(count, begin)
            if found is None:
                return None
            if not found:
                return 0
            held = found
        done = target.write(kernel, held) if place is None else target.pwrite(held, place)
        if done is None:
            return None
        if begin is not None:
            kernel.write_u64(at, begin + done)
        if place is not None:
            kernel.write_u64(to, place + done)
        return done

    waits = not nonblocking and not (file.flags | target.flags) & linux.O_NONBLOCK
    return attempt_until(kernel, attempt, nonblocking=not waits)


def _room(target: OpenFile) -> int:
    if isinstance(target, RegularFile):
        return 1 << 16
    if isinstance(target, StreamSocket):
        return target.send_room()
    if isinstance(target, PipeEnd):
        return target.room()
    if not target.events() & linux.EPOLLOUT:
        return 0 if not target.events() & linux.EPOLLERR else 1
    return 4096  # a pipe that is ready for writing takes this much (PIPE_BUF)


@syscall(276, "tee", "refused", "EINVAL: two pipes cannot share what is in them")
def tee(kernel: Kernel, source: int, out: int, size: int, flags: int) -> int:
    kernel.files.usable(source)
    kernel.files.usable(out)
    raise Errno(linux.EINVAL)


@syscall(278, "vmsplice", "partial", "into a pipe, as writev")
def vmsplice(kernel: Kernel, fd: int, at: int, count: int, flags: int) -> int:
    file = kernel.files.usable(fd)
    if flags & 0xFFFFFFFF & ~_SPLICE_FLAGS:
        raise Errno(linux.EINVAL)
    if not _is_pipe(file) or file.flags & linux.O_ACCMODE == linux.O_RDONLY:
        raise Errno(linux.EBADF)
    return write_file(kernel, file, gather(kernel, vector(kernel, at, count)))
