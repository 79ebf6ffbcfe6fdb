"""Relocations in the guest against those in Python: the same image, or the same error."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emuplugin
from emuplugin import Sandbox
from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE
from emuplugin.cpu.engine import Engine
from emuplugin.elf.file import ElfFile
from emuplugin.elf.relocation_kinds import KINDS, WORDS
from emuplugin.elf.relocations import Bulk, relocate
from emuplugin.errors import OpenError
from emuplugin.runtime_shims.image import IMAGE_BASE
from emuplugin.runtime_shims.process import LOADER_PAGES, make_engine
from emuplugin.runtime_shims.relocator import LISTING, Relocator
from tests.conftest import PluginPath, go_versions
from tests.elf.images import map_image, patched

RELA = 24
SIZE64 = 33  # R_X86_64_SIZE64
DT_SYMTAB = 6


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = make_engine(Sandbox())
    yield engine
    physical = engine.space.physical
    engine.close()
    physical.close()


def libc(name: str) -> int | None:
    return None if name.startswith(("_ITM_", "__gmon_start__")) else sum(name.encode())


class Noting:
    """A relocator, and what it left."""

    def __init__(self, engine: Engine) -> None:
        self._relocator = Relocator(engine, IMAGE_BASE, LOADER_PAGES)
        self.left: list[int] | None = None

    def __call__(self, bulk: Bulk) -> list[int]:
        self.left = self._relocator(bulk)
        return self.left


def in_guest(engine: Engine, file: ElfFile) -> tuple[Any, list[int] | None]:
    """The image, and what was left to Python."""
    space, size = engine.space, file.memory_size
    area = space.map(IMAGE_BASE, size, PROT_READ | PROT_WRITE, populate=True)
    assert area.physical is not None
    image = space.physical.bytes[area.physical : area.physical + size]
    image[:] = map_image(file)
    noting = Noting(engine)
    try:
        found = outcome(file, image, noting)
    finally:
        del image
        space.unmap(IMAGE_BASE, size)
    return found, noting.left


def in_python(file: ElfFile) -> Any:
    return outcome(file, map_image(file), None)


def outcome(file: ElfFile, image: memoryview, in_bulk: Noting | None) -> Any:
    try:
        counts = relocate(file, image, IMAGE_BASE, libc, tls_offset=-8, in_bulk=in_bulk)
    except OpenError as error:
        return type(error), str(error)
    return dict(counts), bytes(image)


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("name", ["add", "kinds_matrix", "cgo"])
def test_images_are_the_same(
    name: str, stripped: bool, go_version: str, plugin_path: PluginPath, engine: Engine
) -> None:
    file = ElfFile.open(plugin_path(name, go_version, stripped=stripped))
    found, left = in_guest(engine, file)
    assert found == in_python(file)
    # What is undefined, and what is thread-local; those of nearly all are in the guest.
    assert left is not None
    assert 0 < len(left) < len(file.relocations) / 20
    assert all(
        file.relocations.types[index] not in WORDS
        or file.relocations.symbols[index] in file.symbols.special
        for index in left
    )


def test_the_processor_is_as_it_was(
    go_version: str, plugin_path: PluginPath, engine: Engine
) -> None:
    registers = engine.batch(*reg.GENERAL)
    space = engine.space
    before = list(registers.load()), engine.stops.keep(), set(engine.traps), list(space)
    present = space.present_pages
    in_guest(engine, ElfFile.open(plugin_path("add", go_version)))
    assert (list(registers.load()), engine.stops.keep(), set(engine.traps), list(space)) == before
    assert space.present_pages == present


def entry(offset: int, kind: int, symbol: int, addend: int) -> bytes:
    return struct.pack("<QIIq", offset, kind, symbol, addend)


def entries(file: ElfFile) -> list[tuple[int, int, int, int]]:
    columns = file.relocations.columns
    return [
        (offset, kind, symbol, addend)
        for kind, offset, symbol, addend in zip(*columns, strict=True)
    ]


def with_entries(file: ElfFile, changed: dict[int, tuple[int, int, int, int]]) -> ElfFile:
    (start, count), *_ = file.relocations.places
    assert all(index < count for index in changed)
    return ElfFile(
        patched(file, *((start + RELA * index, entry(*row)) for index, row in changed.items()))
    )


@pytest.fixture(scope="module")
def small(request: pytest.FixtureRequest, plugin_path: PluginPath) -> ElfFile:
    return ElfFile.open(plugin_path("add", go_versions(request.config)[-1], stripped=True))


def test_many_that_are_not_plain(go_version: str, plugin_path: PluginPath, engine: Engine) -> None:
    """More than fit on a page of notes, exactly as many, and one fewer."""
    file = ElfFile.open(plugin_path("add", go_version))
    rows = entries(file)
    defined = [at for at, (_, kind, symbol, _) in enumerate(rows) if kind in WORDS and symbol]
    plain = [at for at in defined if rows[at][2] not in file.symbols.special]
    assert len(plain) > 2000
    for many in (510, 511, 512, 513, 1024, 2000):
        changed = with_entries(
            file, {at: (rows[at][0], SIZE64, *rows[at][2:]) for at in plain[:many]}
        )
        found, left = in_guest(engine, changed)
        assert left is not None
        assert len(left) > many
        assert found == in_python(changed)


KIND = st.one_of(st.sampled_from(sorted(KINDS)), st.integers(0, 0xFFFF_FFFF))
SYMBOL = st.one_of(st.integers(0, 3000), st.integers(0, 0xFFFF_FFFF))
ADDEND = st.integers(-(1 << 63), (1 << 63) - 1)
# Where the same bytes are relocated twice, the order decides, and in bulk there is none.
OFFSET = st.sampled_from(["same", "start", "end", "behind", "far", "wrapped"])


@settings(max_examples=60)
@given(data=st.data())
def test_any_relocation(data: st.DataObject, engine: Engine, small: ElfFile) -> None:
    rows = entries(small)
    changed = {}
    for at in data.draw(st.lists(st.integers(0, small.relocations.places[0][1] - 1), max_size=4)):
        offset, kind, symbol, addend = rows[at]
        end = small.memory_size
        places = {
            "same": offset, "start": 0, "end": end - 8, "behind": end - 4, "far": 1 << 62,
            "wrapped": (1 << 64) - 4,
        }  # fmt: skip
        changed[at] = (
            places[data.draw(OFFSET)],
            data.draw(st.one_of(st.just(kind), KIND)),
            data.draw(st.one_of(st.just(symbol), SYMBOL)),
            data.draw(st.one_of(st.just(addend), ADDEND)),
        )
    file = with_entries(small, changed)
    found, _ = in_guest(engine, file)
    assert found == in_python(file)


@settings(max_examples=60)
@given(data=st.data())
def test_any_symbol(data: st.DataObject, engine: Engine, small: ElfFile) -> None:
    """Bindings, types and sections as no linker makes them."""
    start = small.dynamic[DT_SYMTAB]
    used = sorted(set(small.relocations.symbols) - {0})
    patches = []
    for number in data.draw(st.lists(st.sampled_from(used), max_size=5)):
        info, other = data.draw(st.integers(0, 255)), data.draw(st.integers(0, 255))
        section = data.draw(
            st.one_of(st.integers(0, 0xFFFF), st.sampled_from([0, 1, 0xFEFF, 0xFF00, 0xFFF1]))
        )
        value = data.draw(st.integers(0, (1 << 64) - 1))
        symbol = struct.pack("<BBHQ", info, other, section, value)
        patches.append((start + RELA * number + 4, symbol))
    file = ElfFile(patched(small, *patches))
    found, left = in_guest(engine, file)
    assert found == in_python(file)
    assert left is not None


def test_tables_that_relocations_could_change(
    go_version: str, plugin_path: PluginPath, engine: Engine
) -> None:
    """Where everything is writable, nothing is done in bulk."""
    plain = ElfFile.open(plugin_path("add", go_version))
    data = bytearray(plain.data)
    headers, count = plain.header.e_phoff, plain.header.e_phnum
    for at in range(headers, headers + 56 * count, 56):
        kind, flags = struct.unpack_from("<II", data, at)
        if kind == 1:
            struct.pack_into("<I", data, at + 4, flags | 2)
    file = ElfFile(bytes(data))
    found, left = in_guest(engine, file)
    assert left is None
    assert found == in_python(file)


def test_a_plugin_that_is_larger_than_the_machine(
    go_version: str, plugin_path: PluginPath, tmp_path: Path
) -> None:
    """Not even its relocations fit."""
    limits = emuplugin.Limits(memory=1 << 18)
    with (
        emuplugin.Machine(Sandbox(limits=limits)) as machine,
        pytest.raises(OpenError, match=r"needs \d+ bytes of memory, more than the machine has"),
    ):
        machine.open(plugin_path("kinds_matrix", go_version))


def test_listing_says_what_the_code_does() -> None:
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    lines = [line.split("|") for line in LISTING.strip().splitlines()]
    code = bytes.fromhex("".join(code.strip() for code, _ in lines))
    assert [said.strip() for _, said in lines] == [
        f"{found.address:02x}  {found.mnemonic} {found.op_str}".strip()
        for found in disassembler.disasm(code, 0)
    ]
