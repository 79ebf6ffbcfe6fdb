"""Which fields of a struct encoding/json writes, and under which names
(``encoding/json/encode.go: typeFields``)."""

from __future__ import annotations

from typing import NamedTuple

from emuplugin.values.fields import Field
from emuplugin.values.gotype import GoType

_PUNCTUATION = frozenset("!#$%&()*+-./:;<=>?@[]^_{|}~ ")
_QUOTABLE = frozenset(
    {
        *("bool", "string", "float32", "float64", "uintptr"),
        *("int", "int8", "int16", "int32", "int64"),
        *("uint", "uint8", "uint16", "uint32", "uint64"),
    }
)


class JSONField(NamedTuple):
    """A field to write: its name in JSON and the fields to go through to reach it."""

    name: str
    path: tuple[Field, ...]
    tagged: bool
    omit_empty: bool
    omit_zero: bool
    quoted: bool


def tag_value(tag: str, key: str) -> str | None:
    """``reflect.StructTag.Lookup``."""
    rest = tag
    while rest := rest.lstrip(" "):
        name, colon, rest = rest.partition(":")
        if not colon or not name or not rest.startswith('"'):
            return None
        at = 1
        while at < len(rest) and rest[at] != '"':
            at += 2 if rest[at] == "\\" else 1
        if at >= len(rest):
            return None
        if name == key:
            return rest[1:at].replace('\\"', '"').replace("\\\\", "\\")
        rest = rest[at + 1 :]
    return None


def json_fields(go_type: GoType, omit_zero: bool) -> list[JSONField]:
    """The fields in the order in which they are written.

    ``omit_zero``: whether this Go version knows the option omitzero (1.24 and later).
    """
    found: list[tuple[tuple[int, ...], JSONField]] = []
    level: list[tuple[GoType, tuple[Field, ...], tuple[int, ...]]] = [(go_type, (), ())]
    visited: set[GoType] = set()
    while level:
        deeper: list[tuple[GoType, tuple[Field, ...], tuple[int, ...]]] = []
        counts: dict[GoType, int] = {}
        for struct, _, _ in level:
            counts[struct] = counts.get(struct, 0) + 1
        done: set[GoType] = set()
        for struct, path, order in level:
            if struct in visited or struct in done:
                continue
            done.add(struct)
            for index, field in enumerate(struct.fields):
                item = _field(field, path, omit_zero)
                if item is None:
                    continue
                position = (*order, index)
                target = field.type.elem if _is_unnamed_pointer(field.type) else field.type
                if item.tagged or not field.embedded or target.kind != "struct":
                    # Of a struct that is embedded twice here, all fields hide each other.
                    found += [(position, item)] * min(counts[struct], 2)
                else:
                    deeper.append((target, item.path, position))
        visited |= done
        level = deeper
    return _dominant(found)


def _field(field: Field, path: tuple[Field, ...], omit_zero: bool) -> JSONField | None:
    if field.embedded:
        target = field.type.elem if field.type.kind == "ptr" else field.type
        if not field.exported and target.kind != "struct":
            return None
    elif not field.exported:
        return None
    tag = tag_value(field.tag, "json")
    if tag == "-":
        return None
    name, *options = (tag or "").split(",")
    if not _is_valid(name):
        name = ""
    target = field.type.elem if _is_unnamed_pointer(field.type) else field.type
    return JSONField(
        name or field.name,
        (*path, field),
        bool(name),
        "omitempty" in options,
        omit_zero and "omitzero" in options,
        "string" in options and target.kind in _QUOTABLE,
    )


def _is_unnamed_pointer(go_type: GoType) -> bool:
    return go_type.kind == "ptr" and not go_type.named


def _is_valid(name: str) -> bool:
    return bool(name) and all(char in _PUNCTUATION or char.isalnum() for char in name)


def _dominant(found: list[tuple[tuple[int, ...], JSONField]]) -> list[JSONField]:
    """Of fields of one name: the least deep, among those the one with a tag, else none."""
    names: dict[str, list[tuple[tuple[int, ...], JSONField]]] = {}
    for item in found:
        names.setdefault(item[1].name, []).append(item)
    kept: list[tuple[tuple[int, ...], JSONField]] = []
    for same in names.values():
        same.sort(key=lambda item: (len(item[0]), not item[1].tagged))
        first = same[0]
        rank = (len(first[0]), first[1].tagged)
        if len(same) == 1 or (len(same[1][0]), same[1][1].tagged) != rank:
            kept.append(first)
    kept.sort(key=lambda item: item[0])
    return [field for _, field in kept]
