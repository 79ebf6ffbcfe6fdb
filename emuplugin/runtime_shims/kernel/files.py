"""The descriptor table, and the calls on descriptors themselves (man 2 dup, fcntl, ioctl)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import linux
from .fs import names
from .fs.locks import END, Locks, Range
from .fs.memory import MemoryFile
from .fs.node import Directory, Node
from .fs.regular import NodeFile, PathFile, RegularFile
from .fs.walk import WRITE
from .open_file import OpenFile
from .pipes import PipeEnd
from .state import SAME, WHOLE, collected, mapped, reference, state
from .table import Errno, signed, signed32, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_CLOSE_RANGE_UNSHARE, _CLOSE_RANGE_CLOEXEC = 2, 4
_EADDRINUSE, _ECONNREFUSED = 98, 111
_PIPE_SIZE = 1 << 16


@state(
    table=mapped(WHOLE, reference(OpenFile)), close_on_exec=collected(WHOLE),
    _last_inode=WHOLE, _lowest=WHOLE, _kernel=SAME,
)  # fmt: skip
class Files:
    """The descriptor table of the process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.table: dict[int, OpenFile] = {}
        self.close_on_exec: set[int] = set()
        self._last_inode = 0
        # All below are taken, so that a search need not start at 0.
        self._lowest = 0

    @property
    def limit(self) -> int:
        """Descriptors are below this."""
        soft = self._kernel.resources.values[linux.RLIMIT_NOFILE][0]
        return min(soft, self._kernel.sandbox.limits.open_files)

    def get(self, fd: int) -> OpenFile:
        """What a register's descriptor refers to; EBADF."""
        file = self.table.get(signed32(fd))
        if file is None:
            raise Errno(linux.EBADF)
        return file

    def usable(self, fd: int) -> OpenFile:
        """The same, but EBADF for one that only names a place (O_PATH)."""
        file = self.get(fd)
        if isinstance(file, PathFile):
            raise Errno(linux.EBADF)
        return file

    def install(self, file: OpenFile, flags: int = 0, lowest: int = 0) -> int:
        """Give a file the lowest free descriptor. EMFILE, and the file is closed then if nobody
        else has it."""
        fd = max(lowest, self._lowest)
        while fd in self.table:
            fd += 1
        if fd >= self.limit:
            if not file.users:
                file.closed()
            raise Errno(linux.EMFILE)
        if lowest <= self._lowest:
            self._lowest = fd + 1
        self.place(fd, file, flags)
        return fd

    def place(self, fd: int, file: OpenFile, flags: int = 0) -> None:
        """Make ``fd`` refer to ``file``."""
        self.table[fd] = file
        if not file.users and not isinstance(file, NodeFile):
            self._last_inode += 1
            file.inode = self._last_inode
        file.users += 1
        (self.close_on_exec.add if flags & linux.O_CLOEXEC else self.close_on_exec.discard)(fd)

    def close(self, fd: int) -> None:
        file, fd = self.get(fd), signed32(fd)
        del self.table[fd]
        self._lowest = min(self._lowest, fd)
        file.users -= 1
        if isinstance(file, NodeFile) and file.node.locks is not None:
            # As POSIX has it, whichever descriptor of the file it was.
            file.node.locks.release(None)
            if not file.users:
                file.node.locks.release(file)
            if file.node.locks.is_empty:
                file.node.locks = None
        if not file.users:
            file.closed()

    def directory(self, fd: int) -> Directory:
        """The directory that a ``dirfd`` argument stands for. EBADF, ENOTDIR."""
        if signed32(fd) == linux.AT_FDCWD:
            return self._kernel.tree.working
        file = self.get(fd)
        if not isinstance(file, NodeFile) or not isinstance(file.node, Directory):
            raise Errno(linux.ENOTDIR)
        return file.node

    # --- names of Unix sockets --------------------------------------------------------------

    def make_socket(self, name: bytes) -> Node:
        """The inode that a Unix socket is bound to. Raises Errno."""
        tree, path = self._kernel.tree, name.decode(errors="surrogateescape")
        mode = linux.S_IFSOCK | 0o777 & ~self._kernel.identity.umask
        try:
            return names.make_special(tree, tree.working, path, mode)
        except Errno as error:
            if error.number == linux.EEXIST:
                raise Errno(_EADDRINUSE) from None
            raise

    def find_socket(self, name: bytes) -> Node:
        """The inode that a Unix socket connects to. Raises Errno."""
        tree, path = self._kernel.tree, name.decode(errors="surrogateescape")
        node = tree.walk(tree.working, path).found
        if node.kind != linux.S_IFSOCK:
            raise Errno(_ECONNREFUSED)
        tree.user.check(node, WRITE)
        return node


