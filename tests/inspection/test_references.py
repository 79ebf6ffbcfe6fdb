"""Calls and references that are found by searching bytes, compared with disassemblies."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from capstone import CS_ARCH_X86, CS_MODE_64, Cs

from emuplugin.inspection import Inspection
from emuplugin.inspection.calls import CALL, INLINED, INTERFACE, REFERENCE, TAIL_CALL
from emuplugin.inspection.functions import ASSEMBLY, C

from .conftest import Inspect, go_tool

RIP = re.compile(r"^(\w+), (?:qword ptr )?\[rip ([+-]) (0x[0-9a-f]+|\d+)\]$")


def decoded(inspection: Inspection) -> Iterator[tuple[int, int, str, str]]:
    """All instructions of Go's functions: (address, size, mnemonic, operands)."""
    engine = Cs(CS_ARCH_X86, CS_MODE_64)
    for function in inspection.functions:
        # Assembly has tables and tricks that a linear disassembly trips over.
        if function.language not in (C, ASSEMBLY):
            code = inspection._module.image.read(function.address, function.size)
            yield from engine.disasm_lite(code, function.address)


@pytest.mark.parametrize("name", ["hello", "inspected"])
def test_the_same_as_a_disassembly(inspection: Inspect, name: str, go_version: str) -> None:
    found = inspection(name, go_version)
    module, entries = found._module, {f.address: f for f in found.functions}
    functions = found.functions
    calls, uses = set(), set()
    for address, size, mnemonic, operands in decoded(found):
        if mnemonic in ("call", "jmp") and operands.startswith("0x"):
            target = int(operands, 16)
            if target in entries:
                calls.add((address, target, mnemonic == "jmp"))
        match = RIP.match(operands)
        if match and mnemonic in ("lea", "mov") and match[1] in REGISTERS:
            displacement = int(match[3], 0) * (1 if match[2] == "+" else -1)
            uses.add((address, address + size + displacement))
    searched = {
        (call.site, call.target, call.tail)
        for call in found._references.calls
        if functions[call.caller].language not in (C, ASSEMBLY) and call.target in entries
    }
    # The loop back to the start of a function is no call.
    own = {
        (site, target, tail)
        for site, target, tail in calls
        if tail and target <= site < entries[target].end
    }
    assert calls - own - searched == set()
    # A byte in the middle of another instruction that leads to an entry by chance.
    assert len(searched - calls) <= len(calls) / 10_000
    assert len(searched) > 10_000
    slots = found._references._slots
    wanted = {
        (
            site,
            module.image.read_u64(target)
            if target in slots and not _is_lea(found, site)
            else target,
        )
        for site, target in uses
    }
    got = {
        (use.site, use.address)
        for use in found._references.uses
        if functions[use.caller].language not in (C, ASSEMBLY)
    }
    assert wanted - got == set()
    # A byte pattern in the middle of another instruction, which leads to something by chance.
    assert len(got - wanted) < len(wanted) / 2000


REGISTERS = {
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
}  # fmt: skip


def _is_lea(inspection: Inspection, site: int) -> bool:
    return inspection._module.image.read_u8(site + 1) == 0x8D


def test_calls_are_those_of_objdump(inspection: Inspect, go_version: str) -> None:
    found = inspection("hello", go_version)
    for name in ("fmt.Fprintf", "fmt.(*pp).printArg", "os.(*File).Write", "time.Now"):
        pattern = f"^{re.escape(name)}$"
        text = go_tool(go_version, ("tool", "objdump", "-s", pattern, found.path))
        named = re.findall(r"\tCALL (\S+)\(SB\)", text)
        plain = {n.removeprefix("local.").removesuffix(".abi0") for n in named}
        got = {e.callee for e in found.calls.callees(name) if e.kind == CALL}
        assert {n for n in got if not n.startswith("type:")} == {
            n for n in plain if not n.startswith("type:")
        }, name
        assert got


def test_kinds_of_edges(sample: Inspection) -> None:
    graph = sample.calls
    own = "example.com/inspected"

    def edges(name: str) -> set[tuple[str, str]]:
        return {(e.callee.removeprefix(f"{own}."), e.kind) for e in graph.callees(f"{own}.{name}")}

    assert ("connect", CALL) in edges("Dial") | edges("Dial")
    assert ("os.ReadFile", CALL) in edges("ReadConfig")
    assert ("(*Counter).Add", INLINED) in edges("Total")
    assert ("example.com/inspected/shapes.Square.Area", INTERFACE) in {
        (_method(callee), kind) for callee, kind in edges("Areas")
    }
    assert {kind for callee, kind in edges("Areas") if callee.startswith("Areas.")} >= {REFERENCE}
    assert {e.kind for e in graph} <= {CALL, TAIL_CALL, INLINED, REFERENCE, INTERFACE}
    # Greet's caller would be the host.
    assert graph.callers(f"{own}.Greet") == ()
    assert {e.caller for e in graph.callers(f"{own}.connect")} == {f"{own}.Dial"}


def _method(name: str) -> str:
    """An interface holds a pointer to a Square: the method is wrapped."""
    return name.replace("(*Square)", "Square")


def test_paths(sample: Inspection) -> None:
    own = "example.com/inspected"
    path = sample.calls.path(f"{own}.Dial", "net.Dial", interfaces=False)
    assert path is not None
    assert [edge.callee for edge in path] == [f"{own}.connect", "net.Dial"]
    assert sample.calls.path(f"{own}.Greet", "net.Dial") is None
    assert sample.calls.path("net.Dial", "net.Dial") == ()


def test_c_calls(inspection: Inspect, go_version: str) -> None:
    found = inspection("cgo", go_version)
    callees = {
        e.callee for f in found.functions if f.language == C for e in found.calls.callees(f.name)
    }
    assert callees & set(found.c_imports)


def test_disassembly(sample: Inspection) -> None:
    function = sample.function("main.Greet")
    lines = sample.disassemble("main.Greet")
    assert b"".join(item.code for item in lines) == sample._module.image.read(
        function.address, function.size
    )
    assert lines[0].address == function.address
    comments = {item.comment for item in lines}
    assert '"nobody to greet in this fixture"' in comments
    assert '"a greeting from the fixture, "' in comments
    assert "runtime.concatstring2" in comments
    assert {item.line for item in lines if item.file.endswith("plugin.go")} >= {
        function.line,
        function.line + 1,
        function.line + 2,
    }
    assert any(
        item.comment == "&type:shapes.Square" or "itab" in item.comment
        for item in sample.disassemble("Areas")
    )
