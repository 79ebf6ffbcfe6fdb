"""Type descriptors that a plugin makes up, in interfaces that it returns."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from emuplugin import EmupluginError, to_json, to_python
from emuplugin.values import abi_type as abi
from tests.hostile.conftest import Attack, Hostile, limits

WAYS: tuple[Callable[[Any], object], ...] = (
    repr, str, dir, to_python, to_json,
    lambda value: value.value, lambda value: value.type, lambda value: value._repr_html_(),
    lambda value: repr(value.value), lambda value: list(value.value), lambda value: value == value,
    hash, lambda value: value.Method(),
)  # fmt: skip

HUGE = ((1 << 31) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def descriptor(
    kind: int, size: int = 8, *, flags: int = 0, more: bytes = b"", **fields: int
) -> bytes:
    """A descriptor; ``more`` is what follows ``abi.Type``."""
    return (
        abi.TYPE.pack(
            size, fields.get("ptr_bytes", 8), 1, flags, 8, 8, kind, fields.get("equal", 0),
            fields.get("gcdata", 0), fields.get("name", 0), fields.get("pointer", 0),
        )
        + more
    )  # fmt: skip


def look(attack: Attack, data: bytes, word: int) -> None:
    """Look in every way at an interface with that type."""
    at = attack.copy(data.ljust(512, b"\0"))
    try:
        value = attack.call("MakeAny", at, word)
    except EmupluginError:
        attack.again()
        return
    for way in WAYS:
        with contextlib.suppress(EmupluginError, TypeError, AttributeError):
            way(value)
        if attack.machine.state != "running":
            break
    attack.ends("PanicWith", at, word)
    attack.again()


def words(*values: int) -> bytes:
    return b"".join((value & (1 << 64) - 1).to_bytes(8, "little") for value in values)


@pytest.mark.parametrize("kind", range(28))
def test_any_kind(hostile: Hostile, kind: int) -> None:
    """Sizes, names and parts that cannot be."""
    attack = hostile(limits=limits(seconds=5.0))
    data = attack.copy(bytes(range(256)) * 16)
    for size in (0, 8, *HUGE):
        for flags in (0, abi.TFLAG_UNCOMMON | abi.TFLAG_NAMED, 255):
            look(attack, descriptor(kind, size, flags=flags, more=words(*[data] * 10)), data)
    for more in ((8,) * 10, (1 << 62,) * 10, HUGE * 2, (data, *HUGE), (data, data, *HUGE)):
        look(attack, descriptor(kind, more=words(*more)), data)
    for name in (-1, 1, (1 << 31) - 1, -(1 << 31)):
        look(attack, descriptor(kind, name=name, pointer=name), data)


def test_types_that_contain_themselves(hostile: Hostile) -> None:
    """An array of itself, a struct with itself as its field, a slice, pointer, map of itself."""
    attack = hostile(limits=limits(seconds=5.0))
    data = attack.copy(bytes(4096))
    for kind in ("array", "chan", "func", "interface", "map", "ptr", "slice", "struct"):
        number = abi.KINDS.index(kind)
        at = attack.copy(bytes(1024))
        fields = attack.copy(words(0, at, 0))
        for size in (0, 8, 64):
            more = {
                "array": words(at, at, 3),
                "struct": words(0, fields, 1, 1),
                "func": (2).to_bytes(2, "little") * 2 + bytes(4) + words(at, at, at, at),
                "map": words(at, at, at, 0, 0, 0, 0, 0),
            }.get(kind, words(at, at, 3))
            attack.call("Poke", at, descriptor(number, size, more=more))
            value = None
            with contextlib.suppress(EmupluginError):
                value = attack.call("MakeAny", at, data)
            for way in WAYS if value is not None else ():
                with contextlib.suppress(EmupluginError, TypeError, AttributeError):
                    way(value)
            attack.again()


def test_the_plugins_own_types_spoilt(hostile: Hostile) -> None:
    """Not as easy: they lie where nobody can write, until mprotect."""
    attack = hostile(limits=limits(seconds=5.0))
    at = attack.call("Words", attack.plugin["VarAny"].value)[0]
    page = at & -4096
    assert attack.kernel(10, page, 8192, 3) == 0
    for value in (*HUGE, 0, 8):
        attack.call("Poke", at, words(value, value))
        for offset in (40, 48, 56, 64, 72):
            attack.call("Poke", at + offset, words(value))
        for way in (repr, to_python, to_json):
            with contextlib.suppress(EmupluginError):
                way(attack.plugin["VarAny"].value)
        with contextlib.suppress(EmupluginError):
            repr(attack.plugin["VarPairs"].value)
        with contextlib.suppress(EmupluginError):
            repr(attack.plugin.types)
        attack.machine.reset()
        assert attack.kernel(10, page, 8192, 3) == 0
