"""Variables: read, set, and the same from inside and outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emuplugin.errors import GoError
from emuplugin.plugin import Plugin
from tests.support.oracle import NativePlugin
from tests.values.same import plain
from tests.values.symbols import func_of, var_of
from tests.values.test_scalars import BY_TYPE, TEXT

NAMES = [
    "Int", "Int8", "Int16", "Int32", "Int64", "Uint", "Uint8", "Uint16", "Uint32", "Uint64",
    "Uintptr", "Byte", "Rune", "Float32", "Float64", "Complex64", "Complex128", "Bool", "String",
    "Empty", "Bytes", "EmptyBytes", "Temperature", "Severity", "Bits", "Who", "On", "Data", "Wave",
    "Far", "Counter",
]  # fmt: skip


@pytest.fixture
def restored(scalars: Plugin) -> Iterator[Plugin]:
    """The plugin, with its variables put back as they were."""
    before = {name: var_of(scalars, name).value for name in [*NAMES, "Err", "NilErr"]}
    yield scalars
    for name, value in before.items():
        var_of(scalars, name).value = value


@pytest.mark.parametrize("name", [*NAMES, "Err", "NilErr"])
def test_first_values_and_types_are_gos(
    scalars: Plugin, native_scalars: NativePlugin, name: str
) -> None:
    variable = var_of(scalars, name)
    if name != "Counter":  # functions that other tests call change it
        assert plain(variable.value) == plain(native_scalars.get(name))
    assert variable.type == native_scalars.type(name)
    assert variable.name == name


@pytest.mark.parametrize("name", NAMES)
def test_what_is_set_is_read(restored: Plugin, name: str) -> None:
    variable = var_of(restored, name)

    @given(BY_TYPE[variable.type])
    def check(value: object) -> None:
        variable.value = value
        assert plain(variable.value) == plain(value)
        assert plain(var_of(restored, name).value) == plain(value)

    check()


@given(text=TEXT, data=st.binary(max_size=50))
def test_go_sees_what_is_set(scalars: Plugin, text: str, data: bytes) -> None:
    string, contents = var_of(scalars, "String"), var_of(scalars, "Bytes")
    before = string.value, contents.value
    string.value, contents.value = text, data
    assert func_of(scalars, "ReadString")() == text
    assert func_of(scalars, "ReadBytes")() == data
    string.value, contents.value = before


def test_python_sees_what_go_changes(scalars: Plugin) -> None:
    counter = var_of(scalars, "Counter")
    counter.value = 41
    assert func_of(scalars, "Next")(1) == 42
    assert counter.value == 42


def test_the_address_stays(scalars: Plugin) -> None:
    assert var_of(scalars, "Int").address == var_of(scalars, "Int").address
    assert var_of(scalars, "Int").address != var_of(scalars, "Int8").address


def test_errors(restored: Plugin) -> None:
    error = var_of(restored, "Err")
    value = error.value
    assert isinstance(value, GoError)
    assert (value.message, value.type) == ("variable", "*errors.errorString")
    var_of(restored, "NilErr").value = value
    assert var_of(restored, "NilErr").value.message == "variable"
    error.value = GoError("from Python")
    assert error.value.message == "from Python"
    error.value = None
    assert error.value is None


def test_repr(scalars: Plugin) -> None:
    assert repr(scalars.lookup("Severity")) == "<Go var Severity main.Level = -3>"
    assert repr(scalars.lookup("Add")) == "<Go func Add(int, int) int>"
    assert repr(scalars.lookup("Table")) == "<Go var Table map[string]int = None>"
