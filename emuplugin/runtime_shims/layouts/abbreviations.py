"""Abbreviations: the shapes of DWARF's entries, and how to step over one without reading it.

``.debug_abbrev`` says for each code which attributes an entry has and in which form each is
written (DWARF 5, section 7.5). The numbers below carry the standard's names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emuplugin.errors import FormatError

DW_FORM_string = 0x08
DW_FORM_strp = 0x0E
DW_FORM_line_strp = 0x1F
DW_FORM_implicit_const = 0x21

#: Forms of fixed size, in bytes.
FIXED = {
    0x01: 8,  # DW_FORM_addr
    0x05: 2,  # DW_FORM_data2
    0x06: 4,  # DW_FORM_data4
    0x07: 8,  # DW_FORM_data8
    0x0B: 1,  # DW_FORM_data1
    0x0C: 1,  # DW_FORM_flag
    DW_FORM_strp: 4,
    0x10: 4,  # DW_FORM_ref_addr
    0x11: 1,  # DW_FORM_ref1
    0x12: 2,  # DW_FORM_ref2
    0x13: 4,  # DW_FORM_ref4
    0x14: 8,  # DW_FORM_ref8
    0x17: 4,  # DW_FORM_sec_offset
    0x19: 0,  # DW_FORM_flag_present
    0x1E: 16,  # DW_FORM_data16
    DW_FORM_line_strp: 4,
    DW_FORM_implicit_const: 0,
    0x20: 8,  # DW_FORM_ref_sig8
    0x25: 1,  # DW_FORM_strx1
    0x26: 2,  # DW_FORM_strx2
    0x28: 4,  # DW_FORM_strx4
    0x29: 1,  # DW_FORM_addrx1
    0x2A: 2,  # DW_FORM_addrx2
    0x2C: 4,  # DW_FORM_addrx4
}
#: References that count from the start of their unit.
UNIT_REFERENCES = frozenset({0x11, 0x12, 0x13, 0x14, 0x15})
SIGNED = 0x0D  # DW_FORM_sdata
#: DW_FORM_udata, ref_udata, strx, addrx, loclistx, rnglistx
ULEB128 = frozenset({0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23})
#: Forms whose length stands before them: bytes of that length, 0 for a LEB128.
BLOCKS = {0x03: 2, 0x04: 4, 0x09: 0, 0x0A: 1, 0x18: 0}

#: Steps of a skip plan other than a number of bytes.
SKIP_STRING, SKIP_LEB128, SKIP_BLOCK1, SKIP_BLOCK2, SKIP_BLOCK4, SKIP_BLOCK = range(-1, -7, -1)
SKIP_SIZED = {1: SKIP_BLOCK1, 2: SKIP_BLOCK2, 4: SKIP_BLOCK4, 0: SKIP_BLOCK}


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """The shape of an entry: ``attributes`` are (name, form, implicit value) as in the file."""

    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]
    skip: tuple[int, ...]


def read_abbreviations(data: bytes, offset: int) -> dict[int, Abbreviation]:
    """The table of abbreviations at ``offset`` in ``.debug_abbrev``, by code."""
    table: dict[int, Abbreviation] = {}
    while True:
        code, offset = uleb128(data, offset)
        if code == 0:
            return table
        tag, offset = uleb128(data, offset)
        has_children = data[offset] != 0
        offset += 1
        attributes: list[tuple[int, int, int]] = []
        while True:
            name, offset = uleb128(data, offset)
            form, offset = uleb128(data, offset)
            implicit = 0
            if form == DW_FORM_implicit_const:
                implicit, offset = sleb128(data, offset)
            if (name, form) == (0, 0):
                break
            attributes.append((name, form, implicit))
        plan = _skip_plan(form for _, form, _ in attributes)
        table[code] = Abbreviation(tag, has_children, tuple(attributes), plan)


def _skip_plan(forms: Iterable[int]) -> tuple[int, ...]:
    """How to step over attributes of these forms; neighbours of fixed size become one step."""
    plan: list[int] = []
    for form in forms:
        if form in FIXED:
            if plan and plan[-1] >= 0:
                plan[-1] += FIXED[form]
            else:
                plan.append(FIXED[form])
        elif form == DW_FORM_string:
            plan.append(SKIP_STRING)
        elif form == SIGNED or form in ULEB128:
            plan.append(SKIP_LEB128)
        elif form in BLOCKS:
            plan.append(SKIP_SIZED[BLOCKS[form]])
        else:
            raise FormatError(f"DWARF with an attribute of unknown form {form:#x}")
    return tuple(plan)


def uleb128(data: bytes, position: int) -> tuple[int, int]:
    """The unsigned LEB128 number at ``position`` and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise FormatError("corrupt DWARF: a number of more than 64 bits")


def sleb128(data: bytes, position: int) -> tuple[int, int]:
    """The signed LEB128 number at ``position`` and the position after it."""
    start = position
    value, position = uleb128(data, position)
    bits = 7 * (position - start)
    return (value - (1 << bits) if value >> (bits - 1) else value), position
