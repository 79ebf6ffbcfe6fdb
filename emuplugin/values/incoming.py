"""IncomingPlan: one Go signature, compiled into what a call from Go to Python has to do.

The mirror image of :class:`emuplugin.values.plan.CallPlan`. Two rules of the collector shape it.
Arguments are in registers and in the caller's frame, where nothing tells the collector of them, so
they are rooted before anything else runs in the guest. And results are known to nobody until Go
has them, so what they refer to is kept until then.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from emuplugin.cpu.calling import FLOAT_REGISTERS, INTEGER_REGISTERS, Frame, Place, Shape, assign
from emuplugin.errors import ConversionError, UnsupportedTypeError
from emuplugin.values.boxed import BoxedCodec
from emuplugin.values.byte_slices import BytesCodec
from emuplugin.values.codec import Codec, Reader
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.python_errors import RETURNED
from emuplugin.values.shape import shape_of

if TYPE_CHECKING:
    from emuplugin.values.context import Context
    from emuplugin.values.guest import IncomingCall

# Kinds that come to Python without running anything in the guest.
_AT_ONCE = frozenset(
    (
        "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32",
        "uint64", "uintptr", "float32", "float64", "complex64", "complex128", "string",
    )
)  # fmt: skip


class _Arguments(NamedTuple):
    """A call's registers and stack, as readers take them."""

    ints: Sequence[int]
    floats: Sequence[int]
    stack: bytes


class IncomingPlan:
    """How Python serves calls of one func type. ``method`` tells that a receiver comes first.

    Raises UnsupportedTypeError if a parameter or result cannot be converted.
    """

    def __init__(self, context: Context, go_type: GoType, *, method: bool = False) -> None:
        self.signature = go_type.signature
        self.returns_error = bool(go_type.results) and go_type.results[-1].is_error
        self._variadic = go_type.variadic
        self._context = context
        receiver = [Shape.pointer()] if method else []
        self._layout = layout = assign(
            [*receiver, *(shape_of(param) for param in go_type.params)],
            [shape_of(result) for result in go_type.results],
        )
        places = layout.params[len(receiver) :]
        params = [context.codec(param) for param in go_type.params]
        self._readers = [_reader(codec, place) for codec, place in zip(params, places, strict=True)]
        self._late = [(index, codec) for index, codec in enumerate(params) if codec.late]
        # Where pointers are, and whether they need roots.
        self._pointers = [
            (place, struct.Struct("<" + "".join(f"{skip}xQ" for skip in _skips(words))))
            for param, place in zip(go_type.params, places, strict=True)
            if (words := pointer_words(param))
        ]
        if all(param.kind in _AT_ONCE for param in go_type.params):
            self._pointers = []
        self._writers = [
            context.codec(result).writer(place)
            for result, place in zip(go_type.results, layout.results, strict=True)
        ]

    def serve(self, function: Callable[..., Any], frame: IncomingCall, name: str) -> None:
        """Call ``function``, which messages call ``name``, with the arguments in ``frame``, and put
        its results there.

        Exceptions pass through, but for GoError and EOFError where the last result is an
        ``error``: these are returned, as Go code would, with zero values before them.
        """
        args = self._arguments(frame)
        try:
            returned = function(*args)
        except RETURNED as error:
            if not self.returns_error:
                raise
            values: Sequence[Any] = (error,)
        else:
            values = self._results(returned, name)
        # The images of views and proxies hold pointers that only these keep alive.
        frame.kept.append(values)
        self._write(values, frame, name)

    def _arguments(self, frame: IncomingCall) -> list[Any]:
        layout = self._layout
        stack = frame.read_stack(layout.argument_size) if layout.argument_size else b""
        given = _Arguments(frame.ints, frame.floats, stack)
        hold = self._context.guest.hold
        roots = [
            hold(pointer)
            for place, words in self._pointers
            for pointer in words.unpack_from(place.gather(*given))
            if pointer
        ]
        values = [read(given) for read in self._readers]
        for index, codec in self._late:
            values[index] = codec.finish(values[index])
        for root in roots:
            root.release()
        if self._variadic:
            rest = values.pop()
            values += () if rest is None else rest
        return values

    def _results(self, returned: Any, name: str) -> Sequence[Any]:
        """All results as Go has them."""
        count = len(self._writers)
        if inspect.isawaitable(returned):
            if inspect.iscoroutine(returned):
                returned.close()
            raise ConversionError(
                f"{name} is a coroutine function, and Go does not await: pass one that returns the"
                " results"
            )
        if not count:
            return ()  # as an expression statement drops what a function returns
        if self.returns_error:
            if count == 1:
                return (returned,)
            last = returned[-1] if isinstance(returned, tuple) and returned else self
            if len_is(returned, count) and (last is None or isinstance(last, BaseException)):
                return tuple(returned)
            count -= 1
        if count == 1:
            values: Sequence[Any] = (returned,)
        elif len_is(returned, count):
            values = returned
        else:
            got = f"{len(returned)} values" if isinstance(returned, tuple) else repr_type(returned)
            raise ConversionError(
                f"{name} returned {got}; Go calls it as {self.signature}, so it has to return a"
                f" tuple of {count}"
            )
        return (*values, None) if self.returns_error else values

    def _write(self, values: Sequence[Any], frame: IncomingCall, name: str) -> None:
        layout, guest = self._layout, self._context.guest
        first = len(self._writers) - len(values)  # zero values come before a lone error
        out = Frame(
            [0] * len(INTEGER_REGISTERS),
            [0] * len(FLOAT_REGISTERS),
            bytearray(layout.spill_offset),
        )
        allocations = Allocations(guest)
        frame.kept.append(allocations)
        for index, (write, value) in enumerate(zip(self._writers[first:], values, strict=True)):
            try:
                write(value, out, allocations)
            except Mismatch as mismatch:
                number = f" {first + index + 1}" if len(self._writers) > 1 else ""
                after = f"Go calls it as {self.signature}"
                raise mismatch.error(f"result{number} of {name}", after) from None
        allocations.protect()
        frame.ints[:], frame.floats[:] = out.ints, out.floats
        start = layout.result_offset
        if len(out.stack) > start:
            frame.stage_stack(start, bytes(out.stack[start:]))


