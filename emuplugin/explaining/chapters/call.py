"""The call: arguments, registers, stack and goroutine when the function was entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.cpu.calling import FLOAT_REGISTERS, INTEGER_REGISTERS, Place
from emuplugin.values.gotype import GoType

from ..blocks import (
    Block,
    Cell,
    Chapter,
    Code,
    Column,
    Facts,
    Heading,
    Listing,
    flags,
    say,
    size,
    table,
)
from ..words import ABI_INTERNAL

if TYPE_CHECKING:
    from ..entry import Entry
    from ..run import Run

_PREVIEW = 48
_WORD = 8


def chapter(run: Run) -> Chapter | None:
    """How the call began; None where there was none, or where the function was never entered."""
    entry = run.entry
    if entry is None or run.function is None:
        return None
    go_type = run.function.go_type
    floats = {name for place in run.call_layout.params for name in _registers(place)}
    blocks: list[Block] = [
        say("The call is ", Code(run.call_text), f". {ABI_INTERNAL}"),
    ]
    if go_type.params:
        blocks.append(_arguments(run, entry, go_type))
    else:
        blocks.append(say("It takes no arguments."))
    blocks += [
        table(
            "Registers when its first instruction was about to run",
            (Column("register", head=True), Column("value", right=True), Column("which is")),
            [
                (Code(name), Code(f"{value:#x}"), Code(_role(run, entry, name, value)))
                for name, value in entry.registers
                if not name.startswith("X") or name in floats
            ],
        ),
        *_goroutine(run, entry),
        *_stack(run, entry),
        *_trampoline(run),
    ]
    return Chapter(
        "call",
        "The call",
        f"goroutine {entry.goroutine}, entered at {entry.pc:#x}",
        tuple(blocks),
    )


def _arguments(run: Run, entry: Entry, go_type: GoType) -> Block:
    values = dict(entry.registers)
    rows: list[tuple[Cell, ...]] = []
    places = run.call_layout.params
    for number, (param, place) in enumerate(zip(go_type.params, places, strict=True), 1):
        shown = run.argument_texts[number - 1] if number <= len(run.argument_texts) else ""
        rows.append(
            (
                str(number),
                Code(param.string),
                Code(shown),
                Code(_travels(place)),
                Code(_content(run, entry, param, place, values)),
            )
        )
    return table(
        "Arguments",
        (
            Column("#", right=True),
            Column("Go type"),
            Column("value", head=True),
            Column("travels in"),
            Column("as"),
        ),
        rows,
    )


def _registers(place: Place) -> list[str]:
    return [
        (FLOAT_REGISTERS if is_float else INTEGER_REGISTERS)[register]
        for register, _, _, is_float in place.steps
    ]


def _travels(place: Place) -> str:
    if place.stack_offset is not None:
        if not place.size:
            return "nowhere: it has no size"
        return f"stack, {place.stack_offset + _WORD:#x} above RSP"
    return ", ".join(_registers(place))


def _content(run: Run, entry: Entry, param: GoType, place: Place, values: dict[str, int]) -> str:
    """The words that the argument is, and what lies behind a pointer."""
    if place.stack_offset is not None:
        if not place.size:
            return ""
        start = _WORD + place.stack_offset
        data = entry.stack[start : start + min(place.size, _PREVIEW)]
        return data.hex(" ") + (" ..." if place.size > _PREVIEW else "")
    words = [values.get(name, 0) for name in _registers(place)]
    text = ", ".join(f"{word:#x}" for word in words)
    if param.kind in ("string", "slice") and words[0] and words[1]:
        item = 1 if param.kind == "string" else param.elem.size
        data = run.peek(words[0], min(words[1] * item, _PREVIEW))
        if data:
            text += f" -> {data.hex(' ')}" + (" ..." if words[1] * item > _PREVIEW else "")
    return text


def _role(run: Run, entry: Entry, name: str, value: int) -> str:
    roles = {
        "RSP": "stack pointer: the return address lies there",
        "RIP": f"the first instruction of {run.places.name(value)}",
        "R14": f"g: goroutine {entry.goroutine}",
        "RDX": "closure: none, for a declared function" if not value else "closure",
        "RFLAGS": flags(value),
        "RBP": "frame pointer: none yet" if not value else "frame pointer",
    }
    if name in roles:
        return roles[name]
    for number, place in enumerate(run.call_layout.params, 1):
        if place.stack_offset is None and name in _registers(place):
            return f"argument {number}"
    if name == "X15":
        return "zero, by convention"
    return run.places.name(value) if value > 0xFFFF else ""


def _goroutine(run: Run, entry: Entry) -> list[Block]:
    return [
        Heading("The goroutine"),
        Facts(
            (
                ("Number", str(entry.goroutine)),
                ("Its g", Code(f"{entry.g:#x}")),
                (
                    "Stack",
                    Code(
                        f"{entry.stack_low:#x} to {entry.stack_high:#x}, "
                        f"{size(entry.stack_high - entry.stack_low)}"
                    ),
                ),
                ("In use", f"{entry.stack_high - entry.rsp:,} bytes"),
                (
                    "stackguard0",
                    Code(f"{entry.stackguard:#x}"),
                ),
                ("Thread", str(entry.thread)),
            )
        ),
        say(
            "Most functions begin by comparing RSP with `stackguard0`. If it is lower, they call "
            "`runtime.morestack`, which moves the goroutine to a stack twice as large.",
            note=True,
        ),
    ]


def _stack(run: Run, entry: Entry) -> list[Block]:
    rows: list[tuple[Cell, ...]] = []
    shown = min(len(entry.stack), 8 * _WORD)
    for offset in range(0, shown, _WORD):
        value = int.from_bytes(entry.stack[offset : offset + _WORD], "little")
        meaning = f"return address: {run.places.name(value)}" if not offset else ""
        if not meaning and value > 0xFFFF:
            meaning = run.places.name(value)
        rows.append(
            (
                Code(f"{entry.rsp + offset:#x}"),
                Code(f"+{offset:#x}"),
                Code(f"{value:#x}"),
                Code(meaning),
            )
        )
    return [
        table(
            "The top of the stack",
            (
                Column("address", right=True, extra=True),
                Column("RSP", head=True),
                Column("word", right=True),
                Column("which is"),
            ),
            rows,
        )
    ]


def _trampoline(run: Run) -> list[Block]:
    name, lines = run.trampoline
    return [
        Heading("Where it returns to"),
        say(
            "Go's runtime walks stacks from frame to frame, and a return address that it does not "
            "know would be fatal. So the frame that the call was made from is that of a real Go "
            "function, of a small module of emuplugin's own with a function table and stack maps. "
            "The function returns to a `hlt`, at which the guest stops for the host, and the "
            "results are in the registers."
        ),
        Listing(name, lines),
    ]
