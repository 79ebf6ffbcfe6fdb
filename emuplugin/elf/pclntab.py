"""Go's table of functions, source lines and frame sizes (``.gopclntab``), Go 1.20 and later.

Deliberately not trusted: any offset or count in the table (each is checked when it is used),
``pcHeader.textStart`` (0 since Go 1.26; the caller passes ``moduledata.text``), and the order of
the function table beyond what a search needs. A corrupt table gives a FormatError or wrong names,
never an endless loop: every walk advances through the table's own bytes.

Formats: ``runtime/symtab.go`` (pcHeader, functab, step), ``runtime/runtime2.go: _func``,
``runtime/symtabinl.go``, ``internal/abi/symtab.go``; unchanged from Go 1.20 to 1.27.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from emuplugin.errors import FormatError

MAGIC: Final = 0xFFFFFFF1

PCDATA_UnsafePoint: Final = 0
PCDATA_StackMapIndex: Final = 1
PCDATA_InlTreeIndex: Final = 2
FUNCDATA_InlTree: Final = 3

ARGS_SIZE_UNKNOWN: Final = -0x80000000

_HEADER: Final = struct.Struct("<IHBB8Q")
_FTAB_ENTRY: Final = struct.Struct("<II")
_FUNC: Final = struct.Struct("<IiiIIIIIIiBBxB")
_INLINED_CALL: Final = struct.Struct("<Bxxxiii")
_NO_FUNCDATA: Final = 0xFFFF_FFFF
_NO_FILE: Final = 0xFFFF_FFFF
_MAX_NAME: Final = 1 << 20


class Frame(NamedTuple):
    """One line of a traceback: the function, the file as it was compiled, and the line in it.

    ``inlined`` says that the compiler merged the function into the frame that follows.
    """

    function: str
    file: str
    line: int
    inlined: bool


class Inlined(NamedTuple):
    """A call that the compiler merged into its caller (``runtime.inlinedCall``): the function that
    was called, an address of the code that called it, and the line that the function begins on."""

    function: str
    parent_pc: int
    start_line: int


class PclnTable:
    """Functions by address.

    ``data`` starts at the pcHeader and holds the table (more may follow), ``text`` is the address
    of the module's text (``moduledata.text``), in whose terms every pc is given and answered.
    ``gofunc`` holds the bytes from ``moduledata.gofunc`` on, for inlined calls; without it every
    function looks as if nothing had been inlined.
    """

    def __init__(
        self, data: bytes | memoryview, text: int, gofunc: bytes | memoryview = b""
    ) -> None:
        view = memoryview(data).cast("B")
        if len(view) < _HEADER.size:
            raise FormatError("Go function table is cut off")
        magic, pad, quantum, pointer_size, function_count, _files, _text_start, *offsets = (
            _HEADER.unpack_from(view)
        )
        if magic != MAGIC or pad or quantum != 1 or pointer_size != 8:
            raise FormatError(
                f"Go function table with magic number {magic:#x}, not that of Go 1.20 and later"
            )
        if max(offsets) > len(view):
            raise FormatError("Go function table is cut off")
        names, units, files, tables, functions = offsets
        self.function_count: int = function_count
        self.text = text
        self._names = view[names:]
        self._units = view[units:]
        self._files = view[files:]
        self._tables = view[tables:]
        self._functions = view[functions:]
        self._gofunc = memoryview(gofunc).cast("B")
        size = self.function_count * _FTAB_ENTRY.size + 4
        if size > len(self._functions):
            raise FormatError(f"Go function table is too short for {self.function_count} functions")
        self._ftab = self._functions[: size // 4 * 4].cast("I")

    def __len__(self) -> int:
        return self.function_count

    def __getitem__(self, index: int) -> Func:
        """The function with that index, in the order of addresses."""
        if not 0 <= index < self.function_count:
            raise IndexError(f"function {index} of {self.function_count}")
        return Func(self, self._ftab[2 * index + 1], self._ftab[2 * index + 2])

    def __iter__(self) -> Iterator[Func]:
        return (self[index] for index in range(self.function_count))

    @cached_property
    def _entries(self) -> list[int]:
        return self._ftab[0::2].tolist()

    def find(self, pc: int) -> Func | None:
        """The function whose code holds ``pc``, None outside all of them."""
        at = bisect_right(self._entries, pc - self.text) - 1
        if not 0 <= at < self.function_count:
            return None
        return self[at]

    def frames(self, pc: int) -> tuple[Frame, ...]:
        """The source positions at ``pc``, inlined calls first, the function whose frame it is last;
        empty outside all functions.

        As in Go's own tracebacks a return address must be passed minus one: it belongs to the
        instruction after the call. (``runtime/symtabinl.go: inlineUnwinder``)
        """
        function = self.find(pc)
        return () if function is None else function.frames(pc)

    def gofunc(self, offset: int, size: int) -> bytes:
        """Bytes of a FUNCDATA record, fewer where the file ends; see :meth:`Func.funcdata`."""
        return bytes(self._gofunc[offset : offset + size])

    def name_at(self, offset: int) -> str:
        """The function name at an offset into ``funcnametab``."""
        return _string(self._names, offset)


class Func:
    """One function: ``runtime._func`` and the tables that it points to."""

    def __init__(self, table: PclnTable, offset: int, end: int) -> None:
        self._table = table
        self._offset = offset
        functions = table._functions
        if offset + _FUNC.size > len(functions):
            raise FormatError(f"Go function at {offset:#x} lies outside its table")
        (
            entry,
            self._name,
            self.args,
            self.deferreturn,
            self._pcsp,
            self._pcfile,
            self._pcln,
            self._npcdata,
            self._unit,
            self.start_line,
            self.func_id,
            self.flag,
            self._nfuncdata,
        ) = _FUNC.unpack_from(functions, offset)
        self.entry: int = table.text + entry
        """Address of the first instruction."""
        self.end: int = table.text + end
        """Where the next function begins, padding included."""
        trailing = 4 * (self._npcdata + self._nfuncdata)
        if offset + _FUNC.size + trailing > len(functions):
            raise FormatError(f"Go function at {offset:#x} lies outside its table")

    def __repr__(self) -> str:
        return f"Func({self.name!r}, {self.entry:#x})"

    @cached_property
    def name(self) -> str:
        return self._table.name_at(self._name)

    @property
    def start_file(self) -> str:
        """The file that the function begins in."""
        return self.file(self.entry)

    def file(self, pc: int) -> str:
        """The source file at ``pc``, "?" when there is none (``funcline1``, ``funcfile``)."""
        return self._file(self._value(self._pcfile, pc))

    def _file(self, number: int) -> str:
        units = self._table._units
        at = (self._unit + number) * 4
        if number < 0 or at + 4 > len(units):
            return "?"
        (offset,) = struct.unpack_from("<I", units, at)
        return "?" if offset == _NO_FILE else _string(self._table._files, offset)

    def line(self, pc: int) -> int:
        """The line at ``pc``, 0 when there is none; inside an inlined call the callee's."""
        return max(self._value(self._pcln, pc), 0)

    def pcsp(self, pc: int) -> int:
        """Bytes between the stack pointer at ``pc`` and the return address, -1 if unknown."""
        return self._value(self._pcsp, pc)

    def pcdata(self, number: int, pc: int) -> int:
        """The value of a PCDATA table at ``pc``, -1 if there is none."""
        if not 0 <= number < self._npcdata:
            return -1
        at = self._offset + _FUNC.size + 4 * number
        (offset,) = struct.unpack_from("<I", self._table._functions, at)
        return self._value(offset, pc)

    def funcdata(self, number: int) -> int | None:
        """The offset of a FUNCDATA record from ``moduledata.gofunc``, None if there is none."""
        if not 0 <= number < self._nfuncdata:
            return None
        at = self._offset + _FUNC.size + 4 * (self._npcdata + number)
        (offset,) = struct.unpack_from("<I", self._table._functions, at)
        return None if offset == _NO_FUNCDATA else int(offset)

    def frames(self, pc: int) -> tuple[Frame, ...]:
        """As `PclnTable.frames`, for a pc of this function."""
        tree = self.funcdata(FUNCDATA_InlTree)
        gofunc = self._table._gofunc
        frames: list[Frame] = []
        seen: set[int] = set()
        while tree is not None:
            index = self.pcdata(PCDATA_InlTreeIndex, pc)
            at = tree + index * _INLINED_CALL.size
            if index < 0 or index in seen or at + _INLINED_CALL.size > len(gofunc):
                break
            seen.add(index)
            _func_id, name, parent_pc, _start_line = _INLINED_CALL.unpack_from(gofunc, at)
            function = self._table.name_at(name)
            frames.append(Frame(function, self.file(pc), self.line(pc), inlined=True))
            pc = self.entry + parent_pc
        frames.append(Frame(self.name, self.file(pc), self.line(pc), inlined=False))
        return tuple(frames)

    def lines(self) -> Iterator[tuple[int, int, int]]:
        """The stretches of code and their lines: (first address, address after the last, line).
        Inside an inlined call the line is the callee's."""
        return self._ranges(self._pcln)

    def files(self) -> Iterator[tuple[int, int, str]]:
        """The stretches of code and their files, likewise."""
        return (
            (start, end, self._file(number)) for start, end, number in self._ranges(self._pcfile)
        )

    def inline_indices(self) -> Iterator[tuple[int, int, int]]:
        """The stretches of code and the inlined call that each belongs to, -1 for the function's
        own: a number in :meth:`inlined`."""
        if self._npcdata <= PCDATA_InlTreeIndex:
            return iter(())
        at = self._offset + _FUNC.size + 4 * PCDATA_InlTreeIndex
        (offset,) = struct.unpack_from("<I", self._table._functions, at)
        return self._ranges(offset)

    def inlined(self) -> list[Inlined]:
        """The calls that the compiler merged into this function, by number; an outer one comes
        before those inside it."""
        tree = self.funcdata(FUNCDATA_InlTree)
        if tree is None:
            return []
        count = max((index for _, _, index in self.inline_indices()), default=-1) + 1
        gofunc = self._table._gofunc
        calls = []
        for at in range(tree, tree + count * _INLINED_CALL.size, _INLINED_CALL.size):
            if at + _INLINED_CALL.size > len(gofunc):
                break
            _func_id, name, parent_pc, start_line = _INLINED_CALL.unpack_from(gofunc, at)
            calls.append(Inlined(self._table.name_at(name), self.entry + parent_pc, start_line))
        return calls

    def _ranges(self, offset: int) -> Iterator[tuple[int, int, int]]:
        """All of a pc-value table; it ends with a change of zero."""
        if offset == 0:
            return
        table = self._table._tables
        at, here, value, start, stop = offset, self.entry, -1, self.entry, self.end
        try:
            while here < stop:
                # Nearly all of them are single bytes, and whole tables are walked.
                change = table[at]
                at += 1
                if change >= 0x80:
                    change, at = _varint(table, at - 1)
                if change == 0 and here != start:
                    return
                value += -(change >> 1) - 1 if change & 1 else change >> 1
                advance = table[at]
                at += 1
                if advance >= 0x80:
                    advance, at = _varint(table, at - 1)
                yield here, here + advance, value
                here += advance
        except IndexError as error:
            raise FormatError("Go function table is corrupt: it ends in a number") from error

    def _value(self, offset: int, pc: int) -> int:
        """Walk a pc-value table to ``pc``; -1 if it does not get there.

        The table is pairs of varints: the zigzag-coded change of the value, and the bytes of code
        that the new value holds for (``runtime/symtab.go: step``).
        """
        if offset == 0:
            return -1
        table = self._table._tables
        at, here, value = offset, self.entry, -1
        while True:
            change, at = _varint(table, at)
            if change == 0 and here != self.entry:
                return -1
            value += -(change >> 1) - 1 if change & 1 else change >> 1
            advance, at = _varint(table, at)
            here += advance
            if pc < here:
                return value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned 32-bit varint and where it ends."""
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise FormatError("Go function table is corrupt: a number has no end")


def _string(data: memoryview, offset: int) -> str:
    step = 256
    while 0 <= offset < len(data) and step <= _MAX_NAME:
        chunk = bytes(data[offset : offset + step])
        end = chunk.find(0)
        if end >= 0:
            return chunk[:end].decode("utf-8", "backslashreplace")
        if offset + step >= len(data):
            break
        step *= 4
    raise FormatError(f"Go function table has no name at {offset:#x}")
