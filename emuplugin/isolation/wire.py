"""The encoding of values in messages: a byte that tells the kind, then the value.

It is meant for a reader that trusts nothing: every length is checked against what is there, depth
is limited, and what does not belong raises :class:`WireError`. Lists of numbers and of texts, of
which there may be millions, are packed as arrays.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from emuplugin.values.times import Duration

#: How deep lists and the like may lie in one another.
MAX_DEPTH: Final = 150
#: Bytes of the largest integer.
MAX_INTEGER: Final = 1 << 14

(
    NONE, TRUE, FALSE, SMALL, INT, BIG, FLOAT, COMPLEX, TEXT, BYTES, LIST, TUPLE, DICT, NUMBERS,
    TEXTS, SLICE, DURATION, DELTA, MOMENT, OTHER,
) = range(20)  # fmt: skip
"""Kinds. OTHER and those above it are for what the two ends alone know: ``Writer.other`` and
``Reader.other``."""

_PACKED_FROM = 8  # so many items of a list are worth an array
_INT = struct.Struct("<Bq")
_FLOAT = struct.Struct("<Bd")
_COMPLEX = struct.Struct("<Bdd")
_LENGTH = struct.Struct("<BQ")
_MOMENT = struct.Struct("<HBBBBBIBi")
_Q, _D, _DD, _LEN = (struct.Struct(f) for f in ("<q", "<d", "<dd", "<Q"))
#: For lists of numbers: the letters of :mod:`array`, smallest first, and ``?``.
_LETTERS: Final = ("b", "B", "h", "H", "i", "I", "q", "Q")
_SIZES: Final = {letter: array(letter).itemsize for letter in (*_LETTERS, "d")} | {"?": 1}


class WireError(Exception):
    """A message that no sound sender makes."""


class Writer:
    """One message. ``other`` writes what is not plain data."""

    __slots__ = ("depth", "other", "out")

    def __init__(self, other: Callable[[Writer, Any], None]) -> None:
        self.out = bytearray()
        self.depth = 0
        self.other = other

    def value(self, value: Any) -> None:
        """Write any value."""
        write = _WRITERS.get(type(value))
        if write is None:
            self.other(self, value)
        else:
            write(self, value)

    def number(self, number: int) -> None:
        """A number by itself, of the protocol: 64 bits without a sign."""
        self.out += _LEN.pack(number)

    def raw(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes with their length, without a kind."""
        self.out += _LEN.pack(len(data))
        self.out += data

    def text(self, text: str) -> None:
        """A text by itself."""
        self.raw(text.encode("utf-8", "surrogatepass"))

    def items(self, kind: int, items: Sequence[Any]) -> None:
        """A sequence, item by item."""
        self.enter()
        self.out += _LENGTH.pack(kind, len(items))
        for item in items:
            self.value(item)
        self.depth -= 1

    def enter(self) -> None:
        """One level down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise WireError(f"nested more than {MAX_DEPTH} deep")


def _write_none(writer: Writer, value: None) -> None:
    writer.out.append(NONE)


def _write_bool(writer: Writer, value: bool) -> None:
    writer.out.append(TRUE if value else FALSE)


def _write_int(writer: Writer, value: int) -> None:
    if 0 <= value < 256:
        writer.out += bytes((SMALL, value))
        return
    try:
        writer.out += _INT.pack(INT, value)
    except struct.error:
        size = value.bit_length() // 8 + 1
        if size > MAX_INTEGER:
            raise OverflowError("an integer of more than 16,384 bytes") from None
        writer.out.append(BIG)
        writer.raw(value.to_bytes(size, "little", signed=True))


def _write_float(writer: Writer, value: float) -> None:
    writer.out += _FLOAT.pack(FLOAT, value)


def _write_complex(writer: Writer, value: complex) -> None:
    writer.out += _COMPLEX.pack(COMPLEX, value.real, value.imag)


def _write_text(writer: Writer, value: str) -> None:
    data = value.encode("utf-8", "surrogatepass")
    writer.out += _LENGTH.pack(TEXT, len(data))
    writer.out += data


def _write_bytes(writer: Writer, value: bytes) -> None:
    writer.out += _LENGTH.pack(BYTES, len(value))
    writer.out += value


def _write_list(writer: Writer, value: list[Any]) -> None:
    if len(value) >= _PACKED_FROM:
        kinds = set(map(type, value))
        if len(kinds) == 1 and _write_packed(writer, kinds.pop(), value):
            return
    writer.items(LIST, value)


def _write_packed(writer: Writer, kind: type, items: list[Any]) -> bool:
    """A list of items of one type as arrays; False if it has to go item by item."""
    if kind is str or kind is bytes:
        parts = [i.encode("utf-8", "surrogatepass") for i in items] if kind is str else items
        writer.out += bytes((TEXTS, kind is str))
        writer.raw(array("Q", map(len, parts)).tobytes())
        writer.raw(b"".join(parts))
        return True
    if kind is float:
        numbers, letter = array("d", items).tobytes(), "d"
    elif kind is bool:
        numbers, letter = bytes(items), "?"
    elif kind is int:
        least, most = min(items), max(items)
        for letter in _LETTERS:
            bits = 8 * _SIZES[letter] - letter.islower()
            if (-(1 << bits) if letter.islower() else 0) <= least and most < 1 << bits:
                break
        else:
            return False
        numbers = array(letter, items).tobytes()
    else:
        return False
    writer.out += bytes((NUMBERS, ord(letter)))
    writer.raw(numbers)
    return True


def _write_tuple(writer: Writer, value: tuple[Any, ...]) -> None:
    writer.items(TUPLE, value)


def _write_dict(writer: Writer, value: Mapping[Any, Any]) -> None:
    writer.enter()
    writer.out.append(DICT)
    _write_list(writer, list(value))
    _write_list(writer, list(value.values()))
    writer.depth -= 1


def _write_slice(writer: Writer, value: slice) -> None:
    writer.out.append(SLICE)
    for part in (value.start, value.stop, value.step):
        writer.value(part)


def _write_duration(writer: Writer, value: Duration) -> None:
    writer.out += _INT.pack(DURATION, value.nanoseconds)


def _write_delta(writer: Writer, value: timedelta) -> None:
    writer.out.append(DELTA)
    for part in (value.days, value.seconds, value.microseconds):
        writer.value(part)


def _write_moment(writer: Writer, value: datetime) -> None:
    """A datetime: zones become fixed offsets."""
    offset = value.utcoffset()
    seconds = 0 if offset is None else int(offset.total_seconds())
    writer.out.append(MOMENT)
    writer.out += _MOMENT.pack(
        value.year, value.month, value.day, value.hour, value.minute, value.second,
        value.microsecond, 0 if offset is None else 1, seconds,
    )  # fmt: skip
    writer.text((value.tzname() or "") if offset is not None else "")


_WRITERS: Final[dict[type, Callable[[Writer, Any], None]]] = {
    type(None): _write_none,
    bool: _write_bool,
    int: _write_int,
    float: _write_float,
    complex: _write_complex,
    str: _write_text,
    bytes: _write_bytes,
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_dict,
    slice: _write_slice,
    Duration: _write_duration,
    timedelta: _write_delta,
    datetime: _write_moment,
}


class Reader:
    """One message that came. ``other`` reads the kinds from OTHER up; whatever is wrong raises
    WireError."""

    __slots__ = ("at", "data", "depth", "other")

    def __init__(self, data: bytes | bytearray, other: Callable[[Reader, int], Any]) -> None:
        self.data = data
        self.at = 0
        self.depth = 0
        self.other = other

    def value(self) -> Any:
        """The next value."""
        at = self.at
        if at >= len(self.data):
            raise WireError("the message ends early")
        kind = self.data[at]
        self.at = at + 1
        return _READERS[kind](self) if kind < OTHER else self.other(self, kind)

    def byte(self) -> int:
        """The next byte."""
        return self._take(1)[0]

    def number(self) -> int:
        """A number of the protocol."""
        number: int = self._unpack(_LEN)[0]
        return number

    def raw(self) -> bytes | bytearray:
        """Bytes with their length."""
        return self._take(self.number())

    def text(self) -> str:
        """A text."""
        return _decoded(self.raw())

    def count(self) -> int:
        """A number of items: each takes a byte at least."""
        count = self.number()
        if count > len(self.data) - self.at:
            raise WireError(f"{count} items in {len(self.data) - self.at} bytes")
        return count

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.data):
            raise WireError(f"{len(self.data) - self.at} bytes too many")

    def enter(self) -> None:
        """One level down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise WireError(f"nested more than {MAX_DEPTH} deep")

    def _take(self, size: int) -> bytes | bytearray:
        end = self.at + size
        if end > len(self.data):
            raise WireError("the message ends early")
        data = self.data[self.at : end]
        self.at = end
        return data

    def _unpack(self, format_: struct.Struct) -> tuple[Any, ...]:
        if self.at + format_.size > len(self.data):
            raise WireError("the message ends early")
        values = format_.unpack_from(self.data, self.at)
        self.at += format_.size
        return values


