"""Type metadata against what Go's package reflect says of the same types."""

from __future__ import annotations

import json
from typing import Any

from emuplugin.plugin import Plugin
from emuplugin.values import GoType
from tests.conftest import Native

Description = dict[str, Any]


def check(go_type: GoType, expected: Description, path: str) -> int:
    """Compare a type and all that it consists of; the number of types compared.

    A type that stands in itself is described in full once, and by its name further in.
    """
    assert go_type.string == expected["String"], path
    if "Kind" not in expected:
        return 0
    where = f"{path}: {go_type.string}"
    found = {
        "Name": go_type.name,
        "PkgPath": go_type.pkg_path,
        "Kind": go_type.kind,
        "Size": go_type.size,
        "Align": go_type.align,
        "FieldAlign": go_type.field_align,
        "Comparable": go_type.comparable,
        "Len": go_type.length if go_type.kind == "array" else 0,
        "Dir": go_type.chan_dir if go_type.kind == "chan" else "",
        "Variadic": go_type.variadic if go_type.kind == "func" else False,
    }
    for name, value in found.items():
        assert value == expected.get(name, type(value)()), (where, name)
    methods = [
        {"Name": method.name, "Type": method.type.string if method.type else None}
        for method in go_type.methods
        if method.exported or go_type.kind == "interface"
    ]
    assert methods == (expected.get("Methods") or []), where
    return 1 + sum(check(*part) for part in parts(go_type, expected, path))


def parts(
    go_type: GoType, expected: Description, path: str
) -> list[tuple[GoType, Description, str]]:
    """What a type consists of, next to what reflect says of it."""
    if go_type.kind == "struct":
        fields = expected.get("Fields") or []
        found = [
            {
                "Name": field.name,
                "Offset": field.offset,
                "Tag": field.tag,
                "Embedded": field.embedded,
                "Exported": field.exported,
                "PkgPath": field.pkg_path,
            }
            for field in go_type.fields
        ]
        assert found == [{k: v for k, v in f.items() if k != "Type"} for f in fields], path
        return [
            (field.type, its["Type"], f"{path}.{field.name}")
            for field, its in zip(go_type.fields, fields, strict=True)
        ]
    if go_type.kind == "func":
        types = (*go_type.params, *go_type.results)
        both = [*(expected.get("In") or []), *(expected.get("Out") or [])]
        assert len(go_type.params) == len(expected.get("In") or []), path
        return [
            (one, its, f"{path} ({index})")
            for index, (one, its) in enumerate(zip(types, both, strict=True))
        ]
    found_parts = []
    if "Key" in expected:
        found_parts.append((go_type.key, expected["Key"], f"{path} key"))
    if "Elem" in expected:
        found_parts.append((go_type.elem, expected["Elem"], f"{path} element"))
    return found_parts


def test_types_are_what_reflect_says(kinds: Plugin, native: Native, go_version: str) -> None:
    described = json.loads(native("kinds", go_version, stripped=True).call("Describe").value)
    compared = sum(
        check(kinds.lookup(name).go_type, expected, name) for name, expected in described.items()
    )
    assert len(described) == 36
    assert compared > 200


def test_one_object_per_type(kinds: Plugin) -> None:
    point = kinds.lookup("Origin").go_type
    assert kinds.lookup("Many").go_type.elem is point
    assert kinds.lookup("Loop").go_type.elem is kinds.lookup("Loop").go_type


def test_interfaces_tell_which_types_they_hold_directly(kinds: Plugin) -> None:
    direct = {name for name in kinds.exports if kinds.lookup(name).go_type.is_direct_iface}
    functions = {"Describe", "Signature"}
    assert direct - functions == {
        "Handle", "Names", "Loop", "Out", "Raw", "Nested", "Wide", "ByAny", "Both", "Receive",
        "Indirect", "Callback",
    }  # fmt: skip


def test_signatures_are_written_out_for_named_func_types(kinds: Plugin) -> None:
    handler = kinds.lookup("Handle").go_type
    assert handler.string == "main.Handler"
    assert handler.signature == "func(int, ...string) error"
    assert kinds.lookup("Callback").type == "func(int, ...main.Point) (int, error)"
    assert kinds.lookup("Describe").type == "func() string"