@syscall(72, "fcntl", "partial", "no signals of I/O (F_SETOWN is kept), no leases")
def fcntl(kernel: Kernel, fd: int, command: int, argument: int) -> int:
    files, number, command = kernel.files, signed32(fd), signed32(command)
    file = files.get(number)
    if command in (linux.F_DUPFD, linux.F_DUPFD_CLOEXEC):
        flags = linux.O_CLOEXEC if command == linux.F_DUPFD_CLOEXEC else 0
        lowest = argument & 0xFFFFFFFF
        if lowest >= files.limit:
            raise Errno(linux.EINVAL)
        return files.install(file, flags, lowest)
    if command == linux.F_GETFD:
        return int(number in files.close_on_exec)
    if command == linux.F_SETFD:
        (files.close_on_exec.add if argument & 1 else files.close_on_exec.discard)(number)
        return 0
    if command == linux.F_GETFL:
        return file.flags
    if isinstance(file, PathFile):
        raise Errno(linux.EBADF)
    if command == linux.F_SETFL:
        kept = linux.O_APPEND | linux.O_NONBLOCK | linux.O_NOATIME
        file.flags = file.flags & ~kept | argument & kept
        return 0
    if command in _LOCKING:
        return _lock(kernel, file, command, argument)
    if command in (linux.F_SETPIPE_SZ, linux.F_GETPIPE_SZ):
        if file.mode & linux.S_IFMT != linux.S_IFIFO:
            raise Errno(linux.EBADF)
        if command == linux.F_SETPIPE_SZ and argument & 0xFFFFFFFF > 1 << 31:
            raise Errno(linux.EINVAL)
        if not isinstance(file, PipeEnd):
            return _PIPE_SIZE
        if command == linux.F_SETPIPE_SZ:
            return file.pipe.resize(argument & 0xFFFFFFFF)
        return file.pipe.capacity
    if command in (linux.F_ADD_SEALS, linux.F_GET_SEALS):
        return _seal(file, command, argument)
    if command in (linux.F_SETOWN, linux.F_GETOWN):
        if command == linux.F_SETOWN:
            file.owner = signed32(argument)
            return 0
        return file.owner
    raise Errno(linux.EINVAL)


_LOCKING = frozenset(
    (
        linux.F_GETLK,
        linux.F_SETLK,
        linux.F_SETLKW,
        linux.F_OFD_GETLK,
        linux.F_OFD_SETLK,
        linux.F_OFD_SETLKW,
    )
)
_FLOCK = struct.Struct("<hh4xqqi4x")  # struct flock: type, whence, start, len, pid


def _lock(kernel: Kernel, file: OpenFile, command: int, at: int) -> int:
    """Record locks (man 2 fcntl, "Advisory record locking")."""
    kind, whence, start, length, pid = _FLOCK.unpack(kernel.read(at, _FLOCK.size))
    of_file = command in (linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW)
    if kind not in (linux.F_RDLCK, linux.F_WRLCK, linux.F_UNLCK) or (of_file and pid):
        raise Errno(linux.EINVAL)
    position = file.at if isinstance(file, RegularFile) else 0
    origins = {linux.SEEK_SET: 0, linux.SEEK_CUR: position, linux.SEEK_END: file.size()}
    if whence not in origins:
        raise Errno(linux.EINVAL)
    start += origins[whence]
    end = start + length - 1 if length > 0 else END
    if length < 0:
        start, end = start + length, start - 1
    if start < 0:
        raise Errno(linux.EINVAL)
    if end > END:
        raise Errno(linux.EOVERFLOW)
    wanted = Range(file if of_file else None, kind, start, end)
    getting = command in (linux.F_GETLK, linux.F_OFD_GETLK)
    if not isinstance(file, NodeFile):
        raise Errno(linux.EBADF)
    if not getting:
        access = file.flags & linux.O_ACCMODE
        forbidden = {linux.F_RDLCK: linux.O_WRONLY, linux.F_WRLCK: linux.O_RDONLY}
        if forbidden.get(kind) == access:
            raise Errno(linux.EBADF)
    node = file.node
    if node.locks is None:
        node.locks = Locks()
    if getting:
        if kind == linux.F_UNLCK:
            raise Errno(linux.EINVAL)
        held = node.locks.conflict(wanted)
        if held is None:
            kernel.write(at, struct.pack("<h", linux.F_UNLCK))
            return 0
        length = 0 if held.end == END else held.end - held.start + 1
        owner = kernel.pid if held.owner is None else -1
        kernel.write(at, _FLOCK.pack(held.kind, linux.SEEK_SET, held.start, length, owner))
        return 0
    if node.locks.set(wanted):
        return 0
    if command in (linux.F_SETLK, linux.F_OFD_SETLK):
        raise Errno(linux.EAGAIN)

    def attempt() -> int | None:
        if node.locks is None:
            node.locks = Locks()
        return 0 if node.locks.set(wanted) else None

    return kernel.threads.wait(ready=attempt)


