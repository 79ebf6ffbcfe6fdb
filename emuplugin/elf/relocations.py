"""Relocating a mapped image, in bulk.

A plugin has some ten to twenty thousand relocations, nearly all of which write one word, symbol
plus addend. Those run through one tight loop over columns unpacked from the table at once;
whatever else there is goes through `KINDS`, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.elf.constants import (
    SHN_ABS,
    SHN_LORESERVE,
    SHN_UNDEF,
    STB_WEAK,
    STT_GNU_IFUNC,
    STT_TLS,
)
from emuplugin.elf.relocation_kinds import (
    KINDS,
    R_X86_64_RELATIVE,
    WORDS,
    Operands,
    RelocationKind,
    unknown_relocation,
)
from emuplugin.errors import FormatError, OpenError, UnknownRelocationError

if TYPE_CHECKING:
    from emuplugin.elf.file import ElfFile
    from emuplugin.elf.symbols import SymbolTable

Resolve = Callable[[str], "int | None"]

_WORD: Final = 8
_MASK64: Final = (1 << 64) - 1
_NOT_WORDS: Final = re.compile(b"[^" + re.escape(bytes(sorted(WORDS))) + b"]")


class _Binding(NamedTuple):
    """How the symbols of a file get their addresses; see :func:`relocate`."""

    base: int
    resolve: Resolve
    tls_offset: int
    tls_module: int
    scope_first: bool
    resolve_tls: Resolve


def relocate(
    file: ElfFile,
    image: memoryview,
    base: int,
    resolve: Resolve,
    *,
    tls_offset: int,
    tls_module: int = 1,
    scope_first: bool = False,
    resolve_tls: Resolve = lambda name: None,
) -> Mapping[str, int]:
    """Apply all relocations of ``file`` to ``image`` and return how many there were of each kind.

    ``image`` is the writable bytes of the mapped file (at least ``file.memory_size``), index 0
    being the address ``base``.

    ``resolve`` gives the address of a symbol that somebody else defines, or None. It is asked once
    for each undefined symbol that a relocation names, and with ``scope_first`` for
    every symbol: in one address space the module that was loaded first wins, and so Go's plugins
    share the runtime of their host.

    ``tls_offset`` is where the file's block of thread-local storage starts, counted from the thread
    pointer (-8 for a plugin whose only thread-local is ``runtime.tlsg``), ``tls_module`` the
    number of that block for ``__tls_get_addr``. ``resolve_tls`` answers like ``resolve``, with
    offsets from the thread pointer, for thread-local symbols: a second plugin in a process has to
    use the ``runtime.tlsg`` of the first.

    Raises UnknownRelocationError, OpenError (``undefined symbol: NAME``), and FormatError
    for a target or symbol that does not exist; the image is then of no use.
    """
    image = image.cast("B")[: file.memory_size]
    if len(image) < file.memory_size or image.readonly:
        raise ValueError(f"the image must be writable and hold {file.memory_size} bytes")
    binding = _Binding(base, resolve, tls_offset, tls_module, scope_first, resolve_tls)
    table = file.relocations
    types = table.types
    counts = {number: types.count(number) for number in set(types)}
    for number in sorted(counts):
        if number not in KINDS:
            raise unknown_relocation(number)
    symbols = table.symbols
    addresses = _symbol_addresses(file.symbols, symbols, binding)

    packed = table.relative_offsets()
    _check_targets(file, packed)
    for offset in packed:
        word = int.from_bytes(image[offset : offset + _WORD], "little")
        image[offset : offset + _WORD] = ((word + base) & _MASK64).to_bytes(_WORD, "little")

    offsets, addends = table.offsets, table.addends
    aligned = table.aligned
    start = 0
    for match in _NOT_WORDS.finditer(types):
        at = match.start()
        part = slice(start, at)
        words = offsets[part], symbols[part], addends[part]
        _write_words(file, image, addresses, *words, aligned=aligned)
        operands = _operands(file, binding, addresses, offsets[at], symbols[at], addends[at])
        _write_one(file, image, KINDS[types[at]], operands, symbols[at])
        start = at + 1
    words = offsets[start:], symbols[start:], addends[start:]
    _write_words(file, image, addresses, *words, aligned=aligned)

    named = {KINDS[number].name: count for number, count in counts.items()}
    if packed:
        name = KINDS[R_X86_64_RELATIVE].name
        named[name] = named.get(name, 0) + len(packed)
    return named


def _symbol_addresses(table: SymbolTable, named: Iterable[int], binding: _Binding) -> list[int]:
    """The address of every symbol, by index, right for those in ``named``; symbol 0 is the base.

    Each symbol is resolved once, however many relocations name it.
    """
    base, resolve = binding.base, binding.resolve
    used = set(named)
    if used and max(used) >= len(table):
        raise FormatError(f"a relocation names symbol {max(used)} of {len(table)}")
    addresses = [base + value for value in table.values]
    if addresses:
        addresses[0] = base
    used.discard(0)
    for index in used.intersection(table.special):
        head = table.heads[index]
        section, type_ = head >> 48, head >> 32 & 15
        if type_ == STT_TLS:
            continue  # has no address; _write_one computes its offset
        if type_ == STT_GNU_IFUNC and section != SHN_UNDEF:
            raise UnknownRelocationError(
                f"symbol {table[index].name} is an indirect function, chosen by code that would "
                "have to run while the plugin is loaded; link C code without ifunc resolvers",
                number=37,
            )
        if section == SHN_ABS:
            addresses[index] -= base
        elif section >= SHN_LORESERVE:
            raise FormatError(f"symbol {table[index].name} is in reserved section {section:#x}")
        elif section == SHN_UNDEF and not binding.scope_first:
            addresses[index] = _resolve_undefined(table, index, resolve)
    if binding.scope_first:
        for index in used:
            head = table.heads[index]
            if head >> 32 & 15 == STT_TLS:
                continue
            if head >> 48 == SHN_UNDEF:
                addresses[index] = _resolve_undefined(table, index, resolve)
            elif head >> 36 & 15:  # not local
                outer = resolve(table[index].name)
                if outer is not None:
                    addresses[index] = outer
    return addresses


def _resolve_undefined(table: SymbolTable, index: int, resolve: Resolve) -> int:
    symbol = table[index]
    address = resolve(symbol.name)
    if address is None:
        if symbol.binding == STB_WEAK:
            return 0
        raise OpenError(f"undefined symbol: {symbol.name}")
    return address


def _check_targets(file: ElfFile, offsets: Iterable[int], width: int = _WORD) -> None:
    """FormatError unless every target lies in the memory of a segment."""
    for offset in offsets:
        if file.segment_at(offset, width) is None:
            raise FormatError(f"a relocation writes to {offset:#x}, where no segment is")


def _write_words(
    file: ElfFile,
    image: memoryview,
    addresses: list[int],
    offsets: list[int],
    symbols: list[int],
    addends: list[int],
    *,
    aligned: bool,
) -> None:
    """Write symbol plus addend to each offset; whether these are ``aligned``."""
    if not offsets:
        return
    if aligned and min(offsets) >= _first_writable(file):
        words = image.cast("Q")
        try:
            for offset, symbol, addend in zip(offsets, symbols, addends, strict=True):
                words[offset >> 3] = addresses[symbol] + addend
            return
        except (IndexError, ValueError):
            # An offset beyond the image, or a sum that has to wrap around: both are told apart
            # below, where what has been written already is written again.
            words.release()
    _check_targets(file, offsets)
    for offset, symbol, addend in zip(offsets, symbols, addends, strict=True):
        value = (addresses[symbol] + addend) & _MASK64
        image[offset : offset + _WORD] = value.to_bytes(_WORD, "little")


def _first_writable(file: ElfFile) -> int:
    """Where the last run of writable segments starts: from there to the end of the image a
    relocation can do no harm."""
    start = file.memory_size
    for segment in reversed(file.segments):
        if not segment.writable:
            break
        start = segment.vaddr
    return start


def _operands(
    file: ElfFile,
    binding: _Binding,
    addresses: list[int],
    offset: int,
    symbol_index: int,
    addend: int,
) -> Operands:
    symbol = file.symbols[symbol_index]
    thread_offset = binding.tls_offset + symbol.value
    if symbol.type == STT_TLS and (binding.scope_first or not symbol.defined):
        outer = binding.resolve_tls(symbol.name)
        if outer is not None:
            thread_offset = outer
        elif not symbol.defined and not symbol.weak:
            raise OpenError(f"undefined symbol: {symbol.name}")
    return Operands(
        symbol=addresses[symbol_index],
        addend=addend,
        place=binding.base + offset,
        base=binding.base,
        size=symbol.size,
        thread_offset=thread_offset,
        block_offset=thread_offset - binding.tls_offset,
        tls_module=binding.tls_module,
    )


def _write_one(
    file: ElfFile, image: memoryview, kind: RelocationKind, operands: Operands, symbol: int
) -> None:
    if kind.width == 0:
        return
    offset = operands.place - operands.base
    _check_targets(file, [offset], kind.width)
    value = kind.value(operands)
    if kind.signed is not None:
        low, high = (-(1 << 31), 1 << 31) if kind.signed else (0, 1 << 32)
        if not low <= value < high:
            name = file.symbols[symbol].name
            raise OpenError(f"Symbol `{name}' causes overflow in {kind.name} relocation")
    value &= (1 << 8 * kind.width) - 1
    image[offset : offset + kind.width] = value.to_bytes(kind.width, "little")
