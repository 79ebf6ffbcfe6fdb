"""CallPlan: one Go signature, compiled into what a call has to do.

Signatures of nothing but numbers and strings have a path of their own that makes no intermediate
objects (:meth:`CallPlan.caller`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import Frame, Shape, assign
from emuplugin.errors import ConversionError, UnsupportedTypeError
from emuplugin.values.batches import BatchPlan
from emuplugin.values.boxed import BoxedCodec
from emuplugin.values.codec import Codec
from emuplugin.values.direct import DirectPlan, travels_of
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
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
        self._whole_layout = layout
        self.layout = layout._replace(params=layout.params[1:]) if receiver else layout
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
        self._codecs = params, results
        self._travels = (
            None if self.variadic else travels_of(self.layout, params, results, receiver=receiver)
        )
        self._receiver = receiver

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

    def caller(self, entry: int, closure: int) -> Callable[[tuple[Any, ...]], Any]:
        """What a call in Python of the code at ``entry`` does: arguments to :meth:`outcome`. A
        receiver is the first argument."""

        def call(args: tuple[Any, ...]) -> Any:
            receiver, rest = (args[0], args[1:]) if self._receiver else (None, args)
            return self.outcome(self.call(entry, closure, rest, receiver))

        if self._travels is None:
            return call
        plan = DirectPlan(
            self._context, self._travels, self._codecs, entry, closure, call,
            receiver=self._receiver,
        )  # fmt: skip
        return plan.call

    @cached_property
    def batch(self) -> BatchPlan:
        """How to make many calls together."""
        return BatchPlan(
            self._context,
            self.name,
            self.signature,
            self._whole_layout,
            self._codecs,
            variadic=self.variadic,
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
