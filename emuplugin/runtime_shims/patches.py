"""Traps at the start of the runtime's own functions.

The first instruction gives way to a ``hlt``; a copy of it, followed by a jump to the rest, lets
the guest go on after the host has looked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ
from emuplugin.errors import FormatError

from .process import Process
from .stubs import COPIES_BASE, HLT

# First instructions of functions that the compiler makes (cmd/internal/obj/x86/obj6.go:
# stacksplit): none of them refers to its own address.
_PROLOGUES = {
    b"\x49\x3b\x66\x10": 4,  # cmp rsp, [r14 + 16]
    b"\x4c\x8d\x64\x24": 5,  # lea r12, [rsp - disp8]
    b"\x4c\x8d\xa4\x24": 8,  # lea r12, [rsp - disp32]
    b"\x49\x89\xe4": 3,  # mov r12, rsp
    b"\x55": 1,  # push rbp
    b"\x48\x83\xec": 4,  # sub rsp, imm8
    b"\x48\x81\xec": 7,  # sub rsp, imm32
}
_JUMP = b"\xff\x25\0\0\0\0"  # jmp [rip]
#: Where the next copy goes; by entry its first byte, and where the copy is.
KnownTraps = tuple[int, dict[int, tuple[bytes, int]]]


class EntryTraps:
    """Traps at function entries, each with its copy of a first instruction."""

    def __init__(self, process: Process, page: int = 0, known: KnownTraps | None = None) -> None:
        """``page`` tells several apart. ``known`` are those of another process, whose memory
        is to come."""
        self._process = process
        self._next = COPIES_BASE + page * PAGE_SIZE
        self._originals: dict[int, tuple[bytes, int]] = {}
        if known is None:
            process.space.map(self._next, PAGE_SIZE, PROT_READ | PROT_EXEC, "[emuplugin traps]")
        else:
            self._next, self._originals = known[0], dict(known[1])

    @property
    def state(self) -> KnownTraps:
        """What another process with the same memory has to know."""
        return self._next, dict(self._originals)

    def add(self, actions: Mapping[int, Callable[[], bool]], *, there: bool = False) -> None:
        """Call an action whenever the guest enters its function. When it returns False the guest
        goes on as if nothing had been there; True ends the run. ``there``: memory has the traps
        already."""
        for entry, action in actions.items():
            self._add(entry, action)
        if not there:
            for entry in actions:
                self._process.memory.write(entry, HLT)
            self._process.space.code_changed()

    def _add(self, entry: int, action: Callable[[], bool]) -> None:
        known = self._originals.get(entry)
        copy = self._copy(entry) if known is None else known[1]

        def trapped() -> bool:
            if action():
                return True
            engine = self._process.engine
            if engine.rip == entry:  # the action may have sent the guest elsewhere
                engine.write_register(reg.RIP, copy)
            return False

        self._process.trap(entry, trapped)

    def remove(self, entries: Iterable[int]) -> None:
        """Put the functions back as they were."""
        for entry in entries:
            self._process.memory.write(entry, self._originals[entry][0])
        self._process.space.code_changed()

    def _copy(self, entry: int) -> int:
        memory = self._process.memory
        head = memory.read(entry, 16)
        size = next((n for start, n in _PROLOGUES.items() if head.startswith(start)), 0)
        if not size:
            raise FormatError(
                f"the function at {entry:#x} does not start as Go's compiler makes them"
            )
        copy = self._next
        code = head[:size] + _JUMP + struct.pack("<Q", entry + size)
        self._next += (len(code) + 15) & -16
        memory.write(copy, code)
        self._originals[entry] = (head[:1], copy)
        return copy
