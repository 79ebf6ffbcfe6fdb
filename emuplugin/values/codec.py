"""Codec: how values of one Go type pass between Python and the guest.

One codec exists per Go type and machine. A value's *image* is its bytes as they lie in guest
memory; registers hold the same bytes, taken apart (:class:`emuplugin.cpu.calling.Place`). Every
kind of value is a subclass in a file of its own; the calling side compiles each signature once
into the readers and writers that :meth:`Codec.reader` and :meth:`Codec.writer` return.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from emuplugin.cpu.calling import Frame, Place
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import CallResult
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch

if TYPE_CHECKING:
    from emuplugin.values.context import Context

MASK64 = (1 << 64) - 1

Reader = Callable[[CallResult], Any]
Writer = Callable[[Any, Frame, Allocations], None]


class Codec(ABC):
    """Converts values of ``type``. Subclasses need :meth:`decode` and :meth:`encode`."""

    boxed = False
    """Whether values live in guest memory behind a view; see :class:`BoxedCodec` in boxed.py."""

    plain = False
    """Whether values come as Python's own, without a trace of their Go type."""

    atomic = False
    """Whether a value is read in one piece: then that needs no lock, see :meth:`read`."""

    detached = False
    """Whether what :meth:`decode` gives refers to nothing in the guest any more."""

    late = False
    """Whether :meth:`finish` has to run, in the guest, after all results were read."""

    def __init__(self, context: Context, go_type: GoType) -> None:
        self.context = context
        self.type = go_type
        self.size = go_type.size

    @property
    def expected(self) -> str:
        """The type for messages: ``int8``, ``main.Celsius (float64)``."""
        string, kind = self.type.string, self.type.kind
        return f"{string} ({kind})" if self.type.pkg_path else string

    @abstractmethod
    def decode(self, image: bytes, owner: object) -> Any:
        """The Python value of an image. ``owner`` keeps alive what the image points to.

        With ``owner`` None nothing does: references in the image are to be rooted at once.
        """

    def decode_many(self, address: int, count: int, owner: object) -> list[Any]:
        """``count`` values that lie one after the other at ``address``."""
        end = address + count * self.size
        with self.context.guest.lock:
            if not self.size:
                return [self.read(address, owner) for _ in range(count)]
            return [self.read(at, owner) for at in range(address, end, self.size)]

    @abstractmethod
    def encode(self, value: Any, allocations: Allocations) -> bytes:
        """The image of a Python value; raises Mismatch if it does not fit."""

    def encode_many(self, values: Sequence[Any], allocations: Allocations) -> bytes:
        """The images of several values, one after the other as in an array."""
        images = []
        for index, value in enumerate(values):
            try:
                images.append(self.encode(value, allocations))
            except Mismatch as mismatch:
                raise mismatch.at_index(index) from None
        return b"".join(images)

    def read(self, address: int, owner: object) -> Any:
        """The value at ``address``. ``owner`` keeps the memory there alive.

        Waits for a call that another thread makes: it could store another value halfway through, or
        free what the first one led to before it has a root. Single numbers do not wait.
        """
        if self.atomic:
            return self.decode(self.context.memory.read(address, self.size), owner)
        with self.context.guest.lock:
            return self.finish(self.decode(self.context.memory.read(address, self.size), owner))

    def read_part(self, address: int, owner: object) -> Any:
        """The value at ``address``, where it has no address in Go: a map's key or element. Arrays
        and structs are copied. The caller holds the lock."""
        return self.finish(self.decode(self.context.memory.read(address, self.size), owner))

    def write(self, address: int, value: Any) -> None:
        """Store a Python value at ``address``, which holds a value of this type already."""
        with Allocations(self.context.guest) as allocations:
            image = self.encode(value, allocations)
            allocations.protect()
            self.context.heap.store(address, image, self.type)

    def reader(self, place: Place) -> Reader:
        """A function that takes this value out of the result of a call."""
        decode, gather = self.decode, place.gather

        def read(result: CallResult) -> Any:
            return decode(gather(result.ints, result.floats, result.stack), None)

        return read

    def writer(self, place: Place) -> Writer:
        """A function that puts a value where it travels to a call."""
        encode, scatter = self.encode, place.scatter

        def write(value: Any, frame: Frame, allocations: Allocations) -> None:
            scatter(encode(value, allocations), frame)

        return write

    def go_syntax(self, value: Any, depth: int) -> str:
        """A decoded value as Go source would write it, ``depth`` composite values deep."""
        return "nil" if value is None else repr(value)

    def text(self, value: Any, depth: int) -> str:
        """:meth:`go_syntax` where nothing around it tells the type: ``[]int{1, 2}``, ``3``,
        ``main.Celsius(36.6)``."""
        syntax = self.go_syntax(value, depth)
        if not self.plain:
            return f"{self.type.string}{syntax}"
        return f"{self.type.string}({syntax})" if self.type.pkg_path else syntax

    def finish(self, value: Any) -> Any:
        """What a ``late`` codec has left to do, once everything else is safe from the collector."""
        return value
