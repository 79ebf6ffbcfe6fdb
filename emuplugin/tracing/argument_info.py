"""What the compiler notes of a function's arguments for tracebacks: also in stripped files.

A sequence of bytes: offset and size of each machine word, and marks for what is nested; at most ten
words are told. Results are not in it. (cmd/compile/internal/ssagen: emitArgInfo;
internal/abi/symtab.go: TraceArgs*)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from emuplugin.elf.pclntab import Func, PclnTable

from .show import TypeLike

FUNCDATA_ArgInfo: Final = 5
_END, _START_AGGREGATE, _END_AGGREGATE, _MORE, _TOO_FAR = 0xFF, 0xFE, 0xFD, 0xFC, 0xFB
_LIMIT: Final = 10
_MAX_DEPTH: Final = 5
_MAX_LENGTH: Final = (_MAX_DEPTH * 3 + 2) * _LIMIT + 1


class ArgumentInfo(NamedTuple):
    """``sizes`` of the words, in bytes, as far as they are told; ``more``: there are others."""

    sizes: tuple[int, ...]
    more: bool


def argument_info(table: PclnTable, function: Func) -> ArgumentInfo | None:
    """What is noted of a function; None if nothing is (assembly, generated code)."""
    offset = function.funcdata(FUNCDATA_ArgInfo)
    if offset is None:
        return None
    data = table.gofunc(offset, _MAX_LENGTH)
    sizes: list[int] = []
    at, more = 0, False
    while at < len(data):
        mark = data[at]
        at += 1
        if mark == _END:
            return ArgumentInfo(tuple(sizes), more)
        if mark in (_MORE, _TOO_FAR):
            more = True
        elif mark not in (_START_AGGREGATE, _END_AGGREGATE):
            if at < len(data):
                sizes.append(data[at])
            at += 1
    return None


def fits(info: ArgumentInfo, types: tuple[TypeLike, ...]) -> bool:
    """Whether parameters of these types are those that were noted."""
    expected: list[int] = []
    whole = _add_all(types, expected, 0)
    if info.more or not whole:
        shared = min(len(expected), len(info.sizes))
        return expected[:shared] == list(info.sizes[:shared])
    return expected == list(info.sizes)


def _add_all(types: Iterable[TypeLike], sizes: list[int], depth: int) -> bool:
    """The same for several values: all of them, also behind one that is left out."""
    whole = True
    for go_type in types:
        whole = _add(go_type, sizes, depth) and whole
    return whole


def _add(go_type: TypeLike, sizes: list[int], depth: int) -> bool:
    """Append the sizes of a value's words; False where the compiler would have given up."""
    if len(sizes) > _LIMIT or depth >= _MAX_DEPTH:
        return False
    kind = go_type.kind
    if kind in ("string", "interface"):
        sizes += (8, 8)
    elif kind == "slice":
        sizes += (8, 8, 8)
    elif kind.startswith("complex"):
        sizes += (go_type.size // 2,) * 2
    elif kind == "array":
        return _add_all([go_type.elem] * min(go_type.length, 16), sizes, depth + 1)
    elif kind == "struct":
        fields = [field.type for field in go_type.fields if field.name != "_"]
        return _add_all(fields, sizes, depth + 1)
    else:
        sizes.append(go_type.size)
    return len(sizes) <= _LIMIT
