"""Relocating a mapped image, in bulk.

A plugin has some ten to fifty thousand relocations, nearly all of which write one word, symbol
plus addend. Whoever maps the file may have a way of its own to apply those (:class:`Bulk`); else
they run through one tight loop over columns unpacked from the table at once. Whatever else there is
goes through `KINDS`, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from emuplugin.elf.constants import (
    DT_SYMTAB,
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
_ENTRY: Final = 24  # of a table of relocations, and of one of symbols
_FEW: Final = 200
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


class Bulk(NamedTuple):
    """What may be applied in any way, and in any order: those relocations of ``tables`` (address
    and number of each) that are *plain*. Such a one is one of ``WORDS``; its symbol, if it
    names one, is in the table of ``symbol_count`` at the address ``symbols``, and is defined in a
    section of the file, neither thread-local nor an indirect function; and it writes to
    ``[low, end)``, which is memory that the file fills, and where none of the tables lies. All
    addresses count from the base."""

    tables: tuple[tuple[int, int], ...]
    symbols: int
    symbol_count: int
    low: int
    end: int


#: Applies relocations, and returns the indices, across all tables, of those that it did not.
InBulk = Callable[[Bulk], list[int]]


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
    in_bulk: InBulk | None = None,
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

    ``in_bulk`` is asked to apply plain relocations, where the file allows it.

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
    packed = _write_packed(file, image, base)
    bulk = None if in_bulk is None or scope_first else _bulk(file)
    if bulk is None:
        columns, aligned = table.columns, table.aligned
    else:
        assert in_bulk is not None
        columns, aligned = table.rows(in_bulk(bulk)), False
    types, offsets, symbols, addends = columns
    addresses = _symbol_addresses(file.symbols, symbols, binding)
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
        named[name] = named.get(name, 0) + packed
    return named


def _write_packed(file: ElfFile, image: memoryview, base: int) -> int:
    """Apply the relative relocations of DT_RELR; how many there were."""
    offsets = file.relocations.relative_offsets()
    _check_targets(file, offsets)
    for offset in offsets:
        word = int.from_bytes(image[offset : offset + _WORD], "little")
        image[offset : offset + _WORD] = ((word + base) & _MASK64).to_bytes(_WORD, "little")
    return len(offsets)


def _bulk(file: ElfFile) -> Bulk | None:
    """None where plain relocations could change what else is read while they are applied, as no
    linker has it."""
    places = file.relocations.places
    symbols, count = file.dynamic.get(DT_SYMTAB, 0), len(file.symbols)
    low, _ = _writable_end(file)
    for start, size in (*places, (symbols, count)):
        if start + size * _ENTRY > low:
            return None
    last = file.segments[-1]
    end = last.vaddr + last.filesz
    return Bulk(places, symbols, count, low, end) if low + _WORD <= end else None


def _symbol_addresses(
    table: SymbolTable, named: Iterable[int], binding: _Binding
) -> dict[int, int]:
    """The addresses of the symbols ``named``, by index; symbol 0 is the base.

    Each symbol is resolved once, however many relocations name it.
    """
    base, resolve = binding.base, binding.resolve
    used = sorted(set(named) - {0})
    if used and used[-1] >= len(table):
        raise FormatError(f"a relocation names symbol {used[-1]} of {len(table)}")
    value, head_of = table.value, table.head
    addresses = {index: base + value(index) for index in used}
    addresses[0] = base
    # To find those among thousands is quicker for all symbols at once.
    special = used if len(used) < _FEW else sorted(set(used).intersection(table.special))
    for index in special:
        head = head_of(index)
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
            head = head_of(index)
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
    """FormatError unless every target lies in the memory of a segment, or where it can do no
    harm."""
    low, end = _writable_end(file)
    for offset in offsets:
        if not low <= offset <= end - width and file.segment_at(offset, width) is None:
            raise FormatError(f"a relocation writes to {offset:#x}, where no segment is")


def _write_words(
    file: ElfFile,
    image: memoryview,
    addresses: dict[int, int],
    offsets: list[int],
    symbols: list[int],
    addends: list[int],
    *,
    aligned: bool,
) -> None:
    """Write symbol plus addend to each offset; whether these are ``aligned``."""
    if not offsets:
        return
    low, end = _writable_end(file)
    if aligned and min(offsets) >= low and max(offsets) <= end - _WORD:
        words = image.cast("Q")
        try:
            for offset, symbol, addend in zip(offsets, symbols, addends, strict=True):
                words[offset >> 3] = addresses[symbol] + addend
            return
        except ValueError:
            # A sum that has to wrap around, as below, where what has been written already is
            # written again.
            words.release()
    _check_targets(file, offsets)
    for offset, symbol, addend in zip(offsets, symbols, addends, strict=True):
        value = (addresses[symbol] + addend) & _MASK64
        image[offset : offset + _WORD] = value.to_bytes(_WORD, "little")


def _writable_end(file: ElfFile) -> tuple[int, int]:
    """From where on, and up to where, there is nothing but segments that are writable, and gaps
    between these: a relocation can do no harm there."""
    start = end = file.segments[-1].end if file.segments else 0
    for segment in reversed(file.segments):
        if not segment.writable:
            break
        start = segment.vaddr
    return start, end


def _operands(
    file: ElfFile,
    binding: _Binding,
    addresses: dict[int, int],
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
