"""to_json: a Go value as encoding/json writes it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from emuplugin.errors import ConversionError, GoError, UnsupportedTypeError
from emuplugin.values.arrays import ArrayView
from emuplugin.values.byte_slices import BytesCodec
from emuplugin.values.codec import Codec
from emuplugin.values.context import Context
from emuplugin.values.elsewhere import Elsewhere
from emuplugin.values.error_values import HeldInterface
from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.interfaces import Interface
from emuplugin.values.json_fields import JSONField, json_fields
from emuplugin.values.json_text import compact, indented, number, quote
from emuplugin.values.live import Live
from emuplugin.values.maps import MapView
from emuplugin.values.methods import BoundMethod, bind
from emuplugin.values.pointers import Pointer
from emuplugin.values.slices import SliceView
from emuplugin.values.structs import StructView
from emuplugin.values.variable import Variable


def to_json(value: Any, indent: str = "") -> str:
    """A Go value as ``json.Marshal`` writes it, or ``json.MarshalIndent`` with ``indent``.

    Struct tags, embedded fields and the methods MarshalJSON and MarshalText count as in Go. Takes
    variables, live values, and what has a type in Python only (then as ``json.dumps`` would have
    it, but for its spaces). UnsupportedTypeError and ConversionError where Go returns an error.
    """
    if isinstance(value, Elsewhere):
        return value._to_json(indent)
    if isinstance(value, GoError) and isinstance(value.value, Elsewhere):
        return value.value._to_json(indent)
    try:
        text = _text(value)
    except RecursionError:
        raise ConversionError("json: values are nested too deeply for Python") from None
    if not indent:
        return text
    return indented(text, indent)


def _text(value: Any) -> str:
    if isinstance(value, Variable):
        writer = JSONWriter(value._context)
        codec = value._context.codec(value.go_type)
        return writer.value(codec, _read(codec, value.address, None), False)
    if isinstance(value, Live):
        return JSONWriter(value._context).dynamic(value)
    if isinstance(value, GoError) and isinstance(value.value, HeldInterface):
        return JSONWriter(value.value.context).error(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class JSONWriter:
    """Writes values of one machine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._go_minor = context.guest.go_minor
        self._fields: dict[GoType, list[JSONField]] = {}
        self._path: set[tuple[GoType, int, int]] = set()

    def dynamic(self, value: Live) -> str:
        """A live value as if it were in an interface."""
        if isinstance(value, Interface):
            codec = value._codec
            if isinstance(codec, BytesCodec):  # is never the pointer in an interface itself
                return self.value(codec, _read(codec, value._data, value._root), False)
            return self.value(codec, value.value, False)
        return self.value(value._codec, value, False)

    def error(self, error: GoError) -> str:
        """An error, by its dynamic type."""
        held = error.value
        assert isinstance(held, HeldInterface)
        codec = self.context.codec(held.dynamic_type)
        return self.dynamic(Interface(codec, held.data, held.root))

    def value(self, codec: Codec, value: Any, addressable: bool, quoted: bool = False) -> str:
        """A value of a static type. ``addressable`` as in Go: methods of its pointer count."""
        if isinstance(value, GoError):
            return self.error(value)
        text = self._marshaled(codec, value, addressable)
        if text is not None:
            return text
        write = _KINDS.get(codec.type.kind)
        if write is None:
            raise UnsupportedTypeError(
                f"json: unsupported type: {codec.type.string}", type=codec.type.string
            )
        text = write(self, codec, value, addressable)
        if quoted and value is not None and codec.type.kind not in ("ptr", "interface"):
            return quote(text, self._go_minor) if codec.type.kind == "string" else f'"{text}"'
        if quoted and codec.type.kind == "ptr" and value is not None:
            return self.value(codec.element, value.value, True, True)  # type: ignore[attr-defined]
        return text

    # --- kinds ------------------------------------------------------------------------------

    def _bool(self, codec: Codec, value: Any, addressable: bool) -> str:
        return "true" if value else "false"

    def _integer(self, codec: Codec, value: Any, addressable: bool) -> str:
        return str(getattr(value, "nanoseconds", value))

    def _float(self, codec: Codec, value: Any, addressable: bool) -> str:
        try:
            return number(value, codec.size)
        except ValueError as error:
            raise ConversionError(str(error)) from None

    def _string(self, codec: Codec, value: Any, addressable: bool) -> str:
        if codec.type.string == "json.Number" and codec.type.pkg_path == "encoding/json":
            return value or "0"
        return quote(value, self._go_minor)

    def _array(self, codec: Codec, value: ArrayView, addressable: bool) -> str:
        element = value._codec.element
        items = _items(element, value._address, len(value), value._owner)
        return f"[{','.join(self.value(element, item, addressable) for item in items)}]"

    def _slice(self, codec: Codec, value: Any, addressable: bool) -> str:
        if isinstance(value, bytes):
            return f'"{b64encode(value).decode()}"'
        view: SliceView = value
        if view.is_nil:
            return "null"
        if view._codec.element.type.kind == "uint8":
            return f'"{b64encode(bytes(view)).decode()}"'
        element = view._codec.element
        items = _items(element, view._address, len(view), view._root)
        return self._guarded(
            codec,
            (view._address, len(view)),
            lambda: f"[{','.join(self.value(element, item, True) for item in items)}]",
        )

    def _map(self, codec: Codec, value: MapView | None, addressable: bool) -> str:
        if self._go_minor < (1, 27) and not self._can_be_key(codec.type.key):
            raise _unsupported_key(codec.type.key)
        if value is None:
            return "null"
        view = value

        def text() -> str:
            key, elem = view._codec.key, view._codec.elem
            if isinstance(elem, BytesCodec):
                entries = [
                    (key.finish(key.decode(k, view._root)), elem.view(v))
                    for k, v in view._codec.access.memory.images(view._root.address)
                ]
            else:
                entries = list(view.items())
            items = {self._key(key, k): self.value(elem, v, False) for k, v in entries}
            ordered = sorted(items, key=lambda name: name.encode("utf-8", "surrogateescape"))
            pairs = (f"{quote(name, self._go_minor)}:{items[name]}" for name in ordered)
            return f"{{{','.join(pairs)}}}"

        return self._guarded(codec, (view._root.address, 0), text)

    def _key(self, codec: Codec, key: Any) -> str:
        kind = codec.type.kind
        if kind == "string":
            return str(key)
        more = self._go_minor >= (1, 27)  # encoding/json stands on encoding/json/v2 there
        if more and kind in ("interface", "ptr") and key is not None:
            held: Codec = key._codec if kind == "interface" else key._codec.element
            return self._key(held, key.value)
        method = self._method(codec, key, "MarshalText", False)
        if method is not None:
            return str(method().decode("utf-8", "surrogateescape"))
        if kind.startswith(("int", "uint")) and kind != "interface":
            return str(getattr(key, "nanoseconds", key))
        if more and kind in ("float32", "float64"):
            return self._float(codec, key, False)
        raise _unsupported_key(codec.type)

    def _can_be_key(self, go_type: GoType) -> bool:
        """Whether Go before 1.27 takes keys of a type, in empty maps too."""
        if go_type.kind == "string" or go_type.kind in _INTEGERS:
            return True
        return any(method.name == "MarshalText" for method in go_type.methods)

    def _pointer(self, codec: Codec, value: Pointer | None, addressable: bool) -> str:
        if value is None:
            return "null"
        pointer = value
        return self._guarded(
            codec,
            (pointer._address, 0),
            lambda: self.value(
                pointer._codec.element,
                _read(pointer._codec.element, pointer._address, pointer._root),
                True,
            ),
        )

    def _interface(self, codec: Codec, value: Interface | None, addressable: bool) -> str:
        return "null" if value is None else self.dynamic(value)

    def _struct(self, codec: Codec, value: StructView, addressable: bool) -> str:
        fields = self._fields.get(codec.type)
        if fields is None:
            fields = self._fields[codec.type] = json_fields(codec.type, self._go_minor >= (1, 24))
        parts = []
        for field in fields:
            target: Any = value
            has_address = addressable
            for step in field.path[:-1]:
                target = target and target[step.name]
                if isinstance(target, Pointer):
                    target, has_address = target.value, True
            if target is None:
                continue
            last = field.path[-1]
            item_codec = self.context.codec(last.type)
            item = _read(item_codec, target._address + last.offset, target._owner)
            if field.omit_empty and _is_empty(item):
                continue
            if field.omit_zero and self._is_zero(item_codec, item, target, last.offset):
                continue
            text = self.value(item_codec, item, has_address, field.quoted)
            parts.append(f"{quote(field.name, self._go_minor)}:{text}")
        return f"{{{','.join(parts)}}}"

    # --- inside -----------------------------------------------------------------------------

    def _guarded(self, codec: Codec, where: tuple[int, int], write: Callable[[], str]) -> str:
        key = (codec.type, *where)
        if key in self._path:
            raise ConversionError(
                f"json: unsupported value: encountered a cycle via {codec.type.string}"
            )
        self._path.add(key)
        try:
            return write()
        finally:
            self._path.discard(key)

    def _marshaled(self, codec: Codec, value: Any, addressable: bool) -> str | None:
        """What the value's own method makes of it."""
        if codec.type.kind == "interface" or (value is None and codec.type.kind == "ptr"):
            return None
        method = self._method(codec, value, "MarshalJSON", addressable)
        if method is not None:
            return compact(method().decode("utf-8", "surrogateescape"))
        method = self._method(codec, value, "MarshalText", addressable)
        if method is not None:
            return quote(method().decode("utf-8", "surrogateescape"), self._go_minor)
        return None

    def _method(self, codec: Codec, value: Any, name: str, addressable: bool) -> BoundMethod | None:
        table = self.context.methods(codec.type)
        method = table.own.get(name) or (table.addressed.get(name) if addressable else None)
        if method is None or method.type is None:
            return None
        if method.type.signature != "func() ([]uint8, error)":
            return None
        if isinstance(value, StructView | ArrayView):
            return bind(self.context, codec.type, name, value._address, value._owner)
        if isinstance(value, Pointer):
            return BoundMethod(table, method, value._address, value._root)
        with Allocations(self.context.guest) as allocations:
            image = codec.encode(value, allocations)
            allocations.protect()
            address = allocations.object(max(codec.size, 1), codec.type)
            root = self.context.guest.hold(address)
            self.context.heap.store(address, image, codec.type)
        return bind(self.context, codec.type, name, address, root)

    def _is_zero(self, codec: Codec, value: Any, parent: StructView, offset: int) -> bool:
        method = self.context.methods(codec.type).own.get("IsZero")
        signature = method.type.signature if method and method.type else ""
        if signature == "func() bool" and isinstance(value, Live):
            return bool(value.IsZero())  # type: ignore[attr-defined]
        address = parent._address + offset
        return not any(self.context.memory.read(address, codec.size))


