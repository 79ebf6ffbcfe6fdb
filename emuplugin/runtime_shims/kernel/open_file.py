"""What a descriptor can refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import linux
from .fs.node import Stat
from .signals import UID
from .state import WHOLE, state
from .table import Errno

if TYPE_CHECKING:
    from .kernel import Kernel

# The device number of what has no path: pipes, sockets, streams.
_ANONYMOUS = 0xF
#: Bytes moved by one call; programs loop over the rest.
COPY_MAX = 1 << 24


@state(
    abstract=True,
    flags=WHOLE, users=WHOLE, inode=WHOLE, input_edges=WHOLE, output_edges=WHOLE,
    receive_timeout=WHOLE, send_timeout=WHOLE, owner=WHOLE,
)  # fmt: skip
class OpenFile:
    """What a descriptor refers to. The base refuses everything, as Linux does for a wrong kind."""

    mode = linux.S_IFREG | 0o600
    inode = 1
    #: How often something came that a reader waits for, and room for a writer: epoll's edges.
    input_edges = 0
    output_edges = 0
    #: Nanoseconds after which a read or write gives up (SO_RCVTIMEO, SO_SNDTIMEO), 0 for never.
    receive_timeout = 0
    send_timeout = 0
    #: What F_SETOWN has set; nobody sends it signals.
    owner = 0

    def __init__(self, flags: int = linux.O_RDWR) -> None:
        self.flags = flags
        self.users = 0

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        """Up to ``size`` bytes, b"" at the end, None if there is nothing yet."""
        raise Errno(linux.EINVAL)

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        """How many bytes were taken, None if there is no room yet."""
        raise Errno(linux.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        raise Errno(linux.ESPIPE)

    def pread(self, size: int, offset: int) -> bytes:
        """Read at a place, without the position; only of what has one."""
        raise Errno(linux.ESPIPE)

    def pwrite(self, data: bytes, offset: int) -> int:
        """Write at a place, without the position."""
        raise Errno(linux.ESPIPE)

    def size(self) -> int:
        return 0

    def stat(self) -> Stat:
        """What fstat tells of something without a path: its kind, and to whom it belongs."""
        return Stat(_ANONYMOUS, self.inode, self.mode, 1, UID, UID, 0, self.size(), 0, 0, 0, 0, 0)

    def truncate(self, size: int) -> None:
        raise Errno(linux.EINVAL)

    def sync(self) -> None:
        """fsync."""
        raise Errno(linux.EINVAL)

    def waiting(self) -> int:
        """Bytes that can be read now (FIONREAD)."""
        raise Errno(linux.ENOTTY)

    def control(self, kernel: Kernel, request: int, argument: int) -> int:
        """An ioctl that is not for all files."""
        raise Errno(linux.ENOTTY)

    def describe(self) -> str:
        """What /proc/self/fd says of it."""
        names = {linux.S_IFIFO: "pipe", linux.S_IFSOCK: "socket"}
        name = names.get(self.mode & linux.S_IFMT)
        return f"{name}:[{self.inode}]" if name else "anon_inode:[emuplugin]"

    def events(self) -> int:
        """Which of EPOLLIN, EPOLLOUT, ... hold now; -1 where epoll does not apply (EPERM)."""
        return -1

    def closed(self) -> None:
        """The last descriptor is gone."""
