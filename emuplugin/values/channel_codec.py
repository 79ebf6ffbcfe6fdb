"""How channels pass between Python and Go, and what the runtime does with them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.codec import Codec
from emuplugin.values.heap import Allocations
from emuplugin.values.live import Live, refused
from emuplugin.values.mismatch import Mismatch

if TYPE_CHECKING:
    from emuplugin.values.channels import ChannelView

# runtime.hchan
QCOUNT, DATAQSIZ = 0, 8


class ChannelCodec(Codec):
    """``chan T``, ``<-chan T``, ``chan<- T``: a pointer to the runtime's channel.

    Takes None for nil, and channels of the same element type, where Go would let them be assigned:
    a bidirectional channel also as a directed one.
    """

    @cached_property
    def element(self) -> Codec:
        """The codec of the elements."""
        return self.context.codec(self.type.elem)

    def decode(self, image: bytes, owner: object) -> ChannelView | None:
        from emuplugin.values.channels import ChannelView

        address = int.from_bytes(image, "little")
        return ChannelView(self, self.context.guest.hold(address)) if address else None

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        if value is None:
            return bytes(8)
        if isinstance(value, Live) and isinstance(value._codec, ChannelCodec):
            given, context = value._type, value._context
            both_ways = given.chan_dir == "chan" and given.elem is self.type.elem
            if context is self.context and (given is self.type or both_ways):
                return cast("ChannelView", value)._root.address.to_bytes(8, "little")
        raise refused(self, value)

    def make(self, size: int = 0) -> ChannelView:
        """``make(chan T, size)``."""
        if size < 0:
            raise Mismatch(f"expected a buffer of at least 0 elements, got {size}", range=True)
        # runtime/chan.go: makechan(t *chantype, size int) *hchan
        address = self.context.guest.call_words(
            self.function("makechan", "makes"), 0, (self.type.address, size)
        )
        view = self.decode(address.to_bytes(8, "little"), None)
        assert view is not None
        return view

    def try_send(self, address: int, image: bytes) -> bool:
        """Send the image of an element, whose references are rooted, if that needs no waiting."""
        # runtime/chan.go: chansend(c *hchan, ep unsafe.Pointer, block bool, callerpc uintptr) bool
        entry = self.function("chansend", "sends to")
        words = (address, self.context.heap.scratch(image or b"\0"), 0, 0)
        return bool(self.context.guest.call_words(entry, 0, words) & 1)

    def try_receive(self, address: int) -> tuple[Any, bool] | None:
        """An element and True, the zero value and False if the channel is closed, None if it would
        have to wait."""
        context, element = self.context, self.element
        entry = self.function("chanrecv", "receives from")
        with Allocations(context.guest) as allocations:
            # The barrier looks at what was there before, so the place must be one for this type.
            target = allocations.object(max(element.size, 1), element.type)
            allocations.protect()
            # runtime/chan.go: chanrecv(c *hchan, ep unsafe.Pointer, block bool)
            #     (selected, received bool)
            result = context.guest.call(entry, 0, (address, target, 0), (), b"", 3 * 8)
            if not result.ints[0] & 1:
                return None
            image = context.memory.read(target, element.size)
            value = element.finish(element.decode(image, None))
            return value, bool(result.ints[1] & 1)

    def function(self, name: str, verb: str) -> int:
        """A function of the runtime, which a plugin without channels may lack."""
        entry = self.context.guest.symbol(f"runtime.{name}")
        if entry is None:
            raise UnsupportedTypeError(
                f"no code of this plugin {verb} channels, so that its runtime lacks {name}",
                type=self.type.string,
            )
        return entry

    def go_syntax(self, value: Any, depth: int) -> str:
        if value is None:
            return "(nil)"
        return f"({cast('ChannelView', value)._root.address:#x})"

    def text(self, value: Any, depth: int) -> str:
        return f"({self.type.string}){self.go_syntax(value, depth)}"