def _reader(codec: Codec, place: Place) -> Reader:
    """Like ``codec.reader(place)``, but views come as values, and bytes can be written to."""
    if isinstance(codec, BytesCodec):
        return partial(_read_bytes, codec, place)
    return Codec.reader(codec, place) if isinstance(codec, BoxedCodec) else codec.reader(place)


def _read_bytes(codec: BytesCodec, place: Place, given: _Arguments) -> Any:
    """A ``[]byte``, which Python may be asked to fill: a memoryview of Go's memory."""
    view = codec.view(place.gather(*given))
    try:
        return view.memoryview()
    except UnsupportedTypeError:  # in pieces on the host
        return view


def _skips(offsets: Sequence[int]) -> list[int]:
    """The bytes between words at these offsets."""
    return [at - end for at, end in zip(offsets, (0, *(at + 8 for at in offsets)), strict=False)]


def len_is(value: Any, count: int) -> bool:
    """Whether ``value`` is a tuple or list of ``count`` results."""
    return isinstance(value, tuple | list) and len(value) == count


def repr_type(value: Any) -> str:
    """What a value is, in a message."""
    return "None" if value is None else type(value).__name__


def pointer_words(go_type: GoType) -> tuple[int, ...]:
    """The offsets of the words in a value that may point into the heap."""
    kind = go_type.kind
    if not go_type.ptr_bytes:
        return ()
    if kind == "interface":
        return (8,)  # the first word is a type or itab
    if kind == "struct":
        return tuple(
            field.offset + word for field in go_type.fields for word in pointer_words(field.type)
        )
    if kind == "array":
        words, size = pointer_words(go_type.elem), go_type.elem.size
        return tuple(index * size + word for index in range(go_type.length) for word in words)
    return (0,)
