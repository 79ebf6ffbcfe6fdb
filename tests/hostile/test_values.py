"""Values that cannot be: what Python makes of headers, cycles and errors that a plugin forges."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from emuplugin import (
    CorruptDataError,
    EmupluginError,
    GoError,
    UnsupportedTypeError,
    to_json,
    to_python,
)
from tests.hostile.conftest import Attack, Hostile, limits

NOWHERE = (1, 8, 0x12_3456_7000, 1 << 47, 1 << 62, (1 << 64) - 16)
HUGE = (1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

WAYS: tuple[Callable[[Any], object], ...] = (
    repr,
    str,
    dir,
    to_python,
    to_json,
    len,
    lambda value: list(value)[:3],
    lambda value: value[0],
    lambda value: value[len(value) - 1],
    lambda value: value == value,
    lambda value: value.value,
    lambda value: value._repr_html_(),
    lambda value: value(3),
    lambda value: [getattr(value, name) for name in ("Next", "Any", "All", "Map")],
)


def look(attack: Attack, name: str, *arguments: object) -> None:
    """Look at what a function returns in every way. All that is allowed to happen are errors of
    emuplugin's, and those that Python has for values that cannot do something."""
    try:
        value = attack.call(name, *arguments)
    except EmupluginError:
        attack.again()
        return
    for way in WAYS:
        with contextlib.suppress(EmupluginError, AttributeError, TypeError):
            try:
                way(value)
            except LookupError:
                assert not isinstance(value, str | bytes) or not value
        if attack.machine.state != "running":
            break
    attack.again()


def test_strings(hostile: Hostile) -> None:
    attack = hostile()
    for data in NOWHERE:
        for length in (1, 16, *HUGE):
            assert isinstance(attack.fails("MakeString", data, length), CorruptDataError)
    assert attack.call("MakeString", 1 << 62, 0) == ""
    good = attack.copy(b"text")
    assert attack.call("MakeString", good, 4) == "text"
    for length in HUGE:
        assert isinstance(attack.fails("MakeString", good, length), CorruptDataError)
    attack.again()


@pytest.mark.parametrize(
    "name", ["MakeSlice", "MakeBytes", "MakeNodes", "MakeStrings", "MakeEmpties"]
)
def test_slices(hostile: Hostile, name: str) -> None:
    attack = hostile(limits=limits(seconds=5.0))
    good = attack.copy(bytes(range(256)) * 16)
    for length in HUGE:
        for capacity in (length, 1 << 62, 0):
            if length:
                assert isinstance(attack.fails(name, good, length, capacity), CorruptDataError)
    for header in (
        (good, 5, 2), (good, 20, 20), (good, 2, 1 << 62), (good, 0, 1 << 62), (0, 5, 5),
        *((data, 3, 3) for data in NOWHERE),
    ):  # fmt: skip
        look(attack, name, *header)


def test_maps_channels_functions_and_pointers(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=5.0))
    good = attack.copy(bytes(range(256)) * 16)
    zeros, ones = attack.copy(bytes(4096)), attack.copy(b"\xff" * 4096)
    selves = attack.copy(bytes(4096))
    attack.call("Poke", selves, selves.to_bytes(8, "little") * 512)
    for name in ("MakeMap", "MakeMapAny", "MakeChan", "MakeFunc", "MakePointer"):
        for address in (*NOWHERE, good, good + 8, zeros, ones, selves):
            look(attack, name, address)
            if attack.machine.state != "running":
                attack.again()


def test_interfaces(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=5.0))
    good = attack.copy(bytes(range(256)) * 16)
    pair = attack.call("Words", attack.plugin["VarAny"].value)[0]
    for name in ("MakeAny", "MakeError", "MakeStringer", "PanicWith"):
        for words in (
            (8, 0), (good, good), (good, 8), (1 << 62, 0), ((1 << 64) - 8, good), (1, 1),
            (pair, 0), (pair, 8), (pair, 1 << 62),
        ):  # fmt: skip
            look(attack, name, *words)


def test_variables_that_were_spoilt(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=5.0))
    names = [name for name in attack.plugin.exports if name.startswith("Var")]
    for name in names:
        for word in (8, 1 << 62, (1 << 64) - 1):
            address = attack.call("Address", name)
            before = attack.call("Peek", address, 24)
            attack.call("Poke", address, word.to_bytes(8, "little") * 2)
            variable = attack.plugin[name]
            for way in (repr, to_python, lambda variable: variable.value):
                with contextlib.suppress(EmupluginError):
                    way(variable)
            with contextlib.suppress(EmupluginError):
                look(attack, "Sane", 1, 2)
            attack.call("Poke", address, before)


def test_cycles(hostile: Hostile) -> None:
    attack = hostile()
    for name in ("Cyclic", "CyclicAny", "SelfMap"):
        value = attack.call(name)
        assert len(repr(value)) < 100_000
        to_python(value)
        with pytest.raises(EmupluginError):
            to_json(value)
    pointer = attack.call("SelfPointer")
    assert repr(pointer)
    with pytest.raises(UnsupportedTypeError):
        to_python(pointer)
    with pytest.raises(EmupluginError):
        to_json(pointer)
    attack.again()


def test_long_chains(hostile: Hostile) -> None:
    attack = hostile()
    for name in ("LongList", "LongAny", "LongPointers"):
        value = attack.call(name, 5000)
        assert len(repr(value)) < 100_000
        to_python(value)
        with contextlib.suppress(EmupluginError):
            to_json(value)
    attack.again()


def test_errors(hostile: Hostile) -> None:
    attack = hostile()
    for name, *arguments in (("LongError", 5000), ("CyclicError",)):
        error = attack.fails(name, *arguments)
        assert isinstance(error, GoError)
        assert error.message == "wrapped"
    assert isinstance(attack.fails("BadError"), EmupluginError)
    attack.again()
    assert isinstance(attack.fails("PanicBad"), EmupluginError)
    attack.again()
    assert isinstance(attack.fails("PanicNil"), EmupluginError)
    attack.again()
