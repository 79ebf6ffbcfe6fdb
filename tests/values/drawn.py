"""Values of Go types as hypothesis draws them, and how they go into the emulator and natively.

A drawn value has only Python's own types, so that failing examples can be read:

- bool, int, float, complex, str, bytes (``[]byte``) as they are; None for every nil
- list: arrays and other slices; :class:`Pairs`: maps; dict: structs by field
- :class:`Ref`: pointers that are not nil; :class:`Boxed`: interfaces; :class:`ErrorValue`: errors
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal

from hypothesis import strategies as st

from emuplugin.errors import GoError
from emuplugin.values.gotype import GoType
from tests.support.oracle import Boxed, ErrorValue, Pairs, Ref

Strategy = st.SearchStrategy[Any]

DEPTH = 4
"""Types inside each other that are drawn; deeper slices and maps are empty, pointers nil."""

BOUNDS = {
    "int": (-(1 << 63), (1 << 63) - 1), "uint": (0, (1 << 64) - 1), "uintptr": (0, (1 << 64) - 1),
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
}  # fmt: skip

# What quoting treats in its ways; no characters that newer Unicode versions have added.
_CHARACTERS = (
    "aZ0 \"\\`'<&>\n\t\x00\x07\x08\x0c\x1f\x7f"
    "\x85\xa0\xad\xdf\u0301é€\u2028\u2029\ufeff\ufffd😀\udc80\udcff"
)

_PLAIN_FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e20, 1e21, 1e-6, 1e-7, 123456789.0, 3e30]


class Fields(Mapping[str, Any]):
    """The fields of a struct, with a hash: keys of maps."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __hash__(self) -> int:
        return hash(tuple(self._fields.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._fields == other._fields


class Drawing:
    """Draws values for one plugin. ``boxes`` are the dynamic types by what makes interfaces of
    them: ``Box000`` and the type of its parameter."""

    def __init__(self, boxes: Mapping[str, GoType]) -> None:
        self.boxes = boxes
        self._made: dict[tuple[GoType, int, bool], Strategy] = {}

    def values(self, go_type: GoType, depth: int = DEPTH, key: bool = False) -> Strategy:
        """Values of a type; ``key`` for keys of maps, which equal themselves and have a hash."""
        found = self._made.get((go_type, depth, key))
        if found is None:
            found = self._made[go_type, depth, key] = self._make(go_type, depth, key)
        return found

    def _make(self, go_type: GoType, depth: int, key: bool) -> Strategy:
        kind = go_type.kind
        if kind == "bool":
            return st.booleans()
        if kind in BOUNDS:
            low, high = BOUNDS[kind]
            return st.integers(low, high) | st.sampled_from([0, 1, low, high, high // 2])
        if kind in ("float32", "float64"):
            return _floats(8 * go_type.size, key)
        if kind in ("complex64", "complex128"):
            part = _floats(4 * go_type.size, key)
            return st.builds(complex, part, part)
        if kind == "string":
            return st.text(_CHARACTERS, max_size=6)
        if kind == "array":
            elem = self.values(go_type.elem, depth - 1, key)
            return st.lists(elem, min_size=go_type.length, max_size=go_type.length)
        if kind == "struct":
            fields = {f.name: f.type for f in go_type.fields if f.name != "_"}
            return st.fixed_dictionaries(
                {name: self.values(found, depth - 1, key) for name, found in fields.items()}
            )
        if kind == "interface":
            return self._interfaces(go_type, depth, key)
        return st.none() if key or depth <= 0 else self._references(go_type, depth)

    def _references(self, go_type: GoType, depth: int) -> Strategy:
        kind = go_type.kind
        if kind == "slice":
            if go_type.elem.kind == "uint8":
                return st.none() | st.binary(max_size=9)
            return st.none() | st.lists(self.values(go_type.elem, depth - 1), max_size=4)
        if kind == "map":
            pair = st.tuples(
                self.values(go_type.key, depth - 1, key=True), self.values(go_type.elem, depth - 1)
            )
            unique: Callable[[Any], Hashable] = lambda pair: frozen(pair[0])  # noqa: E731
            return st.none() | st.lists(pair, max_size=4, unique_by=unique).map(Pairs)
        if kind == "ptr":
            return st.none() | st.builds(Ref, self.values(go_type.elem, depth - 1))
        return st.none()  # func, chan, unsafe.Pointer: others have tests of their own

    def _interfaces(self, go_type: GoType, depth: int, key: bool) -> Strategy:
        if depth <= 0:
            return st.none()
        if go_type.is_error:
            text = st.text(_CHARACTERS, max_size=6)
            return st.none() if key else st.none() | st.builds(ErrorValue, text)
        names = {method.name for method in go_type.methods}
        boxed = [
            st.builds(Boxed, st.just(maker), self.values(held, depth - 1, key))
            for maker, held in self.boxes.items()
            if names <= {method.name for method in held.methods} and (not key or held.comparable)
        ]
        return st.none() | st.one_of(boxed)


class Passing:
    """Drawn values as arguments for the emulator.

    ``call`` calls an exported function, ``pointer`` makes a pointer of a type to a value.
    """

    def __init__(
        self,
        boxes: Mapping[str, GoType],
        call: Callable[[str, Any], Any],
        pointer: Callable[[GoType, Any], Any],
    ) -> None:
        self._boxes = boxes
        self._call = call
        self._pointer = pointer

    def value(self, go_type: GoType, value: Any) -> Any:
        """A drawn value of a type, as a Python user would write it."""
        match value:
            case Ref():
                return self._pointer(go_type, self.value(go_type.elem, value.value))
            case Boxed():
                held = self._boxes[value.maker]
                return self._call(value.maker, self.value(held, value.value))
            case ErrorValue():
                return GoError(value.message)
            case Pairs():
                return {
                    self.value(go_type.key, key): self.value(go_type.elem, elem)
                    for key, elem in value.items
                }
            case list():
                return tuple(self.value(go_type.elem, item) for item in value)
            case dict():
                types = {field.name: field.type for field in go_type.fields}
                return Fields({n: self.value(types[n], item) for n, item in value.items()})
        return value


def frozen(value: Any) -> Hashable:
    """Something that is equal for drawn values that are equal keys, in Go or in Python."""
    match value:
        case list():
            return tuple(map(frozen, value))
        case dict():
            return tuple(map(frozen, value.values()))
        case Boxed():
            return frozen(value.value)
    hashable: Hashable = value
    return hashable


def same(go_type: GoType, drawn: Any, got: Any, boxes: Mapping[str, GoType]) -> bool:
    """Whether a value from the emulator is the drawn one: to the bit, NaN equals itself."""
    kind = go_type.kind
    if kind == "slice" and go_type.elem.kind == "uint8":
        return bool(got == (drawn or b""))  # nil or not does not show in bytes
    if kind == "slice" and drawn is None:
        return bool(got.is_nil)
    if drawn is None:
        return got is None
    match drawn:
        case float() | complex():
            return type(got) is type(drawn) and _bits(got) == _bits(drawn)
        case list():
            return len(drawn) == len(got) and all(
                same(go_type.elem, mine, its, boxes) for mine, its in zip(drawn, got, strict=True)
            )
        case dict():
            types = {field.name: field.type for field in go_type.fields}
            return all(same(types[n], item, got[n], boxes) for n, item in drawn.items())
        case Pairs():
            return _same_pairs(go_type, drawn.items, list(got.items()), boxes)
        case Ref():
            return same(go_type.elem, drawn.value, got.value, boxes)
        case Boxed():
            held = boxes[drawn.maker]
            return got.type == held.string and same(held, drawn.value, got.value, boxes)
        case ErrorValue():
            return isinstance(got, GoError) and got.message == drawn.message
        case int() if go_type.string == "time.Duration":
            return bool(got.nanoseconds == drawn)
    return type(got) is type(drawn) and bool(got == drawn)


def _same_pairs(
    go_type: GoType,
    drawn: Sequence[tuple[Any, Any]],
    got: list[tuple[Any, Any]],
    boxes: Mapping[str, GoType],
) -> bool:
    for key, elem in drawn:
        for found in got:
            if same(go_type.key, key, found[0], boxes) and same(
                go_type.elem, elem, found[1], boxes
            ):
                got.remove(found)
                break
        else:
            return False
    return not got


def _floats(bits: int, key: bool) -> Strategy:
    width: Literal[32, 64] = 32 if bits == 32 else 64
    plain = _PLAIN_FLOATS if bits == 64 else [_single(number) for number in _PLAIN_FLOATS]
    if key:
        return st.floats(width=width, allow_nan=False) | st.sampled_from(plain)
    finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
    return st.sampled_from(plain) | finite | st.floats(width=width)


def _single(number: float) -> float:
    value: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return value


def _bits(number: float | complex) -> tuple[object, ...]:
    parts = (number.real, number.imag)
    return tuple("NaN" if math.isnan(part) else struct.pack("<d", part) for part in parts)
