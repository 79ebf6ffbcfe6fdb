"""The symbols: which the plugin brings, which it needs, and who answers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.elf.constants import STT_TLS
from emuplugin.runtime_shims.libc.functions import FUNCTIONS

from ..blocks import Block, Chapter, Code, Column, count, say, table

if TYPE_CHECKING:
    from ..run import Run


def chapter(run: Run) -> Chapter:
    """Symbols bound, and to whom."""
    file = run.file
    relocated = file.relocations.symbols
    names = file.symbols
    undefined = {symbol.number: symbol for symbol in names.undefined}
    special = {index for index in undefined if undefined[index].type == STT_TLS}
    own = [index for index in relocated if index and index not in undefined]
    needed = [index for index in relocated if index in undefined]
    imports = run.places.imports
    answered = [name for name in imports if name in FUNCTIONS]
    runtime_symbols = {
        index for index in set(own) if names[index].name.startswith(("runtime.", "type:", "go:"))
    }
    blocks: list[Block] = [
        say(
            "Relocations name symbols, and binding finds out whose they are. Natively every plugin "
            "binds to the program that opens it: `runtime.mallocgc`, the type `int`, all of the "
            "standard library that the program has as well are the program's, so that there is "
            "one heap and one scheduler. This plugin was the first in its machine, so it is bound "
            "to itself: the runtime that it carries is the one that runs."
        ),
        table(
            "Bound to",
            (
                Column("whom", head=True),
                Column("symbols", right=True),
                Column("relocations", right=True),
                Column("such as"),
            ),
            [
                (whom, f"{len(set(indices)):,}", f"{len(indices):,}", Code(_some(run, indices)))
                for whom, indices in (
                    ("the plugin itself", [i for i in own if i not in runtime_symbols]),
                    (
                        "the plugin's own Go runtime and types",
                        [i for i in own if i in runtime_symbols],
                    ),
                    ("emuplugin, for the C library", [i for i in needed if i not in special]),
                    ("the thread's own memory", [i for i in needed if i in special]),
                )
                if indices
            ],
        ),
    ]
    if imports:
        blocks += [
            say(
                "Go links `runtime/cgo` into every plugin, which names functions of the C library. "
                "Each got an address at which the guest stops for the host. Only C code ever calls "
                f"them; {len(answered)} of the {len(imports)} could be answered, a call of another "
                "would end the machine and name it."
                if answered
                else "Each got an address at which the guest stops for the host."
            ),
            table(
                "Symbols that the file does not define",
                (
                    Column("symbol", head=True),
                    Column("bound to", right=True),
                    Column("when it is used"),
                ),
                [
                    (
                        Code(name),
                        Code(f"{address:#x}"),
                        _use(run, name, address),
                    )
                    for name, address in sorted(imports.items())
                ],
                fold=True,
            ),
        ]
    else:
        blocks.append(say("It needs no symbol that it does not define."))
    summary = f"{count(len(set(own)), 'symbol')} bound to the plugin itself, "
    summary += f"{len(imports):,} to stand-ins for C functions" if imports else "no others"
    return Chapter("symbols", "Symbols", summary, tuple(blocks))


def _use(run: Run, name: str, address: int) -> str:
    """What becomes of a program that uses the symbol."""
    area = run.program.process.space.find(address)
    if area is not None and area.name == "[libc data]":
        return "a variable, which is there"
    return "emuplugin carries it out" if name in FUNCTIONS else "the machine ends"


def _some(run: Run, indices: list[int]) -> str:
    """Three of the names."""
    distinct = list(dict.fromkeys(indices))
    step = max(len(distinct) // 3, 1)
    return ", ".join(run.file.symbols[index].name for index in distinct[::step][:3])
