"""/dev: devices that give bytes, take bytes, or do neither (man 4 null, full, random, tty)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..open_file import COPY_MAX, OpenFile
from ..state import state
from ..table import Errno
from .memory import MemoryDirectory
from .node import Node
from .regular import NodeFile
from .storage import Filesystem

if TYPE_CHECKING:
    from ..kernel import Kernel
    from .opening import Opening

#: Minor numbers of the memory devices, whose major number is 1 (Linux, admin-guide/devices.txt).
_MINORS = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
_MEMORY, _TTY = 1, 5


class Device(Node):
    """A character device of this kernel."""

    kind = linux.S_IFCHR

    def __init__(self, filesystem: Filesystem, name: str, major: int, minor: int) -> None:
        super().__init__(filesystem, 0o666)
        self.name, self.rdev = name, major << 8 | minor

    def open(self, opening: Opening) -> OpenFile:
        if self.name == "tty":
            raise Errno(linux.ENXIO)  # no controlling terminal
        return DeviceFile(self, opening)


@state()
class DeviceFile(NodeFile):
    """An open memory device."""

    node: Device

    def read(self, kernel: Kernel, size: int) -> bytes:
        name = self.node.name
        if self.flags & linux.O_ACCMODE not in (linux.O_RDONLY, linux.O_RDWR):
            raise Errno(linux.EBADF)
        if name == "null":
            return b""
        if name in ("random", "urandom"):
            return kernel.random(min(size, COPY_MAX))
        return bytes(min(size, COPY_MAX))

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self.flags & linux.O_ACCMODE not in (linux.O_WRONLY, linux.O_RDWR):
            raise Errno(linux.EBADF)
        if self.node.name == "full":
            raise Errno(linux.ENOSPC)
        return len(data)

    def pread(self, size: int, offset: int) -> bytes:
        return self.read(self.opening.kernel, size)

    def pwrite(self, data: bytes, offset: int) -> int:
        return self.write(self.opening.kernel, data)

    def seek(self, offset: int, whence: int) -> int:
        return 0

    def sync(self) -> None:
        if self.node.name in ("null", "zero", "full"):
            raise Errno(linux.EINVAL)


def furnish(directory: MemoryDirectory) -> None:
    """What is in /dev."""
    filesystem = directory.filesystem
    for name, minor in _MINORS.items():
        directory.put(name, Device(filesystem, name, _MEMORY, minor))
    directory.put("tty", Device(filesystem, "tty", _TTY, 0))
    directory.make_symlink("fd", "/proc/self/fd", 0, 0)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        directory.make_symlink(name, f"/proc/self/fd/{number}", 0, 0)
