"""The table of system calls: number, name, handler, level of support, note.

Subjects register their handlers with :func:`syscall`; what is not in the table answers ENOSYS
and is recorded. A handler takes the kernel and as many of the six argument registers as it
names, as unsigned 64-bit integers, and returns the result; it raises :class:`Errno` to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from .kernel import Kernel

Level = Literal["full", "partial", "refused"]
Handler = Callable[..., int]
F = TypeVar("F", bound=Handler)


class Errno(Exception):
    """A system call fails with ``number`` (a Linux errno, positive)."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Entry(NamedTuple):
    """One row of the table. ``arguments`` is how many argument registers the handler takes."""

    number: int
    name: str
    handler: Handler
    arguments: int
    level: Level
    note: str


TABLE: dict[int, Entry] = {}


def syscall(number: int, name: str, level: Level = "full", note: str = "") -> Callable[[F], F]:
    """Register a handler ``(kernel, *registers) -> result`` under its number on x86-64."""

    def register(handler: F) -> F:
        if number in TABLE:
            raise ValueError(f"system call {number} is registered twice")
        arguments = handler.__code__.co_argcount - 1
        TABLE[number] = Entry(number, name, handler, arguments, level, note)
        return handler

    return register


def refuse(number: int, name: str, errno: int, note: str) -> None:
    """Register a call that always fails with ``errno``, on purpose, and is recorded."""
    if number in TABLE:
        raise ValueError(f"system call {number} is registered twice")

    def handler(kernel: Kernel) -> int:
        kernel.report_refusal(name)
        raise Errno(errno)

    TABLE[number] = Entry(number, name, handler, 0, "refused", note)


def signed(value: int) -> int:
    """A 64-bit register as a signed number."""
    return value - (1 << 64) if value >> 63 else value


def signed32(value: int) -> int:
    """The low half of a register as a C ``int``."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
