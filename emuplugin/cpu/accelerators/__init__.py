"""Loops that the host runs in place of the engine, where that is exact.

The patcher (:mod:`..counting_code`) sees each block of the guest's code when it is translated. A
block that begins an iteration of a known loop, recognised by all of the loop's code byte for byte,
calls an *accelerator* in place of its counting. That looks how many iterations may run, runs all of
them but the last on the host, counts their instructions, and goes on with the block. So the engine
always ends a loop, and after it nothing tells what has run where: memory, registers, flags, counts,
faults and stops are the same. What an accelerator must not do, it leaves to the engine:

* to touch pages that are not present, not the user's, were not touched before in the same way, or
  (for writing) may hold code;
* to run beyond the next stop;
* anything while somebody observes the guest by hooks.

They need the engine's registers where :mod:`engine_probe` has found them, and blocks that count
inside themselves; so there are none on Windows.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from ..counting_code import CELL, CODE_AT
from ..engine_internals import Registers
from ..helper_code import HELPERS_END
from ..listing import Assembly, assemble
from .common import BUDGET, COUNT, EXTENT, EXTENT_DOWN, MATCH, WALK
from .known_loops import LOOPS
from .loops import NAMES, listings
from .sha256 import FUNCTIONS, LISTING

# struct TranslationBlock: u64 pc at its start, u16 icount. A block's code begins with a call of the
# accelerator, which finds the address behind that on the stack.
_ICOUNT, _CALL = 0x16, 5
_HEAD, _PIECE = struct.Struct("<QQQQ"), struct.Struct("<iI")
#: How many bytes of a block are compared first.
_FIRST = 8


def _word(value: int) -> bytes:
    return struct.pack("<i", value)


def _entry(accelerator: int, pieces: Sequence[tuple[int, bytes]]) -> bytes:
    """What MATCH looks into: size, mask, first bytes, accelerator; then pieces: offset from the
    block, length, bytes; 0."""
    start = pieces[0][1][:_FIRST]
    content = b"".join(
        _PIECE.pack(offset, len(code)) + code + bytes(-len(code) % 8) for offset, code in pieces
    )
    content += bytes(_PIECE.size)
    mask = (1 << 8 * len(start)) - 1
    head = _HEAD.pack(_HEAD.size + len(content), mask, int.from_bytes(start, "little"), accelerator)
    return head + content


def _accelerators() -> tuple[Assembly, int, int]:
    """The code, and the offsets from the cells to what looks for a block, and the table that it
    looks into."""
    code = Assembly(HELPERS_END, (*NAMES, "pc", "icount", "minus_code", "df"))
    cells, table = CELL | {"exit": CODE_AT}, bytearray()
    for name, listing in (
        ("walk", WALK),
        ("extent", EXTENT),
        ("extent_down", EXTENT_DOWN),
        ("budget", BUDGET),
        ("count", COUNT),
        ("match", MATCH),
    ):
        cells[name] = code.align(16)
        code.append(listing, {}, cells)
    for loop in LOOPS:
        entry = 0
        # Those that repeat go down and up.
        for down in loop.directions:
            cells["down"], entry = entry, code.align(16)
            for listing, names in listings(loop, down=down):
                code.append(listing, {}, cells, names)
        table += _entry(entry, [(0, assemble(loop.listing, 0, {}, {}))])
    for function in FUNCTIONS:
        entry = code.align(16)
        names = {
            **{f"h{number}": name for number, name in enumerate(function.state.split())},
            "ptr": function.pointer,
            "len": function.length,
            "cap": function.capacity,
            "constants": _word(function.constants),
            "cost": _word(function.instructions),
        }
        code.append(LISTING, {}, cells, names)
        table += _entry(entry, function.pieces)
    at = code.align(16)
    code.content += table + bytes(8)
    return code, cells["match"], at


_CODE, _MATCH, _TABLE = _accelerators()


class AcceleratorCode(NamedTuple):
    """The code, to be placed behind that of helpers, and the offsets from the cells to ``match``
    and to the ``table`` that it looks into."""

    content: bytearray
    match: int
    table: int


@cache
def accelerator_code(description: int, registers: Registers) -> AcceleratorCode | None:
    """The code for this engine, whose blocks' code begins ``description`` bytes behind their
    description; made once. None if its registers do not lie as expected (``CPUX86State``: sixteen
    general registers, RIP, RFLAGS; three words about the last result, its kind, DF, and HFLAGS)."""
    if (
        registers.rdx != registers.rax + 16
        or registers.eip != registers.rax + 128
        or registers.eflags != registers.eip + 8
        or registers.cc_src != registers.eflags + 16
        or registers.hflags != registers.eflags + 40
    ):
        return None
    words = {name: registers.rax + 8 * number for number, name in enumerate(NAMES)} | {
        "pc": -description - _CALL,
        "icount": -description - _CALL + _ICOUNT,
        "minus_code": -description,
        "df": registers.hflags - 4,
    }
    return AcceleratorCode(_CODE.filled(words), _MATCH, _TABLE)
