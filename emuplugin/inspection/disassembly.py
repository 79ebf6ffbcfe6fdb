"""Code as people read it: instructions with source lines, and names in place of addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from emuplugin.inspection.functions import Function
from emuplugin.inspection.module import Module

if TYPE_CHECKING:
    from capstone import Cs

MAX_SIZE: Final = 1 << 22
"""Bytes of one function that are decoded: the largest that compilers make are a tenth of that."""


@dataclass(frozen=True)
class Instruction:
    """One instruction. ``operands`` are in Intel's syntax; ``comment`` names what an address in
    them is. ``file`` and ``line`` are those of the source, of the callee's inside an inlined
    call; they are empty and 0 for C code."""

    address: int
    code: bytes
    mnemonic: str
    operands: str
    comment: str
    file: str
    line: int

    def __str__(self) -> str:
        text = f"{self.mnemonic} {self.operands}".rstrip()
        return f"{text}  # {self.comment}" if self.comment else text


class Disassembler:
    """Decodes functions. ``label`` names an address: a function, variable, type or string."""

    def __init__(self, module: Module, label: Callable[[int], str]) -> None:
        self._module = module
        self._label = label
        self._in_data = module.in_data
        self._relocated = frozenset(module.image.relocated)

    def instructions(self, function: Function) -> Iterator[Instruction]:
        """The instructions of a function. Bytes that are no instruction come as ``(bad)``, one at
        a time."""
        code = self._module.image.read(function.address, min(function.size, MAX_SIZE))
        position = _Positions(function)
        at = 0
        while at < len(code):
            start = function.address + at
            for item in _engine().disasm(code[at:], start):
                place = item.address
                size = item.size
                at = place - function.address + size
                yield Instruction(
                    place,
                    code[at - size : at],
                    item.mnemonic,
                    item.op_str,
                    self._comment(item.mnemonic, item.op_str, place + size),
                    *position.at(place),
                )
            if at < len(code):
                place = function.address + at
                yield Instruction(place, code[at : at + 1], "(bad)", "", "", *position.at(place))
                at += 1

    def _comment(self, mnemonic: str, operands: str, following: int) -> str:
        """What the address in the operands is."""
        if mnemonic == "call" or mnemonic.startswith("j"):
            if operands.startswith("0x"):
                return self._label(int(operands, 16))
            if "[rip" not in operands:
                return ""
        _, mark, rest = operands.partition("[rip ")
        if not mark:
            return ""
        sign, _, number = rest.partition("]")[0].partition(" ")
        try:
            displacement = int(number, 0)
        except ValueError:
            return ""
        address = following + (displacement if sign == "+" else -displacement)
        if address in self._relocated and not self._in_data(address) and mnemonic != "lea":
            name = self._label(self._module.image.read_u64(address))
            return f"&{name}" if name else ""
        return self._label(address)


class _Positions:
    """Source positions of a function's addresses, asked for in ascending order."""

    def __init__(self, function: Function) -> None:
        self._lines = function.line_ranges()
        self._files = function.file_ranges()
        self._line = next(self._lines, None)
        self._file = next(self._files, None)

    def at(self, address: int) -> tuple[str, int]:
        while self._line is not None and address >= self._line[1]:
            self._line = next(self._lines, None)
        while self._file is not None and address >= self._file[1]:
            self._file = next(self._files, None)
        file = "" if self._file is None or self._file[2] == "?" else self._file[2]
        return file, 0 if self._line is None else max(self._line[2], 0)


def disassembled(code: bytes, address: int) -> Iterator[tuple[int, str]]:
    """The instructions of some code that lies at ``address``: where each lies, and its text."""
    for item in _engine().disasm(code, address):
        yield item.address, f"{item.mnemonic} {item.op_str}".rstrip()


@cache
def _engine() -> Cs:
    # Loaded when it is first used: hardly anything needs it.
    from capstone import CS_ARCH_X86, CS_MODE_64, Cs

    return Cs(CS_ARCH_X86, CS_MODE_64)
