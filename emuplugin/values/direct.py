"""Calls whose arguments and results are numbers, booleans, strings, and an error at the end.

These travel in registers and need no memory but that of strings, so they are packed and unpacked
as a whole; see :class:`~emuplugin.values.guest.DirectCall`. Whatever is unusual (too many
arguments, a value that has to be converted or is refused) is left to
:meth:`~emuplugin.values.plan.CallPlan.call`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import CallLayout, Place
from emuplugin.values.booleans import BooleanCodec
from emuplugin.values.codec import Codec
from emuplugin.values.error_values import ErrorCodec
from emuplugin.values.floats import ComplexCodec, FloatCodec
from emuplugin.values.guest import Travel
from emuplugin.values.integers import IntegerCodec
from emuplugin.values.strings import StringCodec

if TYPE_CHECKING:
    from emuplugin.values.context import Context

_LONGEST = 128
"""Bytes of strings that are put together with those of other calls."""

_EXACT = 1 << 53
"""Integers below are floats as they are."""

_PYTHON: dict[type[Codec], type] = {
    IntegerCodec: int, BooleanCodec: bool, FloatCodec: float, ComplexCodec: complex,
    StringCodec: str,
}  # fmt: skip
_PADDING = {1: "7x", 2: "6x", 4: "4x", 8: ""}
_FLOATS = {4: "f12x", 8: "d8x"}


class DirectPlan:
    """How to call one function. ``otherwise`` is what to do with unusual arguments.

    ``receiver`` tells whether there is one, as a first argument of one word.
    """

    def __init__(
        self,
        context: Context,
        travels: tuple[Travel, Travel],
        codecs: tuple[Sequence[Codec], Sequence[Codec]],
        entry: int,
        closure: int,
        otherwise: Callable[[tuple[Any, ...]], Any],
        *,
        receiver: bool = False,
    ) -> None:
        params, results = codecs
        self._context = context
        self._direct = context.guest.direct(entry, closure, *travels)
        self._otherwise = otherwise
        kinds = [_PYTHON[type(codec)] for codec in params]
        self._kinds = (int, *kinds) if receiver else tuple(kinds)
        # The usual case, all of one type, is found out in less time.
        self._kind = self._kinds[0] if len(set(self._kinds)) == 1 else None
        self._spread = str in self._kinds or complex in self._kinds
        self._results = [codec for codec in results if type(codec) is not ErrorCodec]
        self._error = next((codec for codec in results if type(codec) is ErrorCodec), None)
        self._one = len(results) == 1 and type(results[0]) in (IntegerCodec, FloatCodec)

    def call(self, args: tuple[Any, ...]) -> Any:
        """What calling the function from Python returns."""
        if self._kind is None:
            if tuple(map(type, args)) != self._kinds:
                return self._call_unusual(args)
        else:
            for value in args:
                if type(value) is not self._kind:
                    return self._call_unusual(args)
        if self._one and not self._spread:
            found = self._direct(args)
            if found is not None:
                return found[0]
            return self._otherwise(args)  # out of range, or not as many as there should be
        with self._context.guest.lock:  # until strings are read
            if self._spread:
                return self._call_spread(args)
            found = self._direct(args)
            return self._otherwise(args) if found is None else self._finish(found)

    def _call_unusual(self, args: tuple[Any, ...]) -> Any:
        """Arguments of other types. Integers for floats are so frequent that they are helped."""
        floats = tuple(
            float(value) if kind is float and type(value) is int and abs(value) < _EXACT else value
            for value, kind in zip(args, self._kinds, strict=False)
        )
        if len(floats) == len(args) and tuple(map(type, floats)) == self._kinds:
            return self.call(floats)
        return self._otherwise(args)

    def _call_spread(self, args: tuple[Any, ...]) -> Any:
        """Some arguments take more than one register."""
        values: list[Any] = []
        texts: list[bytes] = []
        for value in args:
            if type(value) is str:
                try:
                    text = value.encode()
                except UnicodeEncodeError:  # bytes that are not UTF-8, or an error
                    return self._otherwise(args)
                values += 0, len(text)
                texts.append(text)
            elif type(value) is complex:
                values += value.real, value.imag
            else:
                values.append(value)
        text = b"".join(texts)
        if len(text) > _LONGEST or len(args) != len(self._kinds):
            return self._otherwise(args)
        if text:
            at, _root = self._context.heap.text(text)
            place = 0
            for kind in self._kinds:
                if kind is str:
                    size = values[place + 1]
                    values[place] = at if size else 0
                    at += size
                place += 2 if kind is str or kind is complex else 1
        found = self._direct(tuple(values))
        return self._otherwise(args) if found is None else self._finish(found)

    def _finish(self, found: tuple[Any, ...]) -> Any:
        values: list[Any] = []
        at = 0
        for codec in self._results:
            kind = type(codec)
            if isinstance(codec, StringCodec):
                values.append(codec.text_at(found[at], found[at + 1]))
                at += 2
            elif kind is ComplexCodec:
                values.append(complex(found[at], found[at + 1]))
                at += 2
            else:
                values.append(found[at] & 1 == 1 if kind is BooleanCodec else found[at])
                at += 1
        if self._error is not None and found[at]:
            raise self._error.of_words(found[at], found[at + 1])
        if len(values) == 1:
            return values[0]
        return tuple(values) if values else None


def travels_of(
    layout: CallLayout, params: Sequence[Codec], results: Sequence[Codec], *, receiver: bool
) -> tuple[Travel, Travel] | None:
    """How values travel that a :class:`DirectPlan` can convert; None if there are others."""
    last = [ErrorCodec] if results and type(results[-1]) is ErrorCodec else []
    kinds = [type(codec) for codec in results[: len(results) - len(last)]]
    places = (*layout.params, *layout.results)
    if (
        any(place.stack_offset is not None for place in places)
        or any(type(codec) not in _PYTHON for codec in params)
        or any(kind not in _PYTHON for kind in kinds)
    ):
        return None
    arguments = _travel(params, layout.params)
    if receiver:
        arguments = Travel("<Q" + arguments.format[1:], ((0, False), *arguments.registers))
    return arguments, _travel(results, layout.results)


def _travel(codecs: Sequence[Codec], places: Sequence[Place]) -> Travel:
    format_ = "<"
    registers = []
    for codec, place in zip(codecs, places, strict=True):
        for register, _, size, is_float in place.steps:
            if is_float:
                format_ += _FLOATS[size]
            elif type(codec) is IntegerCodec:
                format_ += codec.format + _PADDING[size]
            else:
                format_ += "B7x" if type(codec) is BooleanCodec else "Q"
            registers.append((register, is_float))
    return Travel(format_, tuple(registers))
