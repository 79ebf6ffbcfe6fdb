"""A small Go module of the loader's own: the places where the host enters and leaves Go code.

They are functions that the runtime knows, by the tables of :mod:`stub_module`. The module's data
segment is the table of roots: pointers that Python holds.
"""

from __future__ import annotations

import struct
from functools import cache, cached_property
from typing import NamedTuple

from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, AddressSpace
from emuplugin.cpu.memory import Memory

from . import loops
from .layouts import Layout
from .map_stubs import map_stubs
from .stub_module import StubFunction, StubModule
from .vdso import clock_gettime

STUBS_BASE = 0x3_0000_0000
#: Places for code that is made later; see :mod:`loops`.
LOOPS_BASE = STUBS_BASE + PAGE_SIZE
#: Where traps keep copies of instructions: in no module, for nothing is to be interrupted there.
COPIES_BASE = STUBS_BASE + 0xC000
_TABLES = STUBS_BASE + 0x10000
ROOTS_BASE = STUBS_BASE + 0x1000000
ROOTS_MAX = 0x1000000
#: Bytes of outgoing arguments that the call frames have room for. The smallest holds the spill
#: space of all argument registers and fits any goroutine stack without a check.
CALL_SIZES = (256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22)

# Room for the spill space of the runtime functions that are called from a callback's frame, kept
# small: the callback does not check for stack space, and NOSPLIT functions run below it.
_CALLBACK_FRAME = 64 + 8

#: How many methods a Python object can have in Go: one entry point each, _METHOD_STEP bytes apart.
METHODS = 64
_METHOD_STEP = 16

HLT = b"\xf4"
_RETURN_TRUE = b"\xb8\x01\0\0\0"  # mov eax, 1
_MODULE = _TABLES + 64  # behind the func values
_HOLE = bytes(8)
# Stands for how far the clock is ahead.
_AHEAD = 0x5EED_0000_5EED


class CallStub(NamedTuple):
    """A frame for calls with up to ``room`` bytes of stack arguments.

    The guest runs ``entry`` to make sure of stack space and stops at ``ready`` (only needed for
    frames that are larger than every stack's reserve); the callee returns to ``back``, which
    stops. ``frame`` is the distance from RSP at ``entry`` to the outgoing arguments.
    """

    room: int
    frame: int
    entry: int
    ready: int
    back: int


class CallbackStub(NamedTuple):
    """Where Go calls the host. The guest stops at ``entry``; functions of the runtime that the host
    calls from there return to ``back``, in a frame of ``frame`` bytes below the entry's RSP."""

    entry: int
    back: int
    frame: int


class Targets(NamedTuple):
    """What the code refers to: functions of the runtime, and how much CLOCK_REALTIME is ahead of
    the time-stamp counter, where that is a clock."""

    morestack: int
    ready: int
    newproc: int
    clock: int = 0


