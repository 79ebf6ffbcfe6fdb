"""The file, its segments, and where they went."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from emuplugin.cpu.address_space import PAGE_SIZE
from emuplugin.elf.segments import Segment

from ..blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Column,
    Facts,
    Heading,
    MapEntry,
    MemoryMap,
    count,
    say,
    size,
    table,
)
from ..places import access, area_name, mapped_sections, sections_in

if TYPE_CHECKING:
    from ..run import Run


def chapter(run: Run) -> Chapter:
    """What is in the file and what of it lies in memory."""
    file, base = run.file, run.start.base
    info = file.build_info
    assert info is not None  # a file without is refused
    symbols, main = file.static_symbols, info.main
    module: list[tuple[str, Cell]] = []
    if main is not None and main.path:  # a file that was built outside of a module has none
        module = [("Module", Code(f"{main.path} {main.version}".rstrip()))]
    facts = Facts(
        (
            ("File", Code(run.path)),
            ("Size", f"{len(file.data):,} bytes"),
            ("SHA-256", Code(hashlib.sha256(file.data).hexdigest())),
            ("Plugin path", Code(run.plugin_path)),
            ("Go", info.go_version),
            *module,
            (
                "Symbol table",
                "none: the file was stripped (-ldflags=-s)"
                if symbols is None
                else count(len(symbols), "symbol"),
            ),
            (
                "Debug information",
                "DWARF" if ".debug_info" in file.sections else "none (-ldflags=-w)",
            ),
        )
    )
    blocks: list[Block] = [
        say(
            "A Go plugin is a shared object: an ELF file whose code runs at any address. The "
            "program headers say which parts of it belong into memory, where, and who may do what "
            "there. `plugin.Open` leaves that to the C library's `dlopen`; here emuplugin does it."
        ),
        facts,
        _segments(run),
    ]
    relro = file.relro
    if relro is not None:
        low, high = base + (relro.vaddr & -PAGE_SIZE), base + (relro.end & -PAGE_SIZE)
        if high > low:
            blocks.append(
                say(
                    f"`{low:#x}` to `{high:#x}` became read-only once its relocations had been "
                    "applied (PT_GNU_RELRO): addresses of functions and types, which nobody has a "
                    "reason to change.",
                    note=True,
                )
            )
    sections = mapped_sections(file)
    if sections:
        blocks.append(
            table(
                "Sections in memory",
                (
                    Column("section", head=True),
                    Column("address", right=True),
                    Column("bytes", right=True),
                    Column("in the file"),
                ),
                [
                    (
                        Code(s.name),
                        Code(f"{base + s.addr:#x}"),
                        f"{s.size:,}",
                        f"at {s.offset:#x}" if s.in_file else "no: zeros",
                    )
                    for s in sections
                ],
                fold=True,
            )
        )
    blocks += [
        Heading("The whole address space, once the plugin was open"),
        say(
            "From low to high addresses, not to scale. What lies below the plugin belongs to "
            "emuplugin; the heap and what is above was asked for by Go's runtime."
        ),
        MemoryMap(_map(run)),
    ]
    loaded = sum(segment.memsz for segment in file.segments)
    return Chapter(
        "file",
        "The file and where it went",
        f"{count(len(file.segments), 'segment')} with {size(loaded)}, mapped at {base:#x}",
        tuple(blocks),
    )


def _segments(run: Run) -> Block:
    base = run.start.base
    return table(
        "Segments (PT_LOAD)",
        (
            Column("holds", head=True),
            Column("access"),
            Column("in the file", right=True, extra=True),
            Column("bytes there", right=True),
            Column("in memory", right=True),
            Column("bytes", right=True),
        ),
        [
            (
                _contents(run, segment),
                Code(_letters(segment)),
                Code(f"{segment.offset:#x}"),
                f"{segment.filesz:,}",
                Code(f"{base + segment.vaddr:#x}"),
                f"{segment.memsz:,}",
            )
            for segment in run.file.segments
        ],
    )


def _contents(run: Run, segment: Segment) -> str:
    names = sections_in(run.file, segment.vaddr, segment.end)
    if segment.executable:
        what = "code"
    elif segment.writable:
        what = "variables"
    elif ".gopclntab" in names or ".rodata" in names:
        what = "constants, types, tables"
    else:
        what = "symbols, relocations"
    return what


def _letters(segment: Segment) -> str:
    return access(segment.flags >> 2 & 1 | segment.flags & 2 | (segment.flags & 1) << 2)


def _map(run: Run) -> tuple[MapEntry, ...]:
    entries: list[MapEntry] = []
    for area in run.areas:
        name = area_name(area, run.program)
        entry = MapEntry(area.start, area.end, access(area.prot), name, _kind(name))
        before = entries[-1] if entries else None
        if (
            before is not None
            and before.end == entry.start
            and before.kind == entry.kind == "runtime"
        ):
            # The runtime reserves much and uses little of it: one line for what lies together.
            entries.pop()
            used = before.access if before.access != "---" else entry.access
            what = "the runtime's tables, mostly reserved"
            entry = MapEntry(before.start, entry.end, used, what, "runtime")
        entries.append(entry)
    return tuple(entries)


def _kind(name: str) -> str:
    if name.startswith("the plugin"):
        return "plugin"
    if name.startswith("Go's heap"):
        return "heap"
    return "runtime" if name.startswith("the runtime's") else "host"
