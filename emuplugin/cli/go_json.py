"""Values as JSON, close to what Go's ``encoding/json`` makes of them.

Integers are exact numbers; floats that JSON lacks are "NaN", "+Inf", "-Inf"; complex numbers are
strings like "(1+2i)"; []byte is base64; nil is null; a struct is an object by field name, a map
one by key, or a list of [key, value] where keys are neither strings nor integers; pointers and
interfaces are what is behind them; functions, and what contains itself, are an address in a
string. Bytes of a string that are not UTF-8 are lone surrogates ("\\udcff" is the byte 0xff), as
Python's surrogateescape has it.
"""

from __future__ import annotations

import base64
import math
from typing import Any, Final

from emuplugin.cli.arguments import INTEGER_KINDS
from emuplugin.cli.go_text import complex_text, float_text, sorted_items
from emuplugin.errors import GoError, UnsupportedTypeError
from emuplugin.values import GoType

_MAX_DEPTH: Final = 64


def to_json(value: Any, go_type: GoType) -> Any:
    """What ``json.dumps`` can take for a value."""
    return _nested(value, go_type, ())


def _nested(value: Any, go_type: GoType, outer: tuple[Any, ...]) -> Any:
    kind = go_type.kind
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else float_text(value, go_type.size)
    if isinstance(value, complex):
        return complex_text(value, go_type.size)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, GoError):
        return {"message": value.message, "type": value.type}
    if kind == "func":
        return f"({go_type.string})({value.address:#x})"
    if kind in ("ptr", "interface"):
        if len(outer) == _MAX_DEPTH or (kind == "ptr" and value in outer):
            return repr(value)
        outer = (*outer, value)
    if kind == "interface":
        return _nested(value.value, value._type, outer)
    if kind == "ptr":
        return _nested(value.value, go_type.elem, outer)
    if kind == "slice" and value.is_nil:
        return None
    if kind in ("slice", "array"):
        return [_nested(element, go_type.elem, outer) for element in value]
    if kind == "map":
        return _map(value, go_type, outer)
    return {
        field.name: _field(value, field.name, field.type, outer)
        for field in go_type.fields
        if field.name != "_"
    }


def _map(value: Any, go_type: GoType, outer: tuple[Any, ...]) -> Any:
    items = [
        (_nested(key, go_type.key, outer), _nested(elem, go_type.elem, outer))
        for key, elem in sorted_items(value)
    ]
    if go_type.key.kind == "string":
        return dict(items)
    if go_type.key.kind in INTEGER_KINDS:
        return {str(key): elem for key, elem in items}
    return [list(entry) for entry in items]


def _field(value: Any, name: str, go_type: GoType, outer: tuple[Any, ...]) -> Any:
    try:
        return _nested(value[name], go_type, outer)
    except UnsupportedTypeError:
        return f"{go_type.string}(...)"
