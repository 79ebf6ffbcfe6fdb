"""Events as lines of JSON, and what such lines say as events."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import partial
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from emuplugin.errors import FormatError
from emuplugin.tracing.events import KINDS, Event

Line = dict[str, Any]

#: A value as JSON, and the value that parsed JSON stands for.
_Write = Callable[[Any], str]
_Read = Callable[[Any], Any]
_Fields = tuple[tuple[str, str, _Write, _Read], ...]

_known: dict[type, _Fields] = {}
# The same places occur again and again, and to write one takes as long as the rest of an event.
_written: dict[tuple[Any, ...], str] = {}
_MOST_WRITTEN: Final = 1 << 16


def to_line(event: Event) -> str:
    """An event as JSON on one line: its kind, its place in time, and its own fields.

    ASCII only: text of a plugin may hold lone surrogates, which no encoding takes.
    """
    parts = [f'{{"kind":"{event.kind}"']
    parts += [key + write(getattr(event, name)) for name, key, write, _ in _fields(type(event))]
    return ",".join(parts) + "}"


def from_dict(line: Line) -> Event:
    """The event that a parsed line describes. Raises :class:`FormatError` if there is none."""
    kind = KINDS.get(line.get("kind", ""))
    if kind is None:
        raise FormatError(f"no event is of kind {line.get('kind')!r}")
    try:
        return kind(**{name: read(line[name]) for name, _, _, read in _fields(kind)})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"an event of kind {kind.kind!r} lacks or mistakes {error}") from error


def record_to_json(kind: type[Any], value: tuple[Any, ...]) -> str:
    """A named tuple as a JSON object."""
    fields = zip(_fields(kind), value, strict=True)
    return "{" + ",".join([key + write(item) for (_, key, write, _), item in fields]) + "}"


def record_from_dict(kind: type[Any], line: Any) -> Any:
    """The named tuple that a parsed object describes."""
    return kind(*(read(line[name]) for name, _, _, read in _fields(kind)))


# --- how values are converted -------------------------------------------------------------------


def _fields(kind: type[Any]) -> _Fields:
    """The fields of an event or named tuple: name, JSON's key with its colon, the ways to and
    from JSON."""
    found = _known.get(kind)
    if found is None:
        hints = typing.get_type_hints(kind)
        if dataclasses.is_dataclass(kind):
            names = [field.name for field in dataclasses.fields(kind)]
        else:
            names = list(kind._fields)
        found = tuple((name, f'"{name}":', *_converters(hints[name])) for name in names)
        _known[kind] = found
    return found


def _converters(hint: Any) -> tuple[_Write, _Read]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):  # ``Frame | None``
        (inner,) = (argument for argument in arguments if argument is not type(None))
        write, read = _converters(inner)
        return partial(_write_optional, write), partial(_read_optional, read)
    if origin is tuple:  # of any length: the events have no others
        write, read = _converters(arguments[0])
        return partial(_write_each, write), partial(_read_each, read)
    if hint is int:
        return int.__repr__, partial(_checked, int)
    if hint is bool:
        return _write_bool, partial(_checked, bool)
    if hint is str:
        return encode_basestring_ascii, partial(_checked, str)
    if origin is typing.Literal:
        return encode_basestring_ascii, partial(_one_of, arguments)
    return partial(_write_record, hint), partial(record_from_dict, hint)


def _write_bool(value: bool) -> str:
    return "true" if value else "false"


def _write_optional(write: _Write, value: Any) -> str:
    return "null" if value is None else write(value)


def _write_each(write: _Write, values: tuple[Any, ...]) -> str:
    return f"[{','.join(map(write, values))}]" if values else "[]"


def _write_record(kind: type[Any], value: tuple[Any, ...]) -> str:
    # Tuples of different classes can be equal.
    found = _written.get((kind, value))
    if found is None:
        if len(_written) >= _MOST_WRITTEN:
            _written.clear()
        found = _written[kind, value] = record_to_json(kind, value)
    return found


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r}, which is no {kind.__name__}")
    return value


def _one_of(values: tuple[str, ...], value: Any) -> Any:
    if value not in values:
        raise ValueError(f"{value!r}, which is none of {', '.join(values)}")
    return value


def _read_optional(read: _Read, value: Any) -> Any:
    return None if value is None else read(value)


def _read_each(read: _Read, values: Any) -> tuple[Any, ...]:
    return tuple(read(value) for value in _checked(list, values))
