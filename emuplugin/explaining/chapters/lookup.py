"""The lookup: how a name becomes an address and a type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.values import Function
from emuplugin.values.gotype import GoType

from ..blocks import Block, Chapter, Code, Column, Facts, Heading, count, say, table
from ..run import PTAB_ENTRY

if TYPE_CHECKING:
    from ..run import Run

_MOST = 200


def chapter(run: Run) -> Chapter:
    """The table of exported names, and the entry of the one that was asked for."""
    entries = run.exports
    blocks: list[Block] = [
        say(
            "`plugin.Lookup` knows names and types because the linker wrote a table of what the "
            "main package exports: `moduledata.ptab`. Each of its entries is two offsets from the "
            "start of the module's type information: of the name, and of the type's descriptor. "
            "When the plugin is opened, Go makes a map from it: for each name it asks `dlsym` for "
            "the symbol's address and pairs that with the type, which makes a `plugin.Symbol` "
            "(an `any`). `Lookup` then only looks into that map."
        )
    ]
    if entries:
        blocks.append(
            table(
                "Exported names",
                (
                    Column("name", head=True),
                    Column("type"),
                    Column("address", right=True),
                    Column("type descriptor", right=True, extra=True),
                ),
                [
                    (
                        Code(entry.name),
                        Code(entry.type.string if entry.is_function else entry.type.elem.string),
                        Code(f"{entry.address:#x}"),
                        Code(f"{entry.type.address:#x}"),
                    )
                    for entry in entries
                ],
                most=_MOST,
                fold=len(entries) > 12,
            )
        )
    else:
        blocks.append(say("This plugin exports nothing."))
    if run.symbol is None:
        if entries:
            blocks.append(say("With one of these names, the story goes on with it.", note=True))
        return Chapter("lookup", "What it exports", count(len(entries), "name"), tuple(blocks))
    blocks += _entry(run)
    return Chapter(
        "lookup",
        "The lookup",
        f"{run.name} lies at {run.symbol.address:#x}",
        tuple(blocks),
    )


def _entry(run: Run) -> list[Block]:
    """The path from the name to symbol and type, byte by byte."""
    assert run.symbol is not None
    index = next(i for i, entry in enumerate(run.exports) if entry.name == run.name)
    entry = run.exports[index]
    module, memory = run.module, run.memory
    types, at = module.get("types"), module.get("ptab.array") + PTAB_ENTRY * index
    name_offset, type_offset = memory.read_i32(at), memory.read_i32(at + 4)
    is_function = isinstance(run.symbol, Function)
    go_type = entry.type
    encoded = run.name.encode("utf-8", "surrogateescape")
    blocks: list[Block] = [
        Heading("From the name to the symbol: ", run.name),
        Facts(
            (
                ("Entry", f"number {index} of {len(run.exports)}, at {at:#x}"),
                ("Its bytes", Code(memory.read(at, PTAB_ENTRY).hex(" "))),
                (
                    "The name",
                    Code(
                        f"{types:#x} + {name_offset:#x} = {types + name_offset:#x}: "
                        f"{memory.read(types + name_offset, 2 + len(encoded[:40])).hex(' ')}"
                    ),
                ),
                (
                    "The type",
                    Code(
                        f"{types:#x} + {type_offset:#x} = {types + type_offset:#x}: "
                        f"{go_type.string}"
                    ),
                ),
                ("Symbol", Code(f"{run.plugin_path}.{run.name}")),
                ("Its address", Code(f"{run.symbol.address:#x}")),
            )
        ),
    ]
    if types + type_offset != go_type.address:
        blocks.append(say("An equal type of an earlier plugin stands for it.", note=True))
    blocks.append(_descriptor(run, go_type))
    if is_function:
        blocks.append(
            say(
                "For a function the symbol is its code. Natively `Lookup` hands out a func value: "
                "a pointer to a word that holds that address. Here a call enters the code at once.",
            )
        )
    else:
        blocks.append(
            say(
                "For a variable the symbol is its memory, and the type that of a pointer to it: "
                "`Lookup` hands out the pointer."
            )
        )
    return blocks


def _descriptor(run: Run, go_type: GoType) -> Block:
    """The fields of ``abi.Type``, as they lie in memory."""
    layout = run.program.runtime.layout
    rows = []
    for path in layout.fields("internal/abi.Type"):
        field = layout.field("internal/abi.Type", path)
        if not 0 < field.size <= 8:
            continue
        data = run.memory.read(go_type.address + field.offset, field.size)
        value = int.from_bytes(data, "little")
        rows.append(
            (
                Code(path),
                f"{field.offset}",
                Code(data.hex(" ")),
                _meaning(run, go_type, path, value),
            )
        )
    return table(
        "The type descriptor (internal/abi.Type)",
        (Column("field", head=True), Column("at", right=True), Column("bytes"), Column("means")),
        rows,
    )


def _meaning(run: Run, go_type: GoType, path: str, value: int) -> Code:
    known = {
        "Size_": count(go_type.size, "byte"),
        "PtrBytes": f"the first {go_type.ptr_bytes} bytes can hold pointers",
        "Hash": "for the hash tables of the runtime",
        "Align_": f"aligned to {go_type.align}",
        "FieldAlign_": f"aligned to {go_type.field_align} as a field",
        "Kind_": go_type.kind,
        "Str": go_type.string,
    }
    if path in known:
        return Code(known[path])
    if value > 0xFFFF and (name := run.places.name(value)):
        return Code(name)
    return Code(str(value))
