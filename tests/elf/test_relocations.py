"""Relocation of real plugins, compared byte by byte with a plain reading of the psABI."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from emuplugin.elf.file import ElfFile
from emuplugin.elf.relocation_kinds import KINDS, UNSUPPORTED_NAMES, WORDS
from emuplugin.elf.relocations import Resolve, relocate
from emuplugin.errors import FormatError, OpenError, UnknownRelocationError
from tests.conftest import PluginPath
from tests.elf.images import map_image, patched, with_dynamic

BASE = 0x7F12_3456_7000
DT_RELA, DT_RELASZ = 7, 8
DT_VERSYM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF


def libc(name: str) -> int | None:
    """Addresses for the names that the C library defines; weak ones it does not have."""
    if name.startswith(("_ITM_", "__gmon_start__", "__cxa_finalize")):
        return None
    return 0x5000_0000 + sum(name.encode())


def relocated(
    file: ElfFile, base: int = BASE, resolve: Resolve = libc, tls_offset: int = -8
) -> bytes:
    image = map_image(file)
    relocate(file, image, base, resolve, tls_offset=tls_offset)
    return bytes(image)


def expected_image(file: ElfFile) -> bytes:
    """The image, relocated one by one as the psABI says, from what pyelftools reads."""
    image = map_image(file)
    with open(file.path, "rb") as stream:
        elf = ELFFile(stream)
        for section in elf.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            symbols: Any = elf.get_section(section.header.sh_link)
            for relocation in section.iter_relocations():
                entry = relocation.entry
                symbol = symbols.get_symbol(entry.r_info_sym)
                defined = symbol.entry.st_shndx != "SHN_UNDEF"
                value = BASE + symbol.entry.st_value if defined else libc(symbol.name) or 0
                if entry.r_info_type == 8:
                    value = BASE
                elif entry.r_info_type == 18:
                    value = symbol.entry.st_value - 8
                total = (value + entry.r_addend) % (1 << 64)
                struct.pack_into("<Q", image, entry.r_offset, total)
    return bytes(image)


@pytest.mark.parametrize(("name", "cc"), [("add", None), ("cgo", None), ("add", "zig")])
def test_image_is_what_the_abi_says(
    plugin_path: PluginPath, go_version: str, name: str, cc: str | None
) -> None:
    file = ElfFile.open(plugin_path(name, go_version, cc=cc))
    assert relocated(file) == expected_image(file)


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not here")
def test_counts_are_those_of_readelf(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("hello", go_version)
    file = ElfFile.open(path)
    command = ["readelf", "--wide", "--relocs", str(path)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode("latin-1")
    words = [word for line in output.splitlines() for word in line.split()[2:3]]
    expected = Counter(word for word in words if word.startswith("R_X86_64_"))
    assert relocate(file, map_image(file), BASE, libc, tls_offset=-8) == expected
    assert len(file.relocations) == expected.total()


def pack_offsets(offsets: list[int]) -> bytes:
    """The table of DT_RELR for ascending, aligned offsets."""
    words: list[int] = []
    rest = list(offsets)
    while rest:
        words.append(rest.pop(0))
        following = words[-1] + 8
        while rest and rest[0] < following + 63 * 8:
            bits = 1
            while rest and rest[0] < following + 63 * 8:
                bits |= 2 << (rest.pop(0) - following) // 8
            words.append(bits)
            following += 63 * 8
    return struct.pack(f"<{len(words)}Q", *words)


def test_packed_relative_relocations(plugin_path: PluginPath, go_version: str) -> None:
    """A plugin whose relative relocations are moved to DT_RELR has the same image."""
    plain = ElfFile.open(plugin_path("add", go_version))
    table = plain.relocations
    patches: list[tuple[int, bytes]] = []
    addends: dict[int, int] = {}
    for index, type_ in enumerate(table.types):
        if type_ == 8:
            addends[table.offsets[index]] = table.addends[index]
            patches.append((plain.dynamic[DT_RELA] + 24 * index + 8, bytes(8)))
    patches += [(offset, pack(addend)) for offset, addend in addends.items()]
    packed = pack_offsets(sorted(addends))
    assert len(packed) < 4 * len(addends)
    # The table takes the place of the symbol versions, its entries that of theirs.
    versions = plain.dynamic[DT_VERSYM]
    assert len(packed) < 2 * len(plain.symbols)
    patches.append((versions, packed))
    retagged = {DT_VERSYM: (36, versions), DT_VERNEED: (35, len(packed)), DT_VERNEEDNUM: (37, 8)}
    start = next(s for s in plain.program_headers if s.type == 2).vaddr
    for index, tag in enumerate(plain.dynamic):
        assert tag != 1 or index == 0  # so that an entry's place is that of its tag
        if tag in retagged:
            patches.append((start + 16 * index, struct.pack("<QQ", *retagged[tag])))
    file = ElfFile(patched(plain, *patches))
    assert file.relocations.relative_offsets() == sorted(addends)
    image = map_image(file)
    counts = relocate(file, image, BASE, libc, tls_offset=-8)
    assert counts["R_X86_64_RELATIVE"] == counts["R_X86_64_NONE"] == len(addends)
    image[versions : versions + len(packed)] = map_image(plain)[versions : versions + len(packed)]
    for tag_at in range(start, start + 16 * len(plain.dynamic), 16):
        image[tag_at : tag_at + 16] = map_image(plain)[tag_at : tag_at + 16]
    rela = slice(plain.dynamic[DT_RELA], plain.dynamic[DT_RELA] + plain.dynamic[DT_RELASZ])
    image[rela] = map_image(plain)[rela]
    assert bytes(image) == relocated(plain)
    assert file.init_array == plain.init_array  # their relocations are packed too


def test_undefined_symbol_is_named(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    with pytest.raises(OpenError, match=r"undefined symbol: malloc$"):
        relocated(file, resolve=lambda name: None if name == "malloc" else 16)


def test_each_undefined_symbol_is_asked_for_once(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("cgo", go_version))
    asked: list[str] = []

    def resolve(name: str) -> int | None:
        asked.append(name)
        return 16

    relocated(file, resolve=resolve)
    assert sorted(asked) == sorted(symbol.name for symbol in file.symbols.undefined)


def test_a_module_loaded_before_wins(plugin_path: PluginPath, go_version: str) -> None:
    """With scope_first every named symbol may come from outside, the thread-local one too."""
    file = ElfFile.open(plugin_path("add", go_version))
    outside = 0x6000_0000
    asked: list[str] = []

    def resolve(name: str) -> int | None:
        asked.append(name)
        return outside if name == "runtime.mheap_" else libc(name)

    image = map_image(file)
    relocate(
        file,
        image,
        BASE,
        resolve,
        tls_offset=-32,
        scope_first=True,
        resolve_tls=lambda name: -8 if name == "runtime.tlsg" else None,
    )
    alone = relocated(file)
    mheap = BASE + file.symbols.address("runtime.mheap_")
    table = file.relocations
    kinds = Counter(KINDS[type_].name for type_ in table.types)
    moved = tls = 0
    for offset, type_, symbol in zip(table.offsets, table.types, table.symbols, strict=True):
        name = file.symbols[symbol].name
        (here,) = struct.unpack_from("<Q", image, offset)
        (there,) = struct.unpack_from("<q", alone, offset)
        if name == "runtime.mheap_":
            assert here - outside == there - mheap
            moved += 1
        elif type_ == 18:
            (here,) = struct.unpack_from("<q", image, offset)
            assert here == there == -8
            tls += 1
    assert moved >= 1
    assert tls == kinds["R_X86_64_TPOFF64"]
    assert len(asked) == len(set(asked))


def test_thread_offset_starts_at_the_block(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    table = file.relocations
    offset = table.offsets[table.types.index(18)]
    image = relocated(file, tls_offset=-64)
    assert struct.unpack_from("<q", image, offset) == (-64,)


def first_of(file: ElfFile, kind: int) -> int:
    """The address in the file of the first relocation of a kind."""
    index = file.relocations.types.index(kind)
    return file.dynamic[DT_RELA] + 24 * index


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (37, "R_X86_64_IRELATIVE is not supported"),
        (5, "R_X86_64_COPY is not supported"),
        (36, "R_X86_64_TLSDESC is not supported"),
        (200, "no such relocation"),
        (70000, "no such relocation"),
    ],
)
def test_unknown_relocation(
    plugin_path: PluginPath, go_version: str, number: int, words: str
) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    at = first_of(file, 1) + 8
    broken = ElfFile(patched(file, (at, struct.pack("<I", number))))
    with pytest.raises(UnknownRelocationError, match=words) as caught:
        relocated(broken)
    assert caught.value.number == number


def test_every_number_of_the_abi_is_supported_or_named() -> None:
    assert not KINDS.keys() & UNSUPPORTED_NAMES.keys()
    # 39 and 40 were GOTPCREL variants of MPX and are gone from the psABI.
    assert KINDS.keys() | UNSUPPORTED_NAMES.keys() == set(range(43)) - {39, 40}
    assert KINDS.keys() >= WORDS


def one_relocation(file: ElfFile, kind: int, addend: int, *, tls: bool = False) -> bytes:
    """The image after the first symbolic relocation was made one of another kind."""
    at = first_of(file, 18 if tls else 1)
    broken = ElfFile(patched(file, (at + 8, struct.pack("<I", kind)), (at + 16, pack(addend))))
    image = map_image(broken)
    relocate(broken, image, 1 << 24, libc, tls_offset=-64, tls_module=3)
    (offset,) = struct.unpack_from("<Q", file.read_vaddr(at, 8))
    return bytes(image[offset : offset + 8])


def pack(value: int) -> bytes:
    return (value % (1 << 64)).to_bytes(8, "little")


def test_less_common_kinds(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    base = 1 << 24
    index = file.relocations.types.index(1)
    offset = file.relocations.offsets[index]
    symbol = file.symbols[file.relocations.symbols[index]]
    assert symbol.defined
    address, place = base + symbol.value, base + offset
    old = bytes(map_image(file)[offset : offset + 8])
    cases: dict[int, bytes] = {
        0: old,
        1: pack(address + 5),
        2: pack(address + 5 - place)[:4] + old[4:],
        6: pack(address + 5),
        7: pack(address + 5),
        8: pack(base + 5),
        10: pack(address + 5)[:4] + old[4:],
        11: pack(address + 5)[:4] + old[4:],
        24: pack(address + 5 - place),
        32: pack(symbol.size + 5)[:4] + old[4:],
        33: pack(symbol.size + 5),
        38: pack(base + 5),
    }
    for kind, expected in cases.items():
        if kind != 8:  # a relative relocation names no symbol
            assert one_relocation(file, kind, 5) == expected, KINDS[kind].name
    assert one_relocation(file, 16, 0, tls=True) == pack(3)
    assert one_relocation(file, 17, 5, tls=True) == pack(5)
    assert one_relocation(file, 18, 5, tls=True) == pack(5 - 64)
    assert cases.keys() | {16, 17, 18} == KINDS.keys()


def test_overflow_of_a_short_relocation(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    with pytest.raises(OpenError, match="causes overflow in R_X86_64_32 relocation"):
        one_relocation(file, 10, 1 << 33)


def test_sums_wrap_at_64_bits(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    assert one_relocation(file, 1, -(1 << 62)) == pack(
        (1 << 24) + file.symbols[file.relocations.symbols[file.relocations.types.index(1)]].value
        - (1 << 62)
    )  # fmt: skip


def test_unaligned_target(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    at = first_of(file, 8)
    (offset,) = struct.unpack("<Q", file.read_vaddr(at, 8))
    moved = ElfFile(patched(file, (at, pack(offset + 3))))
    expected = map_image(moved)
    table = moved.relocations
    for place, type_, number, addend in zip(
        table.offsets, table.types, table.symbols, table.addends, strict=True
    ):
        symbol = file.symbols[number]
        value = BASE + symbol.value if symbol.defined or not number else libc(symbol.name) or 0
        if type_ == 18:
            value = -8
        struct.pack_into("<Q", expected, place, (value + addend) % (1 << 64))
    assert relocated(moved) == bytes(expected)
    assert relocated(moved) != relocated(file)


def test_packed_target_outside_every_segment(plugin_path: PluginPath, go_version: str) -> None:
    plain = ElfFile.open(plugin_path("add", go_version))
    versions = plain.dynamic[DT_VERSYM]
    start = next(s for s in plain.program_headers if s.type == 2).vaddr
    at = start + 16 * list(plain.dynamic).index(DT_VERSYM)
    following = start + 16 * list(plain.dynamic).index(DT_VERNEED)
    for target in (plain.memory_size - 4, plain.memory_size + 16, 1 << 62):
        file = ElfFile(
            patched(
                plain,
                (versions, struct.pack("<QQ", target & ~1, 3)),
                (at, struct.pack("<QQ", 36, versions)),
                (following, struct.pack("<QQ", 35, 16)),
            )
        )
        with pytest.raises(FormatError, match="where no segment is"):
            relocated(file)


@pytest.mark.parametrize("target", [-8, 1 << 20 << 20, 1 << 63])
def test_target_outside_every_segment(
    plugin_path: PluginPath, go_version: str, target: int
) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    for kind in (1, 8, 18):
        broken = ElfFile(patched(file, (first_of(file, kind), pack(target))))
        with pytest.raises(FormatError, match="where no segment is"):
            relocated(broken)
    end = file.segments[-1].end
    for kind in (1, 8, 18):
        broken = ElfFile(patched(file, (first_of(file, kind), pack(file.memory_size - 7))))
        with pytest.raises(FormatError, match="where no segment is"):
            relocated(broken)
    assert end <= file.memory_size


def test_symbol_in_a_reserved_section(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    number = file.relocations.symbols[file.relocations.types.index(1)]
    at = file.dynamic[6] + 24 * number + 6
    absolute = relocated(ElfFile(patched(file, (at, struct.pack("<H", 0xFFF1)))))
    offset = file.relocations.offsets[file.relocations.types.index(1)]
    addend = file.relocations.addends[file.relocations.types.index(1)]
    assert absolute[offset : offset + 8] == pack(file.symbols[number].value + addend)
    with pytest.raises(FormatError, match="reserved section 0xfff2"):
        relocated(ElfFile(patched(file, (at, struct.pack("<H", 0xFFF2)))))


def test_indirect_function(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    number = file.relocations.symbols[file.relocations.types.index(1)]
    at = file.dynamic[6] + 24 * number + 4
    with pytest.raises(UnknownRelocationError, match="is an indirect function"):
        relocated(ElfFile(patched(file, (at, b"\x1a"))))


def test_target_between_segments(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    gap = file.segments[0].end + 8
    assert file.segment_at(gap) is None
    broken = ElfFile(patched(file, (first_of(file, 1), pack(gap & ~7))))
    with pytest.raises(FormatError, match="where no segment is"):
        relocated(broken)


def test_symbol_beyond_the_table(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    at = first_of(file, 1) + 12
    broken = ElfFile(patched(file, (at, b"\xff\xff\xff\x7f")))
    with pytest.raises(FormatError, match="names symbol 2147483647"):
        relocated(broken)


def test_table_of_half_an_entry(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    broken = ElfFile(with_dynamic(file, {DT_RELASZ: file.dynamic[DT_RELASZ] - 12}))
    with pytest.raises(FormatError, match="not a multiple"):
        relocated(broken)


def test_an_image_that_is_too_small_or_read_only_is_refused(
    plugin_path: PluginPath, go_version: str
) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    for image in (memoryview(bytearray(file.memory_size - 8)), memoryview(bytes(map_image(file)))):
        with pytest.raises(ValueError, match="must be writable and hold"):
            relocate(file, image, BASE, libc, tls_offset=-8)


def count_lines(action: Callable[[], object]) -> int:
    """How many lines of Python run: a measure of work that does not depend on the machine."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(previous)
    return count


def test_cost_grows_linearly(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("hello", go_version))
    size = file.dynamic[DT_RELASZ] // 24 // 4 * 24
    costs = []
    for parts in (1, 2, 4):
        part = ElfFile(with_dynamic(file, {DT_RELASZ: size * parts}))
        _ = part.symbols.special, part.relocations.offsets
        image = map_image(part)
        costs.append(count_lines(partial(relocate, part, image, BASE, libc, tls_offset=-8)))
    per_part = [(costs[1] - costs[0]), (costs[2] - costs[1]) / 2]
    # The later ones name more symbols that none did before.
    assert per_part[1] < 1.5 * per_part[0]
    # Two lines of Python for each relocation, and a constant for the undefined symbols.
    assert per_part[0] / (size // 24) < 2.5


def test_word_at_is_what_relocation_writes(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    image = relocated(file, 0, lambda name: 0, 0)
    for segment in file.segments:
        if segment.writable:
            for address in range(-(-segment.vaddr // 8) * 8, segment.end - 8, 8 * 37):
                (expected,) = struct.unpack_from("<Q", image, address)
                assert file.relocations.word_at(address) == expected
    with pytest.raises(FormatError):
        file.relocations.word_at(file.memory_size)
