"""The shipped tables: they load, they hold together, and they say what is known of the runtime."""

from __future__ import annotations

import pytest

from emuplugin.errors import LayoutError
from emuplugin.runtime_shims.layouts import Field, Layout, known_versions
from emuplugin.runtime_shims.layouts.tables import load_table

RELEASES = [release for minor in known_versions() for release in load_table(minor).layouts]


@pytest.fixture(params=RELEASES)
def layout(request: pytest.FixtureRequest) -> Layout:
    release: str = request.param
    found = Layout.for_version(release)
    assert found.version == release
    return found


def test_fields_that_compiled_code_and_assembly_rely_on(layout: Layout) -> None:
    # runtime/runtime2.go: "stackguard0 ... offset known to compiler, liblink"; g.m: 48 since 1.4.
    assert layout.offset("runtime.g", "stack.lo") == 0
    assert layout.offset("runtime.g", "stack.hi") == 8
    assert layout.field("runtime.g", "stackguard0") == Field(16, 8, "uintptr")
    assert layout.offset("runtime.g", "stackguard1") == 24
    assert layout.offset("runtime.g", "m") == 48
    assert layout.field("runtime.m", "g0") == Field(0, 8, "*runtime.g")
    assert layout.size("internal/abi.Type") == 48
    assert layout.offset("internal/abi.Type", "Str") == 40
    assert layout.size("runtime.gobuf") == layout.offset("runtime.gobuf", "bp") + 8


@pytest.mark.parametrize(
    ("version", "size"), [("go1.23.1", 88), ("go1.24.3", 112), ("go1.26.0", 112), ("go1.27.0", 136)]
)
def test_map_types_grow_with_versions(version: str, size: int) -> None:
    layout = Layout.for_version(version)
    names = ("internal/abi.MapType", "internal/abi.SwissMapType")
    assert [layout.size(name) for name in names if layout.has(name)] == [size]


def test_a_path_goes_through_arrays_and_structs_without_a_name(layout: Layout) -> None:
    assert layout.length("runtime.mheap", "central") == 136  # numSpanClasses = 68 << 1
    first, fourth = (
        layout.offset("runtime.mheap", f"central[{i}].mcentral.spanclass") for i in (0, 3)
    )
    element = layout.field("runtime.mheap", "central[0]")
    assert fourth - first == 3 * element.size
    assert element.type == "runtime.mheap.central[]"
    assert element.size % 64 == 0  # padded to cache lines
    inside = layout.offset("runtime.mcentral", "spanclass")
    assert first == element.offset + inside


def test_a_named_type_can_be_an_array(layout: Layout) -> None:
    assert layout.length("runtime.semTable", "") == 251  # runtime/sema.go: semTabSize
    assert layout.size("runtime.semTable") == 251 * layout.field("runtime.semTable", "[0]").size
    assert layout.field("runtime.semTable", "[1].root.lock").offset == 64


def test_headers_of_slices_strings_and_interfaces_have_fields(layout: Layout) -> None:
    name = layout.field("runtime.moduledata", "modulename")
    assert name.type == "string"
    assert layout.offset("runtime.moduledata", "modulename.len") == name.offset + 8
    tasks = layout.field("runtime.moduledata", "inittasks")
    assert layout.field("runtime.moduledata", "inittasks.cap") == (tasks.offset + 16, 8, "int")
    assert layout.offset("runtime._panic", "arg.data") == layout.offset("runtime._panic", "arg") + 8


def test_variables_have_types(layout: Layout) -> None:
    assert layout.variable("runtime.mheap_") == "runtime.mheap"
    assert layout.variable("runtime.sched") == "runtime.schedt"
    assert layout.variable("runtime.work") == "runtime.workType"
    assert layout.variable("runtime.m0") == "runtime.m"
    assert layout.variable("runtime.allgs") == "[]*runtime.g"
    assert "gctrace" in layout.fields(layout.variable("runtime.debug"))
    assert layout.field(layout.variable("internal/cpu.X86"), "HasAVX").type == "bool"


def test_constants_have_values(layout: Layout) -> None:
    assert [layout.constant(f"runtime._G{name}") for name in ("idle", "running", "dead")] == [
        0,
        2,
        6,
    ]


def test_every_struct_holds_together(layout: Layout) -> None:
    """Each type is known, fields lie in order, inside their struct, and do not overlap."""
    for name in layout.parts()["structs"]:
        end = 0
        for field_name, field in layout.fields(name).items():
            if field_name != "_":  # there may be several of that name
                assert field.offset >= end, (name, field_name)
                end = field.offset + field.size
        assert end <= layout.size(name), name
    for name in layout.parts()["variables"]:
        assert layout.size(layout.variable(name)) >= 0


def test_what_is_not_there_is_named(layout: Layout) -> None:
    assert not layout.has("runtime.g", "nonsense")
    assert not layout.has("runtime.nonsense")
    with pytest.raises(LayoutError, match=r"runtime\.g has no field nonsense .*it has stack,"):
        layout.offset("runtime.g", "nonsense")
    with pytest.raises(LayoutError, match=r"no struct runtime\.nonsense"):
        layout.fields("runtime.nonsense")
    with pytest.raises(LayoutError, match=r"no variable runtime\.nonsense"):
        layout.variable("runtime.nonsense")
    with pytest.raises(LayoutError, match=r"no constant runtime\.nonsense"):
        layout.constant("runtime.nonsense")
    with pytest.raises(LayoutError, match=r"out of range in runtime\.mheap\.central\[136\]"):
        layout.offset("runtime.mheap", "central[136]")
    with pytest.raises(LayoutError, match="not an array"):
        layout.length("runtime.g", "m")
    with pytest.raises(LayoutError, match="not a path"):
        layout.offset("runtime.g", "sched..sp")
