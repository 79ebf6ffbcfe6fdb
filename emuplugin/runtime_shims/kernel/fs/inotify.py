"""inotify: events of watched inodes (man 7 inotify)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..table import Errno
from .node import Node

if TYPE_CHECKING:
    from ..kernel import Kernel

_EVENT = struct.Struct("<iIII")
_QUEUE_MAX = 16384  # fs.inotify.max_queued_events
_OVERFLOW, _IGNORED, _IS_DIRECTORY, _ONE_SHOT = 0x4000, 0x8000, 0x40000000, 0x80000000
_ALL = 0xFFF
_EXCLUSIVE, _ADD = 0x10000000, 0x20000000


class Watch:
    """One inotify instance's interest in one inode."""

    def __init__(self, instance: Inotify, number: int, node: Node, mask: int) -> None:
        self.instance, self.number, self.node, self.mask = instance, number, node, mask


class Watches:
    """All watches of one inode."""

    def __init__(self) -> None:
        self.all: list[Watch] = []

    def happened(self, event: int, directory: bool, name: str = "", cookie: int = 0) -> None:
        flag = _IS_DIRECTORY if directory else 0
        for watch in list(self.all):
            if event & watch.mask:
                watch.instance.queue(watch.number, event | flag, name, cookie)
                if watch.mask & _ONE_SHOT:
                    watch.instance.remove(watch.number)

    def gone(self) -> None:
        """The inode is no more."""
        for watch in list(self.all):
            watch.instance.remove(watch.number)


class Inotify(OpenFile):
    """An inotify instance: watches and a queue of events."""

    mode = 0o600

    def __init__(self, flags: int) -> None:
        super().__init__(flags)
        self._watches: dict[int, Watch] = {}
        self._last = 0
        self._events: list[bytes] = []

    def describe(self) -> str:
        return "anon_inode:inotify"

    def add(self, node: Node, mask: int) -> int:
        """Watch ``node``; the number of the watch."""
        if not mask & _ALL:
            raise Errno(linux.EINVAL)
        if node.watches is None:
            node.watches = Watches()
        for watch in node.watches.all:
            if watch.instance is self:
                if mask & _EXCLUSIVE:
                    raise Errno(linux.EEXIST)
                watch.mask = watch.mask | mask if mask & _ADD else mask
                return watch.number
        if len(self._watches) >= 8192:  # fs.inotify.max_user_watches
            raise Errno(linux.ENOSPC)
        self._last += 1
        watch = Watch(self, self._last, node, mask)
        self._watches[watch.number] = watch
        node.watches.all.append(watch)
        return watch.number

    def remove(self, number: int) -> None:
        watch = self._watches.pop(number, None)
        if watch is None:
            raise Errno(linux.EINVAL)
        assert watch.node.watches is not None
        watch.node.watches.all.remove(watch)
        if not watch.node.watches.all:
            watch.node.watches = None
        self.queue(number, _IGNORED, "", 0)

    def queue(self, number: int, mask: int, name: str, cookie: int) -> None:
        if len(self._events) > _QUEUE_MAX:
            return
        if len(self._events) == _QUEUE_MAX:
            number, mask, name, cookie = -1, _OVERFLOW, "", 0
        text = name.encode(errors="surrogateescape")
        padded = text.ljust((len(text) + 16) & -16, b"\0") if text else b""
        event = _EVENT.pack(number, mask, cookie, len(padded)) + padded
        if not self._events or self._events[-1] != event:
            self._events.append(event)
        self.input_edges += 1

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if not self._events:
            return None
        taken, used = 0, 0
        while taken < len(self._events) and used + len(self._events[taken]) <= size:
            used += len(self._events[taken])
            taken += 1
        if not taken:
            raise Errno(linux.EINVAL)
        data = b"".join(self._events[:taken])
        del self._events[:taken]
        return data

    def waiting(self) -> int:
        return sum(map(len, self._events))

    def write(self, kernel: Kernel, data: bytes) -> int:
        raise Errno(linux.EBADF)

    def events(self) -> int:
        return linux.EPOLLIN if self._events else 0

    def closed(self) -> None:
        for number in list(self._watches):
            self.remove(number)
