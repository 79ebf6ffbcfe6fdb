"""CallPlan: one Go signature, compiled into what a call has to do.

Signatures of nothing but integers, by far the cheapest in the guest, have a path of their own that
makes no intermediate objects (:meth:`CallPlan.call_integers`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import Frame, Shape, assign
from emuplugin.errors import ConversionError, UnsupportedTypeError
from emuplugin.values.boxed import BoxedCodec
from emuplugin.values.codec import Codec
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.integers import IntegerCodec
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.shape import shape_of
from emuplugin.values.slice_codec import HEADER, new_array_of

if TYPE_CHECKING:
    from emuplugin.values.context import Context


class CallPlan:
    """How to call functions of one func type, or methods with a ``receiver`` of one word.

    ``name`` is for messages.

    Raises UnsupportedTypeError if a parameter or result cannot be converted.
    """

    def __init__(
        self, context: Context, go_type: GoType, name: str, *, receiver: bool = False
    ) -> None:
        self.name = name
        self.signature = go_type.signature
        self.variadic = go_type.variadic
        self.count = len(go_type.params) - self.variadic
        self.returns_error = bool(go_type.results) and go_type.results[-1].is_error
        shapes = [shape_of(param) for param in go_type.params]
        layout = assign(
            [Shape.pointer(), *shapes] if receiver else shapes,
            [shape_of(result) for result in go_type.results],
        )
        self.layout = replace(layout, params=layout.params[1:]) if receiver else layout
        self._context = context
        self._guest = context.guest
        params = [self._codec(param, "parameter") for param in go_type.params[: self.count]]
        results = [self._codec(result, "result") for result in go_type.results]
        self._writers = [
            codec.writer(place)
            for codec, place in zip(params, self.layout.params[: self.count], strict=True)
        ]
        self._rest = self._codec(go_type.params[-1].elem, "parameter") if self.variadic else None
        self._readers = [
            codec.reader(place) for codec, place in zip(results, self.layout.results, strict=True)
        ]
        self._boxed = [
            (index, codec) for index, codec in enumerate(results) if isinstance(codec, BoxedCodec)
        ]
        self._late = [(index, codec) for index, codec in enumerate(results) if codec.late]
        self.only_integers = not receiver and self._find_integers(params, results)

    def call(
        self, entry: int, closure: int, args: Sequence[Any], receiver: int | None = None
    ) -> list[Any]:
        """Call the code at ``entry`` and return all results as Python values."""
        if len(args) != self.count and not (self.variadic and len(args) > self.count):
            raise self._wrong_count(len(args))
        layout = self.layout
        frame = layout.new_frame()
        if receiver is not None:
            frame.ints[0] = receiver
        with Allocations(self._guest) as allocations:
            position = 0
            try:
                for write in self._writers:
                    write(args[position], frame, allocations)
                    position += 1
                if self._rest is not None:
                    self._write_rest(self._rest, args[position:], frame, allocations)
            except Mismatch as mismatch:
                raise self._rejected(position, mismatch) from None
            boxes = self._make_boxes(allocations) if self._boxed else ()
            result = self._guest.call(
                entry, closure, frame.ints, frame.floats, frame.stack, layout.stack_size
            )
            values = [read(result) for read in self._readers]
            for (index, boxed), box in zip(self._boxed, boxes, strict=True):
                self._context.heap.store(box.address, values[index], boxed.type)
                values[index] = boxed.view(box.address, box)
        for index, codec in self._late:
            values[index] = codec.finish(values[index])
        return values

    def outcome(self, values: list[Any]) -> Any:
        """What a call in Python returns: nothing, the one result, or a tuple; raises the error."""
        if self.returns_error:
            error = values.pop()
            if error is not None:
                raise error
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)

    def call_integers(self, entry: int, closure: int, args: Sequence[Any]) -> int | None:
        """:meth:`call` where all is integers in registers, with one result or none.

        To be used only if ``only_integers``.
        """
        try:
            words = self._to_words(self._pack(*args))  # checks count and ranges
        except struct.error:
            words = None
        for value in args:
            if type(value) is not int:
                break
        else:
            if words is not None:
                result = self._guest.call_words(entry, closure, words)
                return (result & self._mask ^ self._sign) - self._sign if self._mask else None
        # Something is unusual: take the path that says what, or that converts it.
        values = self.call(entry, closure, args)
        return values[0] if values else None

    def _find_integers(self, params: Sequence[Codec], results: Sequence[Codec]) -> bool:
        """Prepare :meth:`call_integers` and tell whether it can be used."""
        integers = [codec for codec in params if type(codec) is IntegerCodec]
        # One word per argument; what is above a narrow value in its register is undefined.
        packed = "".join(f"{codec.format}{8 - codec.size}x" for codec in integers)
        self._pack = struct.Struct(f"<{packed}").pack
        self._to_words = struct.Struct(f"<{len(integers)}Q").unpack
        self._stack_size = self.layout.stack_size
        self._mask = self._sign = 0
        if results and type(results[0]) is IntegerCodec:
            self._mask, self._sign = results[0].mask, results[0].sign
        return (
            not self.variadic
            and len(integers) == self.layout.ints_used == len(params)
            and len(results) == (1 if self._mask else 0)
        )

    def _codec(self, go_type: GoType, role: str) -> Codec:
        try:
            return self._context.codec(go_type)
        except UnsupportedTypeError as error:
            message = f"{self.name} is {self.signature}; its {role} of type {go_type.string}"
            raise UnsupportedTypeError(f"{message} cannot be converted", type=error.type) from None

    def _make_boxes(self, allocations: Allocations) -> Sequence[Root]:
        """Objects for results that are seen through views.

        Made before the call: afterwards nothing but the images would know what the results point
        to, and allocating could collect it.
        """
        self._context.heap.reserve(max(codec.size for _, codec in self._boxed))
        return [
            self._guest.hold(allocations.object(codec.size, codec.type)) for _, codec in self._boxed
        ]

    def _write_rest(
        self, codec: Codec, values: Sequence[Any], frame: Frame, allocations: Allocations
    ) -> None:
        """Make the slice that a variadic function gets: nil if there are no further arguments."""
        pointer = new_array_of(codec, values, allocations) if values else 0
        self.layout.params[-1].scatter(HEADER.pack(pointer, len(values), len(values)), frame)

    def _rejected(self, position: int, mismatch: Mismatch) -> Exception:
        if position >= self.count:
            mismatch.steps.pop(0)
            position += mismatch.index
        return mismatch.error(f"argument {position + 1}", f"{self.name} is {self.signature}")

    def _wrong_count(self, given: int) -> ConversionError:
        least = "at least " if self.variadic else ""
        plural = "" if self.count == 1 else "s"
        return ConversionError(
            f"{self.name} takes {least}{self.count} argument{plural}, got {given};"
            f" {self.name} is {self.signature}"
        )
