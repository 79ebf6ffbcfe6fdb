"""Types, compared with DWARF and with the sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elftools.elf.elffile import ELFFile

from emuplugin.inspection import Inspection, Type

from .conftest import Inspect


def dwarf_structs(path: str) -> Iterator[tuple[str, int, list[tuple[str, int]]]]:
    """Structs: (name, size, [(field, offset)]); the ones that Go code declares."""
    with open(path, "rb") as stream:
        dwarf = ELFFile(stream).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            for die in unit.iter_DIEs():
                if die.tag == "DW_TAG_structure_type" and "DW_AT_byte_size" in die.attributes:
                    yield _name(die), die.attributes["DW_AT_byte_size"].value, _members(die)


def _members(die: Any) -> list[tuple[str, int]]:
    return [
        (_name(child), child.attributes["DW_AT_data_member_location"].value)
        for child in die.iter_children()
        if child.tag == "DW_TAG_member"
    ]


def _name(die: Any) -> str:
    return die.attributes["DW_AT_name"].value.decode() if "DW_AT_name" in die.attributes else ""


def test_structs_are_those_of_dwarf(inspection: Inspect, go_version: str) -> None:
    """Every struct type is in DWARF with the same size, fields and offsets."""
    found = inspection("hello", go_version)
    truth: dict[str, list[tuple[int, list[tuple[str, int]]]]] = {}
    for name, size, fields in dwarf_structs(found.path):
        truth.setdefault(name, []).append((size, fields))
    compared = unknown = 0
    for type_ in found.types:
        if type_.kind != "struct" or type_.package in ("", "go.shape") or type_.generic:
            continue
        full = f"{type_.package}.{type_.name.rpartition('.')[2]}"
        ours = (type_.size, [(field.name, field.offset) for field in type_.fields])
        if full not in truth:
            unknown += 1  # the linker leaves types out of DWARF that no variable has
            continue
        assert ours in truth[full], full
        compared += 1
    assert compared > 150
    assert unknown < compared / 20


def by_name(inspection: Inspection) -> dict[str, Type]:
    return {type_.name: type_ for type_ in inspection.types}


def test_fields_and_tags(sample: Inspection) -> None:
    config = by_name(sample)["main.Config"]
    assert config.package == "example.com/inspected"
    assert (config.kind, config.size, config.comparable) == ("struct", 120, False)
    assert [(f.name, f.type, f.offset, f.tag) for f in config.fields] == [
        ("Base", "main.Base", 0, ""),
        ("Name", "string", 8, 'json:"name" yaml:"n"'),
        ("Ports", "[]uint16", 24, 'json:"ports,omitempty"'),
        ("Limits", "map[string]int64", 48, 'json:"-"'),
        ("Hook", "func(int) error", 56, ""),
        ("done", "chan<- struct {}", 64, ""),
        ("matrix", "[2][3]float32", 72, ""),
        ("next", "*main.Config", 96, ""),
        ("anyway", "interface {}", 104, ""),
    ]
    assert config.fields[0].embedded
    assert not config.fields[5].exported
    assert str(config).startswith('type main.Config struct { main.Base; Name string `json:"name"')


def test_methods(sample: Inspection) -> None:
    types = by_name(sample)
    assert [(m.name, m.signature, m.pointer) for m in types["shapes.Square"].methods] == [
        ("Area", "func() float64", False),
        ("scale", "func(float64) shapes.Shape", False),
    ]
    assert [(m.name, m.pointer) for m in types["shapes.Circle"].methods] == [
        ("Area", True),
        ("scale", True),
    ]
    area = types["shapes.Square"].methods[0]
    assert area.function == "example.com/inspected/shapes.Square.Area"
    assert sample.function(area.function).address == area.address
    assert types["main.Celsius"].definition == "float64"


def test_generics(inspection: Inspect, go_version: str) -> None:
    types = by_name(inspection("runtime", go_version)).values()
    instance = next(t for t in types if t.generic == "atomic.Pointer")
    assert len(instance.arguments) == 1


def test_interfaces(sample: Inspection) -> None:
    shape = next(i for i in sample.interfaces if i.name == "shapes.Shape")
    # Line has an Area, but no scale.
    assert shape.implementers == ("*shapes.Circle", "shapes.Square")
    assert shape.methods == ("Area", "scale")
    assert shape.package == "example.com/inspected/shapes"
    stringer = next(i for i in sample.interfaces if i.name == "fmt.Stringer")
    assert "main.Celsius" in stringer.implementers
    assert "time.Duration" in stringer.implementers


def test_every_itab_pairs_an_interface_with_an_implementer(sample: Inspection) -> None:
    implementers = {i.name: set(i.implementers) for i in sample.interfaces}
    assert len(sample.itabs) > 20
    for itab in sample.itabs:
        found = implementers[itab.interface]
        assert itab.type in found or itab.type.removeprefix("*") in found, itab
        assert all(function for _, function in itab.methods), itab
    pairs = {(itab.interface, itab.type) for itab in sample.itabs}
    assert ("shapes.Shape", "*shapes.Circle") in pairs
    assert ("shapes.Shape", "shapes.Square") in pairs


def test_all_itabs_and_types_of_the_symbols(inspection: Inspect, go_version: str) -> None:
    """What the linker names in the symbol table is found without it."""
    found = inspection("router", go_version)
    symbols = [s for s in found._file.symbols if s.defined]
    itabs = {s.value for s in symbols if s.name.startswith("go:itab.")}
    assert itabs == {itab.address for itab in found.itabs}
    descriptors = {
        s.value
        for s in symbols
        if s.name.startswith("type:") and not s.name.startswith("type:.") and s.name != "type:*"
    }
    known = set(found._descriptors.by_address)
    assert known <= descriptors
    # The rest are parts of maps and the like, which Go code cannot name.
    for address in descriptors - known:
        kind = found._descriptors.read(address).kind
        assert kind in ("array", "struct"), hex(address)
    assert len(descriptors - known) < len(descriptors) / 5
    assert len(known) > 1500


def test_stripped_types_are_the_same(inspection: Inspect, go_version: str) -> None:
    kept, stripped = inspection("yaml", go_version), inspection("yaml", go_version, stripped=True)
    assert [(t.name, t.definition, t.size) for t in kept.types] == [
        (t.name, t.definition, t.size) for t in stripped.types
    ]
