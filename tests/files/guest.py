"""System calls on files from a process without Go, by name."""

from __future__ import annotations

import struct
from typing import Any

from emuplugin import Limits
from emuplugin.runtime_shims.kernel import linux
from emuplugin.runtime_shims.kernel.table import TABLE
from tests.kernel.raw import DATA, Raw

HERE = linux.AT_FDCWD
NUMBERS = {entry.name: entry.number for entry in TABLE.values()}
# Guest memory for paths and for what is read.
_FIRST, _SECOND, BUFFER = DATA, DATA + 0x1800, DATA + 0x4000


class Guest(Raw):
    """One process; errors are negative, as in Linux."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("limits", Limits(memory=64 << 20))
        super().__init__(**settings)

    def call(self, name: str, *arguments: int | str | bytes) -> int:
        """A system call; texts are put into guest memory and become pointers."""
        places = iter((_FIRST, _SECOND))
        values = []
        for argument in arguments:
            if isinstance(argument, int):
                values.append(argument)
                continue
            text = argument if isinstance(argument, bytes) else argument.encode()
            values.append(self.put(text + b"\0", next(places)))
        return self.syscall(NUMBERS[name], *values)

    def open(self, path: str, flags: int = linux.O_RDONLY, mode: int = 0o644) -> int:
        return self.call("openat", HERE, path, flags, mode)

    def openat(self, fd: int, path: str, flags: int = linux.O_RDONLY) -> int:
        return self.call("openat", fd, path, flags, 0o644)

    def data(self, result: int) -> bytes | int:
        """What a call has put into the buffer, or its error."""
        return self.memory.read(BUFFER, result) if result >= 0 else result

    def read(self, fd: int, size: int = 4096) -> bytes | int:
        return self.data(self.call("read", fd, BUFFER, size))

    def write(self, fd: int, data: bytes) -> int:
        return self.call("write", fd, self.put(data, BUFFER), len(data))

    def content(self, path: str) -> bytes | int:
        """The content of a file, or why it cannot be read."""
        fd = self.open(path)
        if fd < 0:
            return fd
        data = self.read(fd)
        self.call("close", fd)
        return data

    def readlink(self, path: str) -> bytes | int:
        return self.data(self.call("readlink", path, BUFFER, 4096))

    def mode(self, path: str) -> int:
        result = self.call("lstat", path, BUFFER)
        if result < 0:
            return result
        mode: int = struct.unpack_from("<I", self.memory.read(BUFFER + 24, 4))[0]
        return mode

    def names(self, path: str) -> list[str] | int:
        """What is in a folder, without the dots, in the order in which it comes."""
        fd = self.open(path, linux.O_DIRECTORY)
        if fd < 0:
            return fd
        names = []
        while (size := self.call("getdents64", fd, BUFFER, 1024)) > 0:
            data = self.memory.read(BUFFER, size)
            at = 0
            while at < size:
                (length,) = struct.unpack_from("<H", data, at + 16)
                names.append(data[at + 19 : at + length].split(b"\0")[0].decode())
                at += length
        self.call("close", fd)
        return size if size < 0 else [name for name in names if name not in (".", "..")]
