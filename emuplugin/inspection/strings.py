"""String literals, each with its exact length and the functions that use it.

The linker puts the bytes of all literals into one area, without anything between them, sorted by
length (cmd/link/internal/ld/data.go: dodata; the symbol ``go:string.*``). Where one ends stands
elsewhere:

* in the code, where the length is loaded beside the pointer: ``LEAQ`` into a register of the
  calling convention and ``MOVL $n`` into the one after it, or stores of both side by side;
* in data, as a string header: a relocated pointer and a length.

These are claims; some are wrong (a count that just stands nearby). Claims that contradict the order
by length are dropped by choosing the heaviest consistent set, and what then lies between two
neighbours is told by them.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.functions import Function
from emuplugin.inspection.module import Module
from emuplugin.inspection.references import Use

_WINDOW: Final = 48
_MAX_SPREAD: Final = 64
_IN_DATA: Final = 6
_BESIDE: Final = 4
_NEAR: Final = 2
_FAR: Final = 1
_LEA_SIZE: Final = 7
_IMM: Final = struct.Struct("<I")
_MAX_LENGTH: Final = 1 << 24

# ABIInternal hands strings over in registers that follow each other in this order (numbers as
# the processor encodes them): RAX RBX RCX RDI RSI R8 R9 R10 R11.
_ORDER: Final = (0, 3, 1, 7, 6, 8, 9, 10, 11)
_NEXT: Final = dict(pairwise(_ORDER))

# MOVQ $imm32 to memory: REX.W c7 /0.
_STORE: Final = re.compile(rb"[\x48\x49]\xc7[\x00-\x07\x40-\x47\x80-\x87]")


@dataclass(frozen=True)
class String:
    """A string literal. ``functions`` use it, themselves or by way of a variable or constant that
    holds it; ``data`` tells whether there is one. ``exact`` is False where its
    length is inferred from the strings around it. Bytes that are not UTF-8 are as
    ``surrogateescape`` has them."""

    value: str
    address: int
    length: int
    functions: tuple[str, ...]
    data: bool
    exact: bool


class StringArea:
    """Where the linker put the literals: from ``moduledata.rodata`` to what follows them."""

    def __init__(self, module: Module) -> None:
        self.start = module.field("rodata")
        segment = module.image.segment_at(self.start)
        ends = [segment.vaddr + segment.filesz] if segment is not None else [self.start]
        # Before Go 1.26 funcdata follows; names and tables never lie between the literals.
        ends += [module.field(name) for name in ("gofunc", "pcHeader", "types")]
        symbols = module.file.symbols
        ends += [
            value
            for value, head in zip(symbols.values, symbols.heads, strict=True)
            if value > self.start and head >> 48 and (head >> 32) & 15 == 1
        ]
        self.end = min((end for end in ends if end > self.start), default=self.start)

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end


class StringFinder:
    """Finds the literals of a module."""

    def __init__(
        self,
        module: Module,
        functions: Sequence[Function],
        uses: Iterable[Use],
        symbols: DataSymbols,
    ) -> None:
        self._module = module
        self._functions = functions
        self._area = StringArea(module)
        self._claims: dict[int, Counter[int]] = defaultdict(Counter)
        self._users: dict[int, set[int]] = defaultdict(set)
        self._in_data: dict[int, set[int]] = defaultdict(set)
        of_data: dict[int, set[int]] = defaultdict(set)
        for use in uses:
            of_data[use.address].add(use.caller)
            if not use.load and use.address in self._area:
                self._claims.setdefault(use.address, Counter())
                self._users[use.address].add(use.caller)
                self._claim_from_code(use)
        for place, target in self._claim_from_data():
            symbol = symbols.at(place)
            holder = place if symbol is None else symbol.address
            self._users[target] |= of_data.get(place, set()) | of_data.get(holder, set())

    def _claim(self, address: int, length: int, weight: int) -> None:
        if 0 < length <= min(self._area.end - address, _MAX_LENGTH):
            self._claims[address][length] += weight

    def _claim_from_data(self) -> Iterator[tuple[int, int]]:
        """String headers: a pointer into the area and a length behind it. Gives where they lie
        and where they point."""
        module, image, area = self._module, self._module.image, self._area
        relocated = set(image.relocated)
        for place in image.relocated:
            if place + 8 in relocated or module.types <= place < module.etypes:
                continue
            if not image.holds(place, 16):
                continue
            target = image.read_u64(place)
            if target in area:
                length = image.read_u64(place + 8)
                if 0 < length <= area.end - target:
                    self._in_data[target].add(length)
                    self._claim(target, length, _IN_DATA)
                    yield place, target

    def _claim_from_code(self, use: Use) -> None:
        """Lengths that are loaded or stored near the instruction that loads the pointer."""
        function = self._functions[use.caller]
        start = max(function.address, use.site - _WINDOW)
        end = min(function.end, use.site + _LEA_SIZE + _WINDOW)
        code = self._module.image.read(start, end - start)
        at = use.site - start
        behind = at + _LEA_SIZE
        register = _NEXT.get(use.register)
        if register is not None:
            load = bytes([0xB8 | register]) if register < 8 else bytes([0x41, 0xB0 | register])
            size = len(load) + 4
            found = code.find(load, behind)
            if found >= 0 and found + size <= len(code):
                (length,) = _IMM.unpack_from(code, found + len(load))
                self._claim(use.address, length, _BESIDE if found == behind else _NEAR)
            found = code.rfind(load, 0, at)
            if found >= 0 and found + size <= at:
                (length,) = _IMM.unpack_from(code, found + len(load))
                self._claim(use.address, length, _BESIDE if found + size == at else _FAR)
        for match in _STORE.finditer(code):
            length = _stored(code, match.start())
            if length:
                self._claim(use.address, length, _FAR)

    # --- deciding ---------------------------------------------------------------------------

    def strings(self) -> list[String]:
        """The literals, by address: that is, by length."""
        chosen = self._bounded(_heaviest_chain(self._claims))
        anchors = sorted(chosen)
        starts = sorted(address for address in self._claims if address in self._area)
        found = []
        end = anchors[-1] + chosen[anchors[-1]] if anchors else self._area.start
        for index, address in enumerate(starts):
            if address >= end:
                break
            length, exact = chosen.get(address, 0), True
            if not length:
                following = starts[index + 1] if index + 1 < len(starts) else end
                length, exact = _between(address, following, anchors, chosen), False
            if length:
                found.append(self._string(address, length, exact))
        return found

    def _bounded(self, chosen: dict[int, int]) -> dict[int, int]:
        """Only as far as the literals lie side by side: behind them come other constants. A gap
        must be what some unused strings, no shorter and no longer than their neighbours, fill."""
        kept: dict[int, int] = {}
        end = longest = 0
        for address in sorted(chosen):
            length = chosen[address]
            gap = address - end
            if kept and gap > 0 and not _fills(gap, longest, length):
                break
            kept[address] = length
            end, longest = address + length, length
        return kept

    def _string(self, address: int, length: int, exact: bool) -> String:
        users = sorted(self._users.get(address, ()))
        return String(
            self._module.image.text(address, length),
            address,
            length,
            tuple(self._functions[index].name for index in users),
            length in self._in_data.get(address, ()),
            exact,
        )


def _stored(code: bytes, at: int) -> int:
    """The immediate of ``MOVQ $imm32, d(r)`` at ``at``, 0 if it is cut off or negative."""
    modrm = code[at + 2]
    size = at + 3 + (modrm & 7 == 4) + (0, 1, 4)[modrm >> 6]
    if modrm >> 6 == 0 and modrm & 7 == 5:
        size += 4
    if size + 4 > len(code):
        return 0
    (value,) = _IMM.unpack_from(code, size)
    return int(value) if value < 1 << 31 else 0


def _between(
    address: int, following: int, anchors: Sequence[int], chosen: Mapping[int, int]
) -> int:
    """The length of the string at ``address``, from those before and behind it; 0 if they do not
    tell."""
    at = bisect_right(anchors, address)
    if at == 0 or at == len(anchors):
        return 0
    before, behind = anchors[at - 1], anchors[at]
    shortest, longest = chosen[before], chosen[behind]
    if before + shortest > address:
        return 0  # in the middle of another string: s[n:] of a constant
    distance = following - address
    possible = [
        length
        for length in range(shortest, min(longest, distance, shortest + _MAX_SPREAD) + 1)
        if _fills(distance - length, length, longest)
    ]
    if len(possible) == 1 or distance not in possible:
        return possible[0] if len(possible) == 1 else 0
    return distance


def _fills(gap: int, shortest: int, longest: int) -> bool:
    """Whether strings of such lengths can fill a gap without anything between them."""
    return gap == 0 or -(-gap // longest) * shortest <= gap


def _heaviest_chain(claims: Mapping[int, Counter[int]]) -> dict[int, int]:
    """For some of the addresses one length each, such that lengths never fall from one address to
    the next and no string reaches into the following one, as heavy as can be.

    The heaviest non-decreasing subsequence, by a Fenwick tree of prefix maxima.
    """
    addresses = sorted(claims)
    lengths = sorted({length for counter in claims.values() for length in counter})
    rank = {length: index + 1 for index, length in enumerate(lengths)}
    best: list[tuple[int, int]] = [(0, -1)] * (len(lengths) + 1)
    items: list[tuple[int, int, int]] = []  # (address, length, index of the one before)
    for number, address in enumerate(addresses):
        room = addresses[number + 1] - address if number + 1 < len(addresses) else None
        updates = []
        for length, weight in claims[address].items():
            # A longer claim may still be right: a program may also use a part of a constant.
            fits = room is None or length <= room
            exact = room is not None and length == room
            score = weight * (8 if exact else 4 if fits else 1)
            at, top = rank[length], (0, -1)
            while at:
                top = max(top, best[at])
                at &= at - 1
            items.append((address, length, top[1]))
            updates.append((rank[length], (top[0] + score, len(items) - 1)))
        for at, value in updates:
            while at <= len(lengths):
                best[at] = max(best[at], value)
                at += at & -at
    at = max(best)[1] if items else -1
    chosen: dict[int, int] = {}
    while at >= 0:
        address, length, at = items[at]
        chosen.setdefault(address, length)
    return chosen