def _seal(file: OpenFile, command: int, argument: int) -> int:
    """The seals of a memfd."""
    node = file.node if isinstance(file, RegularFile) else None
    if not isinstance(node, MemoryFile) or node.seals is None:
        raise Errno(linux.EINVAL)
    if command == linux.F_GET_SEALS:
        return node.seals
    if file.flags & linux.O_ACCMODE == linux.O_RDONLY or node.seals & linux.F_SEAL_SEAL:
        raise Errno(linux.EPERM)
    if argument & ~0x1F:
        raise Errno(linux.EINVAL)
    if argument & linux.F_SEAL_WRITE and node.shared is not None:
        raise Errno(linux.EBUSY)
    node.seals |= argument
    return 0


@syscall(32, "dup")
def dup(kernel: Kernel, fd: int) -> int:
    return kernel.files.install(kernel.files.get(fd))


@syscall(292, "dup3")
def dup3(kernel: Kernel, old: int, new: int, flags: int) -> int:
    file, number = kernel.files.get(old), signed32(new)
    if number == signed32(old) or flags & 0xFFFFFFFF & ~linux.O_CLOEXEC:
        raise Errno(linux.EINVAL)
    if not 0 <= number < kernel.files.limit:
        raise Errno(linux.EBADF)
    # It may be the only descriptor of the same file that goes.
    file.users += 1
    if number in kernel.files.table:
        kernel.files.close(number)
    file.users -= 1
    kernel.files.place(number, file, flags)
    return number


@syscall(33, "dup2")
def dup2(kernel: Kernel, old: int, new: int) -> int:
    kernel.files.get(old)
    return signed32(new) if signed32(old) == signed32(new) else dup3(kernel, old, new, 0)


@syscall(3, "close")
def close(kernel: Kernel, fd: int) -> int:
    kernel.files.close(fd)
    return 0


@syscall(436, "close_range")
def close_range(kernel: Kernel, first: int, last: int, flags: int) -> int:
    first, last, flags = first & 0xFFFFFFFF, last & 0xFFFFFFFF, flags & 0xFFFFFFFF
    if first > last or flags & ~(_CLOSE_RANGE_UNSHARE | _CLOSE_RANGE_CLOEXEC):
        raise Errno(linux.EINVAL)
    for fd in [fd for fd in kernel.files.table if first <= fd <= last]:
        if flags & _CLOSE_RANGE_CLOEXEC:
            kernel.files.close_on_exec.add(fd)
        else:
            kernel.files.close(fd)
    return 0


_FIONCLEX, _FIOCLEX, _FIONBIO, _FIONREAD = 0x5450, 0x5451, 0x5421, 0x541B


@syscall(16, "ioctl", "partial", "FIONREAD, FIONBIO, FIOCLEX; nothing is a terminal: ENOTTY")
def ioctl(kernel: Kernel, fd: int, request: int, argument: int) -> int:
    files, request = kernel.files, request & 0xFFFFFFFF
    file = files.usable(fd)
    if request == _FIOCLEX:
        files.close_on_exec.add(signed32(fd))
        return 0
    if request == _FIONCLEX:
        files.close_on_exec.discard(signed32(fd))
        return 0
    if request == _FIONBIO:
        on = linux.O_NONBLOCK if kernel.read_u32(argument) else 0
        file.flags = file.flags & ~linux.O_NONBLOCK | on
        return 0
    if request == _FIONREAD:
        kernel.write_u32(argument, file.waiting())
        return 0
    return file.control(kernel, request, signed(argument))
