"""Which codec converts which Go type: the coverage table of the value layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.arrays import ArrayCodec
from emuplugin.values.booleans import BooleanCodec
from emuplugin.values.byte_slices import BytesCodec
from emuplugin.values.channel_codec import ChannelCodec
from emuplugin.values.codec import Codec
from emuplugin.values.error_values import ErrorCodec
from emuplugin.values.floats import ComplexCodec, FloatCodec
from emuplugin.values.functions import FunctionCodec
from emuplugin.values.gotype import GoType
from emuplugin.values.integers import IntegerCodec
from emuplugin.values.interfaces import InterfaceCodec
from emuplugin.values.maps import MapCodec
from emuplugin.values.pointers import PointerCodec
from emuplugin.values.slice_codec import SliceCodec
from emuplugin.values.soundness import check_sound
from emuplugin.values.strings import StringCodec
from emuplugin.values.structs import StructCodec
from emuplugin.values.times import DurationCodec, TimeCodec, is_duration, is_time
from emuplugin.values.unsafe_pointers import UnsafePointerCodec

if TYPE_CHECKING:
    from emuplugin.values.context import Context

BY_KIND: dict[str, type[Codec]] = {
    "bool": BooleanCodec,
    "int": IntegerCodec,
    "int8": IntegerCodec,
    "int16": IntegerCodec,
    "int32": IntegerCodec,
    "int64": IntegerCodec,
    "uint": IntegerCodec,
    "uint8": IntegerCodec,
    "uint16": IntegerCodec,
    "uint32": IntegerCodec,
    "uint64": IntegerCodec,
    "uintptr": IntegerCodec,
    "float32": FloatCodec,
    "float64": FloatCodec,
    "complex64": ComplexCodec,
    "complex128": ComplexCodec,
    "string": StringCodec,
    "array": ArrayCodec,
    "struct": StructCodec,
    "ptr": PointerCodec,
    "slice": SliceCodec,
    "func": FunctionCodec,
    "map": MapCodec,
    "chan": ChannelCodec,
    "unsafe.Pointer": UnsafePointerCodec,
    "interface": InterfaceCodec,
}


def make_codec(context: Context, go_type: GoType) -> Codec:
    """A codec for ``go_type``; raises UnsupportedTypeError where there is none."""
    check_sound(go_type)
    if go_type.is_error:
        return ErrorCodec(context, go_type)
    if is_time(go_type):
        return TimeCodec(context, go_type)
    if is_duration(go_type):
        return DurationCodec(context, go_type)
    if go_type.kind == "slice" and go_type.elem.kind == "uint8":
        return BytesCodec(context, go_type)
    codec = BY_KIND.get(go_type.kind)
    if codec is None:
        raise UnsupportedTypeError(
            f"values of Go type {go_type.string} ({go_type.kind}) cannot be converted",
            type=go_type.string,
        )
    return codec(context, go_type)
