"""TypeObject: a Go type that makes values when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emuplugin.errors import ConversionError
from emuplugin.values.channel_codec import ChannelCodec
from emuplugin.values.codec import Codec
from emuplugin.values.functions import FunctionCodec
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.interfaces import Interface
from emuplugin.values.maps import MapCodec
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.slice_codec import SliceCodec

if TYPE_CHECKING:
    from emuplugin.values.context import Context


class TypeObject:
    """A Go type of a plugin: ``Point = plugin.type("main.Point"); Point(X=1, Y=2)``.

    Called without arguments it makes the zero value. A struct takes its fields by name, or all of
    them in order; a pointer type takes what its element type takes and points to a new value;
    others take one value to convert. What comes back is live: structs, arrays, slices, maps and
    pointers in memory of their own. A value of a named basic type (``main.Celsius``) comes as
    :class:`Interface`, which keeps its type, and a Python function as a :class:`Function` of Go.
    """

    def __init__(self, context: Context, go_type: GoType) -> None:
        self.go_type = go_type
        self.__name__ = self.__qualname__ = go_type.string
        self._context = context

    @property
    def name(self) -> str:
        """The type as Go prints it."""
        return self.go_type.string

    @property
    def kind(self) -> str:
        """Go's name of the kind: ``struct``, ``int8``, ``ptr``..."""
        return self.go_type.kind

    def __call__(self, *args: Any, **fields: Any) -> Any:
        target = self.go_type.elem if self.go_type.kind == "ptr" else self.go_type
        try:
            value = self._value(target, args, fields)
            if target is self.go_type:
                return self._converted(self._codec, value)
            return self._pointer(target, value)
        except Mismatch as mismatch:
            raise mismatch.error(self.name) from None

    def make(self, *args: Any) -> Any:
        """Go's ``make``: a slice of a length (and capacity), a map with room, a channel with a
        buffer; of other types and other arguments, what calling the type gives."""
        codec = self._codec
        sizes = [arg for arg in args if type(arg) is int]
        try:
            if len(sizes) == len(args):
                if isinstance(codec, SliceCodec) and len(args) in (1, 2):
                    return codec.make(sizes[0], sizes[-1])
                if isinstance(codec, MapCodec) and len(args) <= 1:
                    return codec.new(*sizes)
                if isinstance(codec, ChannelCodec) and len(args) <= 1:
                    return codec.make(*sizes)
        except Mismatch as mismatch:
            raise mismatch.error(f"make({self.name})") from None
        return self(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeObject) and self.go_type is other.go_type

    def __hash__(self) -> int:
        return hash(self.go_type)

    def __repr__(self) -> str:
        return f"<Go type {self.name}>"

    @property
    def _codec(self) -> Codec:
        return self._context.codec(self.go_type)

    def _value(self, target: GoType, args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
        if target.kind != "struct":
            if fields or len(args) > 1:
                raise ConversionError(f"{self.name} takes one value")
            return args[0] if args else _ZERO
        names = [field.name for field in target.fields]
        if not args:
            return fields
        if (
            len(args) == 1
            and not fields
            and not (len(names) == 1 and not isinstance(args[0], dict))
        ):
            return args[0]
        if fields or len(args) != len(names):
            raise ConversionError(
                f"{self.name} takes its {len(names)} fields in order, or fields by name:"
                f" {', '.join(names)}"
            )
        return dict(zip(names, args, strict=True))

    def _converted(self, codec: Codec, value: Any) -> Any:
        go_type, context = codec.type, self._context
        with Allocations(context.guest) as allocations:
            image = bytes(codec.size) if value is _ZERO else codec.encode(value, allocations)
            allocations.protect()
            if codec.plain and go_type.pkg_path:
                # A named basic type: in an interface, which remembers it.
                box = allocations.object(max(codec.size, 1), go_type)
                context.heap.store(box, image, go_type)
                return Interface(codec, box, context.guest.hold(box))
            if isinstance(codec, FunctionCodec):
                return codec.function(image)
            return codec.finish(codec.decode(image, None))

    def _pointer(self, target: GoType, value: Any) -> Any:
        context = self._context
        element = context.codec(target)
        with Allocations(context.guest) as allocations:
            image = bytes(element.size) if value is _ZERO else element.encode(value, allocations)
            allocations.protect()
            if element.size:
                address = allocations.object(element.size, target)
                allocations.protect()
                context.heap.store(address, image, target)
            else:
                address = context.zero_base
            return self._codec.decode(address.to_bytes(8, "little"), None)


class _Zero:
    """Stands for the zero value of whatever type."""


_ZERO = _Zero()
