"""Segments, dynamic section and sections of real plugins, compared with what readelf and
pyelftools say."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from emuplugin.elf.buildinfo import MAGIC
from emuplugin.elf.file import ElfFile
from emuplugin.elf.segments import MAX_IMAGE_SIZE
from emuplugin.errors import FormatError, NotElfError, PathError, TruncatedError
from tests.conftest import PluginPath
from tests.elf.images import patched, with_dynamic, without_sections

needs_readelf = pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not here")


def readelf(path: Path, *options: str) -> str:
    command = ["readelf", "--wide", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(params=["system compiler", "zig"])
def path(request: pytest.FixtureRequest, plugin_path: PluginPath, go_version: str) -> Path:
    """A plugin that GNU ld linked (or whatever the system has), and one that lld linked."""
    return plugin_path("add", go_version, cc="zig" if request.param == "zig" else None)


def test_segments_are_those_that_pyelftools_finds(path: Path) -> None:
    file = ElfFile.open(path)
    with path.open("rb") as stream:
        expected = [
            (h.p_vaddr, h.p_offset, h.p_filesz, h.p_memsz, h.p_flags, h.p_align)
            for h in (segment.header for segment in ELFFile(stream).iter_segments("PT_LOAD"))
        ]
    found = [(s.vaddr, s.offset, s.filesz, s.memsz, s.flags, s.align) for s in file.segments]
    assert found == expected
    assert [s.executable for s in file.segments].count(True) == 1
    assert all(s.readable for s in file.segments)
    assert not any(s.writable and s.executable for s in file.segments)


def test_memory_size_covers_every_segment_in_whole_pages(path: Path) -> None:
    file = ElfFile.open(path)
    end = max(s.vaddr + s.memsz for s in file.segments)
    assert file.memory_size % 4096 == 0
    assert end <= file.memory_size < end + 4096


@needs_readelf
def test_dynamic_section_is_what_readelf_prints(path: Path) -> None:
    file = ElfFile.open(path)
    lines = re.findall(r"^ (0x[0-9a-f]{16}) \(", readelf(path, "--dynamic"), re.MULTILINE)
    tags = {int(line, 16) for line in lines}
    assert set(file.dynamic) == tags - {0}
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf(path, "--dynamic"))
    assert list(file.needed) == needed
    assert "libc.so.6" in needed
    assert file.soname == ""


def test_sections_are_those_that_pyelftools_finds(path: Path) -> None:
    file = ElfFile.open(path)
    with path.open("rb") as stream:
        sections = {s.name: s for s in ELFFile(stream).iter_sections() if s.name}
        assert list(file.sections) == list(sections)
        for name, expected in sections.items():
            found = file.sections[name]
            assert (found.addr, found.offset, found.size, found.flags) == (
                expected.header.sh_addr,
                expected.header.sh_offset,
                expected.header.sh_size,
                expected.header.sh_flags,
            )
            if found.in_file and not expected.compressed:
                assert bytes(file.section(name)) == expected.data()


def test_a_section_that_is_missing_or_has_no_bytes_is_an_error(path: Path) -> None:
    file = ElfFile.open(path)
    with pytest.raises(FormatError, match=r"no section \.nothing"):
        file.section(".nothing")
    with pytest.raises(FormatError, match="no bytes"):
        file.section(".bss")


def test_thread_local_storage_of_a_plugin_is_one_word(path: Path) -> None:
    tls = ElfFile.open(path).tls
    assert tls is not None
    assert (tls.filesz, tls.memsz) == (0, 8)


def test_relro_lies_in_a_writable_segment(path: Path) -> None:
    file = ElfFile.open(path)
    assert file.relro is not None
    segment = file.segment_at(file.relro.vaddr)
    assert segment is not None
    assert segment.writable


def test_init_functions_are_functions(path: Path) -> None:
    file = ElfFile.open(path)
    names = {symbol.value: symbol.name for symbol in file.static_symbols or ()}
    assert file.init_array
    assert "go:link.addmoduledata" in [names[address] for address in file.init_array]


def test_file_without_section_headers_still_loads(path: Path) -> None:
    whole = ElfFile.open(path)
    bare = ElfFile(without_sections(whole))
    assert dict(bare.sections) == {}
    assert bare.static_symbols is None
    assert bare.init_array == whole.init_array
    assert bare.symbols.address("runtime.m0") == whole.symbols.address("runtime.m0")


def test_reading_by_address(path: Path) -> None:
    file = ElfFile.open(path)
    text = file.sections[".text"]
    assert file.read_vaddr(text.addr, 64) == file.section(".text")[:64]
    assert file.read_from(text.addr)[:64] == file.section(".text")[:64]
    for address in (file.sections[".bss"].addr, file.memory_size, -1, 1 << 63):
        with pytest.raises(FormatError):
            file.read_vaddr(address, 8)
        with pytest.raises(FormatError):
            file.read_from(address)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("p_memsz", 1 << 60, "2 GiB"),
        ("p_memsz", MAX_IMAGE_SIZE + 1, "2 GiB"),
        ("p_filesz", 1 << 40, "more bytes in the file than in memory"),
        ("p_offset", 1 << 40, "file too short"),
        ("p_vaddr", 1 << 62, "2 GiB"),
        ("p_vaddr", 0, "overlap"),
        ("p_vaddr", 1, "not properly aligned"),
        ("p_align", 0, "not page-aligned"),
        ("p_align", 0x1001, "not page-aligned"),
        ("p_align", 0x3000, "not page-aligned"),
        ("p_align", 1 << 63, "not page-aligned"),
    ],
)
def test_corrupt_segment(
    plugin_path: PluginPath, go_version: str, field: str, value: int, message: str
) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    offsets = {"p_offset": 8, "p_vaddr": 16, "p_filesz": 32, "p_memsz": 40, "p_align": 48}
    index = file.program_headers.index(file.segments[1])
    data = bytearray(file.data)
    at = 64 + 56 * index + offsets[field]
    data[at : at + 8] = value.to_bytes(8, "little")
    with pytest.raises(FormatError, match=message):
        ElfFile(bytes(data))


@pytest.mark.parametrize(
    ("tag", "value"),
    [(5, 1 << 40), (6, 1 << 63), (10, 1 << 50), (0x6FFFFEF5, 0x7FFFFFFF), (11, 16)],
)
def test_corrupt_dynamic_section(
    plugin_path: PluginPath, go_version: str, tag: int, value: int
) -> None:
    file = ElfFile(with_dynamic(ElfFile.open(plugin_path("add", go_version)), {tag: value}))
    with pytest.raises(FormatError):
        _ = file.symbols


def test_dynamic_section_without_an_end(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    segment = next(s for s in file.program_headers if s.type == 2)
    endless = (1).to_bytes(8, "little") * (segment.filesz // 8)
    with pytest.raises(FormatError, match="no DT_NULL"):
        _ = ElfFile(patched(file, (segment.vaddr, endless))).dynamic


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="realpath failed") as caught:
        ElfFile.open(tmp_path / "none.so")
    assert caught.value.path == str(tmp_path / "none.so")
    with pytest.raises(PathError, match="realpath failed"):
        ElfFile.open("")
    with pytest.raises(PathError, match="realpath failed"):
        ElfFile.open("a\0b")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="cannot read file data: Is a directory"):
        ElfFile.open(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PathError, match="not a regular file"):
        ElfFile.open(tmp_path / "pipe")


def test_empty_and_short_files(tmp_path: Path) -> None:
    path = tmp_path / "x.so"
    for content in (b"", b"\x7fELF", b"#!/bin/sh\n"):
        path.write_bytes(content)
        with pytest.raises(TruncatedError, match="file too short"):
            ElfFile.open(path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(b"MZ" + bytes(1000))
    with pytest.raises(NotElfError, match="invalid ELF header"):
        ElfFile.open(path)


def test_build_info_is_found_in_a_segment_that_begins_anywhere() -> None:
    """Without section headers the alignment that counts is that of the address."""
    blob = MAGIC + b"\0\2" + bytes(16) + b"\6go1.27\0"
    for start in range(0x1000, 0x1010):
        content = bytes(-start % 16) + blob
        header = struct.pack(
            "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0
        )
        segment = struct.pack("<IIQQQQQQ", 1, 6, start, start, 0, len(content), 0x1000, 0x1000)
        data = (header + segment).ljust(start, b"\0") + content
        info = ElfFile(data).build_info
        assert info is not None
        assert info.go_version == "go1.27"