def _decoded(data: bytes | bytearray) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise WireError(f"a text that is none: {error}") from None


def _read_list(reader: Reader) -> list[Any]:
    reader.enter()
    items = [reader.value() for _ in range(reader.count())]
    reader.depth -= 1
    return items


def _read_numbers(reader: Reader) -> list[Any]:
    letter = chr(reader.byte())
    data = reader.raw()
    size = _SIZES.get(letter)
    if size is None or len(data) % size:
        raise WireError("a list of numbers that is none")
    if letter == "?":
        return [byte != 0 for byte in data]
    numbers = array(letter)
    numbers.frombytes(data)
    return numbers.tolist()


def _read_texts(reader: Reader) -> list[Any]:
    text = reader.byte()
    lengths, data = reader.raw(), bytes(reader.raw())
    if len(lengths) % 8:
        raise WireError("a list of texts that is none")
    parts: list[Any] = []
    at = 0
    for length in memoryview(lengths).cast("Q"):
        parts.append(data[at : at + length])
        at += length
    if at != len(data):
        raise WireError("a list of texts whose lengths are wrong")
    return [_decoded(part) for part in parts] if text else parts


def _read_dict(reader: Reader) -> dict[Any, Any]:
    reader.enter()
    keys, values = reader.value(), reader.value()
    reader.depth -= 1
    if type(keys) is not list or type(values) is not list or len(keys) != len(values):
        raise WireError("a dict that is none")
    try:
        return dict(zip(keys, values, strict=True))
    except TypeError as error:
        raise WireError(f"a key without a hash: {error}") from None


