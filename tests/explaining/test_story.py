"""What the stories say, compared with pyelftools and with machines that nobody observed."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_RELOC_TYPE_x64
from elftools.elf.relocation import RelocationSection

from emuplugin import (
    ConversionError,
    GoDeadlock,
    GoExit,
    GoPanic,
    InitError,
    InstructionLimitExceeded,
    Limits,
    NotElfError,
    Sandbox,
    SymbolNotFoundError,
)
from emuplugin.elf.relocation_kinds import KINDS
from emuplugin.explaining import explain
from emuplugin.explaining.blocks import Heading, Listing, MemoryMap, Paragraph
from emuplugin.explaining.words import BOOT, RELOCATIONS
from emuplugin.machine import Machine
from emuplugin.runtime_shims.boot import STEPS
from tests.support.plugins import plugin_path

from .conftest import Tell, blocks, column, facts, table

NAMES = {number: name for name, number in ENUM_RELOC_TYPE_x64.items() if name.startswith("R_")}


@pytest.fixture(params=[False, True], ids=["symbols", "stripped"])
def stripped(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


def test_the_file(told: Tell, go_version: str, stripped: bool) -> None:
    story = told("explained", go_version, "Sum", 5, stripped=stripped)
    path = plugin_path("explained", go_version, stripped=stripped)
    told_facts = facts(story, "file")
    assert told_facts["SHA-256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told_facts["Go"] == f"go{go_version}"
    assert told_facts["Plugin path"] == "example.com/explained"
    assert ("stripped" in told_facts["Symbol table"]) == stripped
    with path.open("rb") as stream:
        segments = [s for s in ELFFile(stream).iter_segments() if s["p_type"] == "PT_LOAD"]
        shown = table(story, "file", "Segments")
        assert column(shown, "bytes there") == [f"{s['p_filesz']:,}" for s in segments]
        assert column(shown, "bytes") == [f"{s['p_memsz']:,}" for s in segments]
        base = 0x4_0000_0000
        assert column(shown, "in memory") == [f"{base + s['p_vaddr']:#x}" for s in segments]
        assert column(shown, "access") == [
            "".join(c if s["p_flags"] & bit else "-" for bit, c in ((4, "r"), (2, "w"), (1, "x")))
            for s in segments
        ]


def test_relocations(told: Tell, go_version: str, stripped: bool) -> None:
    story = told("explained", go_version, "Sum", 5, stripped=stripped)
    path = plugin_path("explained", go_version, stripped=stripped)
    counts: Counter[str] = Counter()
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection):
                counts.update(NAMES[r["r_info_type"]] for r in section.iter_relocations())
    shown = table(story, "relocations", "Relocations by kind")
    numbers = [int(text.replace(",", "")) for text in column(shown, "number")]
    assert dict(zip(column(shown, "kind"), numbers, strict=True)) == counts


def test_examples_of_relocations(told: Tell, go_version: str) -> None:
    """The bytes are those of the file, and those of a machine where nobody looked on; those of
    read-only data are the same later."""
    story = told("explained", go_version, "Sum", 5)
    shown = table(story, "relocations", "Some of them")
    path = plugin_path("explained", go_version)
    with Machine() as machine, path.open("rb") as stream:
        plugin = machine.open(path)
        elf, base = ELFFile(stream), plugin.module.image.base
        relro = next(s for s in elf.iter_segments() if s["p_type"] == "PT_GNU_RELRO")
        checked = 0
        for place, before, after in zip(
            column(shown, "place"),
            column(shown, "bytes in the file"),
            column(shown, "bytes in memory"),
            strict=True,
        ):
            address = int(place, 16)
            if before.startswith("("):
                continue
            (offset,) = elf.address_offsets(address - base)
            stream.seek(offset)
            size = len(bytes.fromhex(before))
            assert stream.read(size).hex(" ", 4) == before
            if relro["p_vaddr"] <= address - base < relro["p_vaddr"] + relro["p_memsz"]:
                assert machine.memory.read(address, size).hex(" ", 4) == after
                checked += 1
    assert checked > 8
    kinds = set(column(table(story, "relocations", "Relocations by kind"), "kind"))
    assert {f"R_X86_64_{kind}" for kind in column(shown, "kind")} == kinds


def test_symbols(told: Tell, go_version: str, stripped: bool) -> None:
    story = told("explained", go_version, "Sum", 5, stripped=stripped)
    path = plugin_path("explained", go_version, stripped=stripped)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
        named: Counter[int] = Counter()
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection):
                named.update(r["r_info_sym"] for r in section.iter_relocations())
        del named[0]
        undefined = {i for i in named if symbols[i]["st_shndx"] == "SHN_UNDEF"}
    shown = table(story, "symbols", "Symbols that the file does not define")
    wanted = {symbols[i].name for i in undefined if symbols[i]["st_info"]["type"] != "STT_TLS"}
    assert set(column(shown, "symbol")) == wanted
    bound = table(story, "symbols", "Bound to")
    for name, total in (("symbols", len(named)), ("relocations", sum(named.values()))):
        assert sum(int(text.replace(",", "")) for text in column(bound, name)) == total


def test_boot(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 5)
    shown = table(story, "boot", "The steps")
    with Machine(cache=False) as machine:
        plugin = machine.open(plugin_path("explained", go_version))
        steps, report = machine.program.boot_steps, machine.report
        traces = plugin.init_trace
    assert column(shown, "step") == [step.name for step in steps]
    # Being watched changes nothing.
    assert column(shown, "instructions") == [
        f"{step.instructions:,}" if step.instructions else "-" for step in steps
    ]
    made = sum(int(text) for text in column(shown, "syscalls") if text)
    later = table(story, "inits", "System calls of the init functions")
    assert made + len(later.rows) == sum(report.syscalls.values())
    assert made > 100
    inits = table(story, "inits", "Packages in order")
    assert column(inits, "package") == [trace.package for trace in traces]
    assert column(inits, "instructions") == [f"{trace.instructions:,}" for trace in traces]
    assert column(inits, "allocations") == [f"{trace.allocations:,}" for trace in traces]
    assert "example.com/explained" in column(inits, "package")


def test_what_steps_set(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 5)
    values: dict[str, str] = {}
    for block in story.story.chapters[3].tables():
        if block.title == "Variables and fields set":
            values.update(zip(column(block, "name"), column(block, "value"), strict=True))
    assert values["runtime.physPageSize"] == "4096"
    assert values["runtime.sched.maxmcount"] == "10000"
    assert values["runtime.mainStarted"] == "1"
    names = [
        str(row[0])
        for block in story.story.chapters[3].tables()
        if block.title == "Functions of the runtime called"
        for row in block.rows
    ]
    assert {"runtime.mcommoninit", "runtime.procresize", "runtime.newproc"} <= set(names)


def test_there_are_words_for_everything() -> None:
    assert {step.__name__ for step, _ in STEPS} == set(BOOT)
    assert {kind.name for kind in KINDS.values()} == set(RELOCATIONS)


def test_every_area_has_a_name(told: Tell, go_version: str) -> None:
    """None is shown by the name that it has inside of emuplugin."""
    for story in (told("explained", go_version, "Sum", 5), told("cgo", go_version)):
        (shown,) = (block for block in blocks(story, "file") if isinstance(block, MemoryMap))
        names = [entry.name for entry in shown.entries]
        assert not [name for name in names if "[" in name]
        assert any(".rodata" in name for name in names)
        starts = [entry.start for entry in shown.entries]
        assert starts == sorted(starts)


def test_lookup(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Sum", 5)
    shown = table(story, "lookup", "Exported names")
    with Machine() as machine:
        plugin = machine.open(plugin_path("explained", go_version))
        types = dict(zip(column(shown, "name"), column(shown, "type"), strict=True))
        assert types == dict(plugin.exports)
        address = plugin.lookup("Sum").address
        found = facts(story, "lookup")
        assert found["Its address"] == f"{address:#x}"
        assert found["Symbol"] == "example.com/explained.Sum"
        assert bytes.fromhex(found["The name"].rpartition(": ")[2])[2:] == b"Sum"
        place = int(found["Entry"].rpartition(" ")[2], 16)
        assert machine.memory.read(place, 8).hex(" ") == found["Its bytes"]
        descriptor = table(story, "lookup", "The type descriptor")
        kind = column(descriptor, "field").index("Kind_")
        assert column(descriptor, "means")[kind] == "func"


def test_arguments(told: Tell, go_version: str) -> None:
    """Registers and stack hold the arguments where ABIInternal wants them."""
    given = (-3, 2.5, "hi", (1, 2, 3), (4, 5, 6), 0.5)
    story = told("explained", go_version, "Mixed", *given)
    assert story.results == ("-3 2.5hi[1 2 3] [4 5 6] 0.5",)
    shown = table(story, "call", "Arguments")
    assert column(shown, "travels in") == [
        "RAX", "X0", "RBX, RCX", "RDI, RSI, R8", "stack, 0x8 above RSP", "X1",
    ]  # fmt: skip
    held = column(shown, "as")
    assert int(held[0], 16) & 0xFF == 0xFD
    assert held[1] == "0x4004000000000000"
    assert held[2].endswith("0x2 -> 68 69")
    assert held[3].endswith("0x3, 0x3 -> 01 00 02 00 03 00")
    assert bytes.fromhex(held[4]) == b"".join(n.to_bytes(8, "little") for n in (4, 5, 6))
    assert held[5] == "0x3f000000"
    registers = table(story, "call", "Registers")
    values = dict(zip(column(registers, "register"), column(registers, "value"), strict=True))
    roles = dict(zip(column(registers, "register"), column(registers, "which is"), strict=True))
    assert values["RCX"] == "0x2"
    assert roles["R8"] == "argument 4"
    assert values["RIP"] == facts(story, "lookup")["Its address"]
    assert values["R14"] == facts(story, "call")["Its g"]
    low, high = (
        int(text.rstrip(","), 16) for text in facts(story, "call")["Stack"].split() if "0x" in text
    )
    assert low < int(values["RSP"], 16) < high
    stack = table(story, "call", "The top of the stack")
    assert "emuplugin.call" in column(stack, "which is")[0]
    assert column(stack, "word")[1:4] == ["0x4", "0x5", "0x6"]


def test_what_the_call_asked_for(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Say", "naïve <text>")
    assert story.stdout == "good day\nnaïve <text>\n"
    assert story.results == (14, None)
    printed = [block for block in blocks(story, "deeds") if isinstance(block, Listing)]
    assert printed[0].lines == ("good day", "naïve <text>")
    calls = column(table(story, "deeds", "System calls"), "call")
    assert next(call for call in calls if call.startswith("write(1")).endswith(", 9)")
    results = table(story, "result", "Results")
    assert column(results, "value") == ["14", "nil"]
    assert column(results, "travelled in") == ["RAX", "RBX, RCX"]


def test_goroutines(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Spawn")
    assert story.results == (42,)
    what = column(table(story, "deeds", "Goroutines"), "what")
    assert any(text.startswith("go main.Spawn.func1: goroutine ") for text in what)
    assert "ends" in what


def test_an_error_is_a_result(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Divide", 1, 0)
    assert story.error is None
    assert story.results is not None
    shown = column(table(story, "result", "Results"), "value")
    assert shown == ["0", "error: <b>nothing</b> to divide by"]


def test_a_panic_is_told(told: Tell, go_version: str) -> None:
    story = told("explained", go_version, "Bad", "<script>")
    assert isinstance(story.error, GoPanic)
    assert story.results is None
    alarms = [str(b) for b in blocks(story, "result") if isinstance(b, Paragraph) and b.alarm]
    assert "panic: <script>" in alarms[0]
    report = [b for b in blocks(story, "result") if isinstance(b, Listing)]
    assert any("explained.Bad" in line for line in report[0].lines)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (("Leave", ("a", "b")), GoExit, "os.Exit(3)"),
        (("Wait",), GoDeadlock, "deadlock"),
    ],
)
def test_the_end_of_the_machine_is_told(
    told: Tell, go_version: str, call: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    story = told("explained", go_version, *call)
    assert type(story.error) is error
    assert words in story.story.chapters[-1].summary
    said = " ".join(map(str, blocks(story, "result")))
    assert "the machine is dead" in said
    shown = table(story, "lookup", "Exported names")
    assert "func([]string) int" in column(shown, "type")
    if call[0] == "Leave":
        assert story.stdout == "so long\n"
        held = column(table(story, "call", "Arguments"), "travels in")
        assert held == ["RAX, RBX, RCX"]
    assert story.html


def test_a_limit_that_is_reached(go_version: str) -> None:
    box = Sandbox(limits=Limits(instructions=1_000_000))
    story = explain(plugin_path("explained", go_version), "Forever", sandbox=box, steps=100)
    assert isinstance(story.error, InstructionLimitExceeded)
    assert "the first 100" in facts(story, "result")["Shown step by step"]


def test_output_can_go_elsewhere(go_version: str) -> None:
    output = io.BytesIO()
    path = plugin_path("explained", go_version)
    story = explain(path, "Say", "x", sandbox=Sandbox(stdout=output))
    assert output.getvalue() == b"good day\nx\n"
    assert story.stdout == ""
    printed = [block for block in blocks(story, "deeds") if isinstance(block, Listing)]
    assert printed[0].lines == ("good day", "x")


def test_an_init_that_fails_is_told(go_version: str) -> None:
    story = explain(plugin_path("initpanic", go_version), "Anything")
    assert isinstance(story.error, InitError)
    assert [chapter.name for chapter in story.story.chapters][-1] == "inits"
    alarms = [str(b) for b in blocks(story, "inits") if isinstance(b, Paragraph) and b.alarm]
    assert "init went wrong" in alarms[0]
    assert "initpanic" not in column(table(story, "inits", "Packages in order"), "package")


def test_a_variable(told: Tell, go_version: str, stripped: bool) -> None:
    story = told("explained", go_version, "Visits", stripped=stripped)
    assert [chapter.name for chapter in story.story.chapters][-2:] == ["lookup", "result"]
    found = facts(story, "result")
    assert found["Value"] == "0"
    assert found["Bytes"] == "00 " * 7 + "00"
    assert found["Lies in"] == "example.com/explained.Visits"


def test_only_opening(told: Tell, go_version: str) -> None:
    story = told("explained", go_version)
    names = [chapter.name for chapter in story.story.chapters]
    assert names == ["file", "relocations", "symbols", "boot", "inits", "lookup"]
    assert story.results is None
    assert story.error is None


def test_no_chapter_is_empty(told: Tell, go_version: str, stripped: bool) -> None:
    for call in ((None,), ("Sum", 5), ("Say", "x"), ("Bad", "x"), ("Visits",), ("Elsewhere",)):
        story = told("explained", go_version, *call, stripped=stripped)
        for chapter in story.story.chapters:
            assert chapter.blocks
            assert chapter.summary
            assert all(shown.rows for shown in chapter.tables())
            for block, following in zip(chapter.blocks, [*chapter.blocks[1:], None], strict=True):
                if isinstance(block, Heading):
                    assert following is not None
                    assert not isinstance(following, Heading)
                if isinstance(block, Listing):
                    assert block.lines


def test_what_cannot_be_told(go_version: str, tmp_path: Path) -> None:
    path = plugin_path("explained", go_version)
    with pytest.raises(SymbolNotFoundError, match="Nothing"):
        explain(path, "Nothing")
    with pytest.raises(ConversionError, match="takes 1 argument"):
        explain(path, "Sum")
    with pytest.raises(ConversionError, match="int"):
        explain(path, "Sum", "five")
    with pytest.raises(ConversionError, match="is a variable"):
        explain(path, "Visits", 1)
    with pytest.raises(ValueError, match="steps"):
        explain(path, "Sum", 1, steps=0)
    text = tmp_path / "text.so"
    text.write_text("no plugin " * 20)
    with pytest.raises(NotElfError):
        explain(text)


def test_two_runs_tell_the_same(go_version: str, told: Tell) -> None:
    """All but times of the host."""
    first = told("explained", go_version, "Mixed", 1, 2.5, "hi", (1,), (4, 5, 6), 0.5)
    path = plugin_path("explained", go_version)
    again = explain(path, "Mixed", 1, 2.5, "hi", [1], [4, 5, 6], 0.5, source=path.parent / "none")
    for chapter, other in zip(first.story.chapters, again.story.chapters, strict=True):
        for shown, repeated in zip(chapter.tables(), other.tables(), strict=True):
            kept = [c.name for c in shown.columns if c.name != "time"]
            assert [column(shown, n) for n in kept] == [column(repeated, n) for n in kept]
