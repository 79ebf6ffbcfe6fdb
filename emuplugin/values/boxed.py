"""Values that Python sees through a view of guest memory: arrays and structs.

A view is live: it reads and writes the variable, element or field that it was taken from. What a
function returns is put into an object of its own in the guest first (its box).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from emuplugin.cpu.calling import Place
from emuplugin.values.codec import Codec, Reader
from emuplugin.values.guest import CallResult
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live


class View(Live):
    """A value in guest memory. Its own names start with an underscore: fields own the others."""

    __slots__ = ("__weakref__", "_address", "_codec", "_owner")

    _address: int
    _codec: BoxedCodec
    _owner: object

    def __init__(self, codec: BoxedCodec, address: int, owner: object) -> None:
        object.__setattr__(self, "_codec", codec)
        object.__setattr__(self, "_address", address)
        object.__setattr__(self, "_owner", owner)
        if owner is not None and codec.context.newcomers is not None:
            codec.context.newcomers.add(self)


class BoxedCodec(Codec):
    """Codec of a kind that has views."""

    boxed = True

    @abstractmethod
    def view(self, address: int, owner: object) -> Any:
        """The view of the value at ``address``, in memory that ``owner`` keeps alive."""

    @abstractmethod
    def build(self, value: Any, allocations: Allocations) -> bytes:
        """The image of a Python value that is not a view."""

    def read(self, address: int, owner: object) -> Any:
        return self.view(address, owner)

    def decode(self, image: bytes, owner: object) -> Any:
        """A view of a new box; ``owner`` must be alive, because making the box may collect."""
        with Allocations(self.context.guest) as allocations:
            root = self.context.guest.hold(allocations.object(self.size, self.type))
        self.context.heap.store(root.address, image, self.type)
        return self.view(root.address, root)

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if isinstance(value, View) and value._codec is self:
            return self.context.memory.read(value._address, self.size)
        return self.build(value, allocations)

    def reader(self, place: Place) -> Reader:
        """Gives the image only: the caller has prepared a box for it."""
        gather = place.gather

        def read(result: CallResult) -> bytes:
            return gather(result.ints, result.floats, result.stack)

        return read
