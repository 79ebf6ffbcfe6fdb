"""A small Go module of the loader's own, so that its code is code that the runtime knows.

The runtime unwinds every stack it meets (to grow it, to collect, to print it), and a frame whose
pc is in no module is fatal. So the places where the host enters and leaves Go code are functions
of a synthetic module: a ``moduledata`` and a ``pclntab`` with frame sizes and stack maps.
Formats: ``runtime/symtab.go`` and ``runtime/runtime2.go: _func``, the same from Go 1.20 to 1.27.

The module's data segment is the table of roots: pointers that Python holds.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from functools import cache
from typing import NamedTuple

from emuplugin.cpu.address_space import PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE, AddressSpace
from emuplugin.cpu.memory import Memory

from . import loops
from .layouts import Layout
from .map_stubs import map_stubs
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
_PCLNTAB_MAGIC = 0xFFFFFFF1  # internal/abi/symtab.go: Go120PCLnTabMagic
_FUNC_ID_NORMAL = 0
_NO_FUNCDATA = 0xFFFFFFFF


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


class _Function(NamedTuple):
    name: str
    start: int
    # (pc offset from start up to which it holds, frame size), ascending
    frames: tuple[tuple[int, int], ...]


class Stubs:
    """The synthetic module. ``moduledata`` is its address; ``idle`` is where a goroutine of the
    host's starts; ``calls`` are the frames to call from, smallest first; ``callback`` is the code
    of func values that are Python's, ``methods`` that of methods by number; ``ready_value`` is a
    func value for ``systemstack``, ``handoff_value`` and ``spawn_value`` are unlock functions for
    ``gopark``."""

    def __init__(
        self,
        space: AddressSpace,
        memory: Memory,
        layout: Layout,
        *,
        morestack: int,
        ready: int,
        newproc: int,
        clock: int | None,
    ) -> None:
        """``clock`` is how much CLOCK_REALTIME is ahead of the time-stamp counter; None where that
        is not a clock."""
        self._memory, self._layout = memory, layout
        # Present from the start: a call that returns into a page fault would leave that behind.
        executable = PROT_READ | PROT_EXEC
        space.map(STUBS_BASE, PAGE_SIZE, executable, "[emuplugin stubs]", populate=True)
        space.map(_TABLES, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, "[emuplugin tables]")
        self._code = bytearray()
        self._functions: list[_Function] = []
        self.idle = self._place("emuplugin.idle", HLT, ((1, 0),))
        self.calls = tuple(self._call_stub(size, morestack) for size in CALL_SIZES)
        callback = self._place("emuplugin.callback", HLT + HLT, ((1, 0), (2, _CALLBACK_FRAME)))
        self.callback = CallbackStub(callback, callback + 1, _CALLBACK_FRAME)
        size = METHODS * _METHOD_STEP
        first = self._place("emuplugin.method", HLT * size, ((size, 0),))
        self.methods = tuple(range(first, first + size, _METHOD_STEP))
        # func() { ready(gp, 0, true) }, gp being what the closure holds:
        # mov rax, [rdx + 8]; xor ebx, ebx; mov ecx, 1
        ready_code = self._calling_stub(
            "emuplugin.ready", b"\x48\x8b\x42\x08\x31\xdb\xb9\x01\0\0\0", ready
        )
        # For gopark, which calls them once the goroutine is parked:
        # func(_ *g, next unsafe.Pointer) bool { ready((*g)(next), 0, true); return true }
        # mov rax, rbx; xor ebx, ebx; mov ecx, 1 ... mov eax, 1
        handoff_code = self._calling_stub(
            "emuplugin.handoff", b"\x48\x89\xd8\x31\xdb\xb9\x01\0\0\0", ready, _RETURN_TRUE
        )
        # func(_ *g, fn unsafe.Pointer) bool { newproc((*funcval)(fn)); return true }
        spawn_code = self._calling_stub("emuplugin.spawn", b"\x48\x89\xd8", newproc, _RETURN_TRUE)
        #: The function that the runtime reads clocks with; 0 where only the kernel knows the time.
        self.clock = 0
        if clock is not None:
            code = clock_gettime(clock)
            self.clock = self._place("emuplugin.clock_gettime", code, ((len(code), 0),))
        #: Functions that are called by name, like those of the plugins.
        self.symbols = {stub.name: self._place(*stub) for stub in map_stubs()}
        memory.write(STUBS_BASE, self._code)
        for number in range(loops.SLOTS):
            start = LOOPS_BASE + number * loops.SLOT
            self._functions.append(_Function("emuplugin.loop", start, loops.frames()))
        #: A func value whose code is ``idle``.
        self.idle_value = _TABLES
        memory.write_u64(self.idle_value, self.idle)
        self.ready_value = _TABLES + 16
        memory.write_u64(self.ready_value, ready_code)
        self.handoff_value, self.spawn_value = _TABLES + 32, _TABLES + 40
        memory.write_u64(self.handoff_value, handoff_code)
        memory.write_u64(self.spawn_value, spawn_code)
        self.moduledata = self._write_module(_TABLES + 64)

    @property
    def end(self) -> int:
        """The address behind all stub code."""
        return LOOPS_BASE + loops.SLOTS * loops.SLOT

    def _place(self, name: str, code: bytes, frames: tuple[tuple[int, int], ...]) -> int:
        address = STUBS_BASE + len(self._code)
        self._functions.append(_Function(name, address, frames))
        self._code += code + HLT * (-len(code) % 16)
        return address

    def _call_stub(self, room: int, morestack: int) -> CallStub:
        # entry:  lea r12, [rsp - frame]; cmp r12, [r14 + 16]; jbe grow
        # ready:  hlt
        # back:   hlt
        # grow:   mov rax, morestack; call rax; jmp entry
        frame = room + 8  # and the slot of a saved frame pointer
        start = STUBS_BASE + len(self._code)
        check = b"\x4c\x8d\xa4\x24" + struct.pack("<i", -frame) + b"\x4d\x3b\x66\x10"
        code = (
            check
            + b"\x76\x02"
            + HLT
            + HLT
            + b"\x48\xb8"
            + struct.pack("<Q", morestack)
            + b"\xff\xd0"
        )
        code += b"\xeb" + struct.pack("<b", -(len(code) + 2))
        ready, back = len(check) + 2, len(check) + 3
        frames = ((back, 0), (back + 1, frame), (len(code), 0))
        self._place(f"emuplugin.call{room}", code, frames)
        return CallStub(room, frame, start, start + ready, start + back)

    def _calling_stub(self, name: str, load: bytes, target: int, leave: bytes = b"") -> int:
        """A function that loads argument registers, calls ``target``, and returns."""
        # sub rsp, 32 (the callee's spill space); load; mov rdx, target; call rdx; add rsp, 32;
        # leave; ret
        body = load + b"\x48\xba" + struct.pack("<Q", target) + b"\xff\xd2"
        code = b"\x48\x83\xec\x20" + body + b"\x48\x83\xc4\x20" + leave + b"\xc3"
        inside = 4 + len(body) + 4
        return self._place(name, code, ((4, 0), (inside, 32), (len(code), 0)))

    def _write_module(self, at: int) -> int:
        """Write pclntab and moduledata from ``at`` on; return the moduledata's address."""
        names, tables, records, entries = (
            bytearray(b"\0"),
            bytearray(b"\0"),
            bytearray(),
            bytearray(),
        )
        index_size = 8 * len(self._functions) + 4
        index_size += -index_size % 8
        for function in self._functions:
            entries += struct.pack("<II", function.start - STUBS_BASE, index_size + len(records))
            records += struct.pack(
                "<IiiIIIIIIiBBBB II",
                function.start - STUBS_BASE,
                len(names),
                0,  # args: none on the stack
                0,  # deferreturn
                len(tables),  # pcsp
                0,  # pcfile
                0,  # pcln
                0,  # npcdata
                0,  # cuOffset
                0,  # startLine
                _FUNC_ID_NORMAL,
                0,  # flag
                0,
                2,  # nfuncdata
                _NO_FUNCDATA,  # FUNCDATA_ArgsPointerMaps
                0,  # FUNCDATA_LocalsPointerMaps: at gofunc
            )
            records += bytes(-len(records) % 8)
            names += function.name.encode() + b"\0"
            tables += _pc_table(function.frames)
        size = self.end - STUBS_BASE
        entries += struct.pack("<I", size)
        index = bytes(entries).ljust(index_size, b"\0") + bytes(records)
        # struct stackmap {n, nbit}: one map of no bits, as runtime.no_pointers_stackmap.
        stack_map = struct.pack("<ii", 2, 0)
        buckets = _buckets([function.start - STUBS_BASE for function in self._functions], size)
        header_at = at
        at += 80
        addresses = {}
        for name, content in (
            ("names", bytes(names)), ("tables", bytes(tables)), ("index", index),
            ("buckets", buckets), ("gofunc", stack_map), ("modulename", b"emuplugin"),
        ):  # fmt: skip
            addresses[name] = at
            self._memory.write(at, content)
            at += -(-len(content) // 16) * 16
        header = struct.pack(
            "<IBBBBqQQ5Q",
            _PCLNTAB_MAGIC,
            0,
            0,
            1,  # minimal instruction size
            8,  # pointer size
            len(self._functions),
            0,  # files
            STUBS_BASE,
            *(
                addresses[part] - header_at
                for part in ("names", "names", "names", "tables", "index")
            ),
        )
        self._memory.write(header_at, header)
        self.pclntab = header + self._memory.read(
            header_at + len(header), at - header_at - len(header)
        )
        module = at
        fields = {
            "pcHeader": header_at,
            "findfunctab": addresses["buckets"],
            "minpc": STUBS_BASE,
            "maxpc": self.end,
            "text": STUBS_BASE,
            "etext": self.end,
            "gofunc": addresses["gofunc"],
            "data": ROOTS_BASE,
            "edata": ROOTS_BASE,
        }
        for field, value in fields.items():
            self._set(module, field, value)
        self._set_slice(module, "funcnametab", addresses["names"], len(names))
        self._set_slice(module, "pctab", addresses["tables"], len(tables))
        self._set_slice(module, "pclntable", addresses["index"], len(index))
        self._set_slice(module, "ftab", addresses["index"], len(self._functions) + 1)
        self._set_slice(
            module, "modulename", addresses["modulename"], len("emuplugin"), string=True
        )
        return module

    def _set(self, module: int, field: str, value: int) -> None:
        self._memory.write_u64(module + self._layout.offset("runtime.moduledata", field), value)

    def _set_slice(
        self, module: int, field: str, address: int, length: int, *, string: bool = False
    ) -> None:
        at = module + self._layout.offset("runtime.moduledata", field)
        self._memory.write_u64(at, address)
        self._memory.write_u64(at + 8, length)
        if not string:
            self._memory.write_u64(at + 16, length)


def _buckets(starts: list[int], size: int) -> bytes:
    """``runtime.findfunctab``: which function begins last at or before each 256 bytes of code
    (``runtime/symtab.go: findfuncbucket``)."""
    table = bytearray()
    for bucket in range(0, size, 4096):
        found = [bisect_right(starts, bucket + 256 * part) - 1 for part in range(16)]
        table += struct.pack("<I16B", found[0], *(index - found[0] for index in found))
    return bytes(table)


@cache
def _pc_table(frames: tuple[tuple[int, int], ...]) -> bytes:
    """A pc-value table (``runtime/symtab.go: step``): pairs of value and pc differences."""
    table, value, pc = bytearray(), -1, 0
    for end, size in frames:
        difference = size - value
        table += _varint(difference << 1 if difference >= 0 else ~(difference << 1))
        table += _varint(end - pc)
        value, pc = size, end
    return bytes(table + b"\0")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