def _unsupported_key(go_type: GoType) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        f"json: unsupported type: a map with keys of type {go_type.string}", type=go_type.string
    )


def _read(codec: Codec, address: int, owner: object) -> Any:
    """The value at ``address``; a ``[]byte`` as a live slice, which tells nil from empty."""
    if isinstance(codec, BytesCodec):
        return codec.view(codec.context.memory.read(address, codec.size))
    return codec.read(address, owner)


def _items(codec: Codec, address: int, count: int, owner: object) -> list[Any]:
    """The values of an array, as :func:`_read` gives them."""
    if isinstance(codec, BytesCodec):
        return [_read(codec, address + index * codec.size, owner) for index in range(count)]
    return codec.decode_many(address, count, owner)


def _is_empty(value: Any) -> bool:
    """As the option omitempty has it: false, 0, nil, and what has no elements."""
    if isinstance(value, StructView):
        return False
    if isinstance(value, ArrayView | SliceView | MapView | bytes | str):
        return len(value) == 0
    if isinstance(value, Live):
        return False
    return not value


_INTEGERS = (
    *("int", "int8", "int16", "int32", "int64"),
    *("uint", "uint8", "uint16", "uint32", "uint64", "uintptr"),
)

_KINDS: dict[str, Callable[[JSONWriter, Any, Any, bool], str]] = {
    "bool": JSONWriter._bool, "string": JSONWriter._string, "struct": JSONWriter._struct,
    "array": JSONWriter._array, "slice": JSONWriter._slice, "map": JSONWriter._map,
    "ptr": JSONWriter._pointer, "interface": JSONWriter._interface,
    "float32": JSONWriter._float, "float64": JSONWriter._float,
    **dict.fromkeys(_INTEGERS, JSONWriter._integer),
}  # fmt: skip
