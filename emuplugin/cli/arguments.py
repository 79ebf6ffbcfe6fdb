"""Arguments on the command line: text becomes the Python value for a Go type.

The same text that ``emuplugin call`` prints is taken again. Composite types are JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from emuplugin.errors import GoError
from emuplugin.values import Function, GoType
from emuplugin.values.abi_type import KINDS

_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
INTEGER_KINDS: Final = frozenset(KINDS[KINDS.index("int") : KINDS.index("uintptr") + 1])
_FLOATS: Final = frozenset({"float32", "float64"})
_COMPLEX: Final = frozenset({"complex64", "complex128"})
_COMPOSITE: Final = frozenset({"array", "slice", "struct", "map", "ptr"})
_HEX_FLOAT: Final = re.compile(r"[+-]?0[xX]")


class ArgumentError(Exception):
    """Text that is no value of a Go type. Says what is wrong with it."""


def parse_arguments(function: Function, texts: Sequence[str]) -> list[Any]:
    """The Python values for a call. UsageError that shows the Go signature where they don't fit."""
    go_type, name = function.go_type, function.name
    signature = f"{name} is {go_type.signature}"
    count = len(go_type.params) - go_type.variadic
    if len(texts) < count or (len(texts) > count and not go_type.variadic):
        least = "at least " if go_type.variadic else ""
        plural = "" if count == 1 else "s"
        given = len(texts)
        raise click.UsageError(
            f"{name} takes {least}{count} argument{plural}, got {given}; {signature}"
        )
    types = list(go_type.params[:count])
    if go_type.variadic:
        types += [go_type.params[-1].elem] * (len(texts) - count)
    values = []
    for position, (param, text) in enumerate(zip(types, texts, strict=True), 1):
        try:
            values.append(parse(text, param))
        except ArgumentError as error:
            raise click.UsageError(f"argument {position}: {error}; {signature}") from error
    return values


def parse_value(name: str, go_type: GoType, text: str) -> Any:
    """The Python value for a variable."""
    try:
        return parse(text, go_type)
    except ArgumentError as error:
        raise click.UsageError(f"{name} is a variable of type {go_type.string}: {error}") from error


def parse(text: str, go_type: GoType) -> Any:
    """The value of ``go_type`` that ``text`` on the command line means."""
    kind = go_type.kind
    if kind == "string":
        return text
    if _is_bytes(go_type):
        return _bytes(text)
    if kind in _COMPOSITE:
        return None if text == "nil" else _from_json(_load(text, go_type), go_type)
    if kind == "interface" and not go_type.is_error:
        return None if text == "nil" else _any(text)
    return _scalar(text, go_type)


def _scalar(text: str, go_type: GoType) -> Any:
    kind = go_type.kind
    reader: Callable[[str], Any] | None = None
    if kind in INTEGER_KINDS:
        reader = _integer
    elif kind in _FLOATS:
        reader = _float
    elif kind in _COMPLEX:
        reader = _complex
    elif kind == "bool":
        reader = _boolean
    if reader is not None:
        try:
            return reader(text.strip())
        except ValueError:
            raise ArgumentError(
                f"{text!r} is no {_described(go_type)}{_hint(text, kind)}"
            ) from None
    if text == "nil":
        return None
    if go_type.is_error:
        return GoError(text)
    raise ArgumentError(f"a {go_type.string} cannot be written here, only nil")


def _described(go_type: GoType) -> str:
    """``int8``, ``main.Celsius (float64)``."""
    return f"{go_type.string} ({go_type.kind})" if go_type.pkg_path else go_type.string


def _hint(text: str, kind: str) -> str:
    if kind in INTEGER_KINDS and re.fullmatch(r"[+-]?0\d+", text):
        digits = text.lstrip("+-0")
        return f": write {digits or '0'} or, for octal, 0o{digits or '0'}"
    return ": write true or false" if kind == "bool" else ""


def _integer(text: str) -> int:
    """As in Go source: 42, -1_000, 0x2a, 0o52, 0b101010, and 'x' in quotes for a rune."""
    if len(text) == 3 and text[0] == text[2] == "'":
        return ord(text[1])
    return int(text, 0)


def _float(text: str) -> float:
    return float.fromhex(text) if _HEX_FLOAT.match(text) else float(text)


def _complex(text: str) -> complex:
    """As Go prints it: 1+2i, (1+2i), -3i, 4."""
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    return complex(f"{text[:-1]}j" if text.endswith("i") else text)


def _boolean(text: str) -> bool:
    """As ``strconv.ParseBool``."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(text)


def _is_bytes(go_type: GoType) -> bool:
    return go_type.kind == "slice" and go_type.elem.kind == "uint8"


def _bytes(text: str) -> bytes | None:
    """Text as it is; ``hex:``, ``base64:``, ``@file``; ``text:`` for text that starts with one."""
    scheme, mark, rest = text.partition(":")
    try:
        if mark and scheme == "hex":
            return bytes.fromhex(rest)
        if mark and scheme == "base64":
            return base64.b64decode(rest, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ArgumentError(f"{text!r} is not {scheme}: {error}") from None
    if mark and scheme == "text":
        text = rest
    elif text.startswith("@"):
        try:
            return Path(text[1:]).read_bytes()
        except OSError as error:
            raise ArgumentError(f"cannot read {text[1:]}: {error.strerror}") from None
    elif text == "nil":
        return None
    return text.encode("utf-8", "surrogateescape")


def _any(text: str) -> Any:
    """For an interface: what JSON takes for a number, bool, string or null, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str | None) else text


def _load(text: str, go_type: GoType) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentError(
            f"{text!r} is not JSON, which is how a {go_type.string} is written ({error})"
        ) from None


def _from_json(value: Any, go_type: GoType) -> Any:
    """A JSON value as ``emuplugin call --json`` prints it, made fit for a Go type."""
    kind = go_type.kind
    if value is None or kind == "string":
        return value
    if isinstance(value, str):
        return _base64(value) if _is_bytes(go_type) else _scalar(value, go_type)
    if kind in ("slice", "array") and isinstance(value, list):
        return [_from_json(element, go_type.elem) for element in value]
    if kind == "map" and isinstance(value, dict | list):
        return _map_from_json(value, go_type)
    if kind == "ptr":
        return _from_json(value, go_type.elem)
    if kind == "struct" and isinstance(value, dict):
        types = {field.name: field.type for field in go_type.fields}
        # Names that the struct lacks are left for the conversion to refuse, in its words.
        return {
            name: _from_json(field, types[name]) if name in types else field
            for name, field in value.items()
        }
    return value


def _map_from_json(value: dict[str, Any] | list[Any], go_type: GoType) -> dict[Any, Any]:
    """An object, or a list of [key, value]."""
    pairs = list(value.items()) if isinstance(value, dict) else value
    try:
        return {_from_json(key, go_type.key): _from_json(elem, go_type.elem) for key, elem in pairs}
    except (TypeError, ValueError):
        raise ArgumentError(
            f"a {go_type.string} is written as an object, or as a list of [key, value] with keys"
            " that are numbers, strings, bools or null"
        ) from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ArgumentError(f"[]byte inside JSON is base64: {text!r}: {error}") from None
