"""The relocations: how many of which kind, and what some of them did to the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..blocks import Block, Cell, Chapter, Code, Column, Share, count, say, table
from ..words import RELOCATIONS

if TYPE_CHECKING:
    from ..run import Run
    from ..start import Relocation


def chapter(run: Run) -> Chapter:
    """Counts by kind, with examples of bytes before and after."""
    counts = run.relocations
    total = sum(counts.values())
    base = run.start.base
    blocks: list[Block] = [
        say(
            "The linker did not know where the file would lie. Wherever an address belongs it left "
            "zeros, or the address as it would be if the file lay at 0, and made an entry in the "
            f"relocation table: correct this, when you know. The plugin lies at `{base:#x}`.",
        ),
        table(
            "Relocations by kind",
            (
                Column("kind", head=True),
                Column("number", right=True),
                Column("value"),
                Column("what for"),
            ),
            [
                (Code(kind), Share(f"{number:,}", number / total), Code(value), words)
                for kind, number in sorted(counts.items(), key=lambda item: -item[1])
                for value, words in (RELOCATIONS.get(kind, ("", "")),)
            ],
        ),
        say(
            "B is the base, where the file lies; A the addend, a number in the entry; S the "
            "address of the symbol that the entry names; P the place that is written; TP the "
            "thread pointer.",
            note=True,
        ),
    ]
    if run.start.relocations:
        blocks += [
            table(
                "Some of them, before and after",
                (
                    Column("kind", extra=True),
                    Column("place", right=True),
                    Column("bytes in the file"),
                    Column("bytes in memory"),
                    Column("which is", head=True),
                    Column("computed from", extra=True),
                ),
                [_row(run, item) for item in run.start.relocations],
            ),
            say(
                "Bytes are in the order in which they lie in memory: x86-64 puts the lowest first. "
                "They were read right after relocating, before anything ran.",
                note=True,
            ),
        ]
    kinds = count(len(counts), "kind")
    return Chapter("relocations", "Relocations", f"{total:,} of {kinds}", tuple(blocks))


def _row(run: Run, item: Relocation) -> tuple[Cell, ...]:
    value = int.from_bytes(item.after, "little")
    name = run.places.name(value)
    if "TPOFF" in item.kind:
        what = f"{value - (1 << 64) if value >> 63 else value} from the thread pointer"
    else:
        what = name or (f"{value:#x}" if value else "0: nobody defines it")
    return (
        Code(item.kind.removeprefix("R_X86_64_")),
        Code(f"{item.place:#x}"),
        Code(item.before.hex(" ", 4) if item.before is not None else "(zeros, .bss)"),
        Code(item.after.hex(" ", 4)),
        Code(what),
        Code(_formula(run, item)),
    )


def _formula(run: Run, item: Relocation) -> str:
    start = f"S of {item.symbol}" if item.symbol else f"B {run.start.base:#x}"
    if not item.addend:
        return start
    sign = "-" if item.addend < 0 else "+"
    return f"{start} {sign} A {abs(item.addend):#x}"