def _read_slice(reader: Reader) -> slice:
    return slice(*_integers(reader, 3, none=True))


def _read_delta(reader: Reader) -> timedelta:
    days, seconds, microseconds = _integers(reader, 3)
    try:
        return timedelta(days, seconds, microseconds)
    except (OverflowError, TypeError) as error:
        raise WireError(str(error)) from None


def _read_duration(reader: Reader) -> Duration:
    return Duration(reader._unpack(_Q)[0])


def _read_moment(reader: Reader) -> datetime:
    *parts, aware, offset = reader._unpack(_MOMENT)
    name = reader.text()
    try:
        zone = None
        if aware:
            shift = timedelta(seconds=offset)
            zone = UTC if (offset, name) == (0, "UTC") else timezone(shift, name)
        return datetime(*parts).replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise WireError(str(error)) from None


def _integers(reader: Reader, count: int, none: bool = False) -> list[Any]:
    values = [reader.value() for _ in range(count)]
    if any(type(value) is not int and not (none and value is None) for value in values):
        raise WireError("not an integer where one must be")
    return values


def _read_big(reader: Reader) -> int:
    data = reader.raw()
    if len(data) > MAX_INTEGER:
        raise WireError("an integer that is too large")
    return int.from_bytes(data, "little", signed=True)


_READERS: Final[tuple[Callable[[Reader], Any], ...]] = (
    lambda reader: None,
    lambda reader: True,
    lambda reader: False,
    Reader.byte,
    lambda reader: reader._unpack(_Q)[0],
    _read_big,
    lambda reader: reader._unpack(_D)[0],
    lambda reader: complex(*reader._unpack(_DD)),
    Reader.text,
    lambda reader: bytes(reader.raw()),
    _read_list,
    lambda reader: tuple(_read_list(reader)),
    _read_dict,
    _read_numbers,
    _read_texts,
    _read_slice,
    _read_duration,
    _read_delta,
    _read_moment,
)