class Stubs:
    """The synthetic module, the same for all machines, to be put into memory by :meth:`place`.

    ``idle`` is where a goroutine of the host's starts; ``calls`` are the frames to call from,
    smallest first; ``callback`` is the code of func values that are Python's, ``methods`` that of
    methods by number; ``ready_value`` is a func value for ``systemstack``, ``handoff_value`` and
    ``spawn_value`` are unlock functions for ``gopark``.
    """

    #: A func value whose code is ``idle``, and the others that are said above.
    idle_value, ready_value = _TABLES, _TABLES + 16
    handoff_value, spawn_value = _TABLES + 32, _TABLES + 40

    def __init__(self, *, clock: bool) -> None:
        """``clock``: whether the time-stamp counter is one."""
        self._code = bytearray()
        # Where one of the targets is to be put in.
        self._holes: list[tuple[int, str]] = []
        self._functions: list[StubFunction] = []
        self.idle = self._place("emuplugin.idle", HLT, ((1, 0),))
        self.calls = tuple(map(self._call_stub, CALL_SIZES))
        callback = self._place("emuplugin.callback", HLT + HLT, ((1, 0), (2, _CALLBACK_FRAME)))
        self.callback = CallbackStub(callback, callback + 1, _CALLBACK_FRAME)
        size = METHODS * _METHOD_STEP
        first = self._place("emuplugin.method", HLT * size, ((size, 0),))
        self.methods = tuple(range(first, first + size, _METHOD_STEP))
        # func() { ready(gp, 0, true) }, gp being what the closure holds:
        # mov rax, [rdx + 8]; xor ebx, ebx; mov ecx, 1
        ready_code = self._calling_stub(
            "emuplugin.ready", b"\x48\x8b\x42\x08\x31\xdb\xb9\x01\0\0\0", "ready"
        )
        # For gopark, which calls them once the goroutine is parked:
        # func(_ *g, next unsafe.Pointer) bool { ready((*g)(next), 0, true); return true }
        # mov rax, rbx; xor ebx, ebx; mov ecx, 1 ... mov eax, 1
        handoff_code = self._calling_stub(
            "emuplugin.handoff", b"\x48\x89\xd8\x31\xdb\xb9\x01\0\0\0", "ready", _RETURN_TRUE
        )
        # func(_ *g, fn unsafe.Pointer) bool { newproc((*funcval)(fn)); return true }
        spawn_code = self._calling_stub("emuplugin.spawn", b"\x48\x89\xd8", "newproc", _RETURN_TRUE)
        #: The function that the runtime reads clocks with; 0 where only the kernel knows the time.
        self.clock = 0
        if clock:
            code = clock_gettime(_AHEAD)
            self._leave_hole(code.index(struct.pack("<Q", _AHEAD)), "clock")
            self.clock = self._place("emuplugin.clock_gettime", code, ((len(code), 0),))
        #: Functions that are called by name, like those of the plugins.
        self.symbols = {stub.name: self._place(*stub) for stub in map_stubs()}
        self._values = struct.pack("<QQQQQQ", self.idle, 0, ready_code, 0, handoff_code, spawn_code)

    def place(self, space: AddressSpace, memory: Memory, layout: Layout, targets: Targets) -> None:
        """Put it into memory."""
        code, values = bytearray(self._code), targets._asdict()
        for offset, name in self._holes:
            struct.pack_into("<Q", code, offset, values[name])
        # Present from the start: a call that returns into a page fault would leave that behind.
        executable = PROT_READ | PROT_EXEC
        space.map(STUBS_BASE, PAGE_SIZE, executable, "[emuplugin stubs]", populate=True)
        space.map(
            _TABLES, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, "[emuplugin tables]", populate=True
        )
        memory.write(STUBS_BASE, code)
        memory.write(_TABLES, self._values)
        memory.write(_MODULE, self._module.content(layout))

    @cached_property
    def _module(self) -> StubModule:
        starts = range(LOOPS_BASE, self.end, loops.SLOT)
        places = [StubFunction("emuplugin.loop", start, loops.frames()) for start in starts]
        return StubModule(
            (*self._functions, *places), STUBS_BASE, self.end, _MODULE, data=ROOTS_BASE
        )

    @property
    def moduledata(self) -> int:
        """The address of its ``moduledata``."""
        return self._module.moduledata

    @property
    def pclntab(self) -> bytes:
        """Its ``pclntab``."""
        return self._module.pclntab

    @property
    def end(self) -> int:
        """The address behind all stub code."""
        return LOOPS_BASE + loops.SLOTS * loops.SLOT

    def _place(self, name: str, code: bytes, frames: tuple[tuple[int, int], ...]) -> int:
        address = STUBS_BASE + len(self._code)
        self._functions.append(StubFunction(name, address, frames))
        self._code += code + HLT * (-len(code) % 16)
        return address

    def _leave_hole(self, offset: int, target: str) -> None:
        """There is one in the code that is placed next."""
        self._holes.append((len(self._code) + offset, target))

    def _call_stub(self, room: int) -> CallStub:
        # entry:  lea r12, [rsp - frame]; cmp r12, [r14 + 16]; jbe grow
        # ready:  hlt
        # back:   hlt
        # grow:   mov rax, morestack; call rax; jmp entry
        frame = room + 8  # and the slot of a saved frame pointer
        start = STUBS_BASE + len(self._code)
        check = b"\x4c\x8d\xa4\x24" + struct.pack("<i", -frame) + b"\x4d\x3b\x66\x10"
        code = check + b"\x76\x02" + HLT + HLT + b"\x48\xb8"
        self._leave_hole(len(code), "morestack")
        code += _HOLE + b"\xff\xd0"
        code += b"\xeb" + struct.pack("<b", -(len(code) + 2))
        ready, back = len(check) + 2, len(check) + 3
        frames = ((back, 0), (back + 1, frame), (len(code), 0))
        self._place(f"emuplugin.call{room}", code, frames)
        return CallStub(room, frame, start, start + ready, start + back)

    def _calling_stub(self, name: str, load: bytes, target: str, leave: bytes = b"") -> int:
        """A function that loads argument registers, calls ``target``, and returns."""
        # sub rsp, 32 (the callee's spill space); load; mov rdx, target; call rdx; add rsp, 32;
        # leave; ret
        body = load + b"\x48\xba" + _HOLE + b"\xff\xd2"
        self._leave_hole(4 + len(load) + 2, target)
        code = b"\x48\x83\xec\x20" + body + b"\x48\x83\xc4\x20" + leave + b"\xc3"
        inside = 4 + len(body) + 4
        return self._place(name, code, ((4, 0), (inside, 32), (len(code), 0)))


@cache
def stubs(*, clock: bool) -> Stubs:
    """The module, with or without a clock; made once."""
    return Stubs(clock=clock)


# What nearly every machine needs is made when this is imported.
stubs(clock=True)
