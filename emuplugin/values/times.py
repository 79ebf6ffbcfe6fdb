"""time.Time and time.Duration: datetime and timedelta."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from emuplugin.values.gotype import GoType
from emuplugin.values.heap import Allocations
from emuplugin.values.integers import IntegerCodec
from emuplugin.values.structs import StructCodec, StructView

_HAS_MONOTONIC = 1 << 63
_NSEC_MASK = (1 << 30) - 1
_WALL_TO_INTERNAL = (1884 * 365 + 1884 // 4 - 1884 // 100 + 1884 // 400) * 86400
"""Seconds from year 1 to 1885 (``time/time.go: wallToInternal``)."""
_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_UNIX = int((datetime(1970, 1, 1, tzinfo=UTC) - _YEAR_ONE).total_seconds())
_ALPHA = -(1 << 63)


def is_time(go_type: GoType) -> bool:
    """Whether it is ``time.Time``."""
    return go_type.string == "time.Time" and go_type.pkg_path == "time"


def is_duration(go_type: GoType) -> bool:
    """Whether it is ``time.Duration``."""
    return go_type.string == "time.Duration" and go_type.pkg_path == "time"


class Duration(timedelta):
    """A ``time.Duration`` as a timedelta; ``nanoseconds`` is exact, the rest in microseconds."""

    nanoseconds: int

    def __new__(cls, nanoseconds: int = 0) -> Duration:
        self = super().__new__(cls, microseconds=nanoseconds // 1000)
        self.nanoseconds = nanoseconds
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Duration, (self.nanoseconds,)


class DurationCodec(IntegerCodec):
    """Takes timedelta, and integers as nanoseconds. Gives :class:`Duration`."""

    plain = False

    def check(self, value: Any) -> int:
        if isinstance(value, Duration):
            value = value.nanoseconds
        elif isinstance(value, timedelta):
            value = (value.days * 86400 + value.seconds) * 10**9 + value.microseconds * 1000
        return super().check(value)

    def decode(self, image: bytes, owner: object) -> Duration:  # type: ignore[override]
        return Duration(super().decode(image, owner))

    def decode_many(self, address: int, count: int, owner: object) -> list[Any]:
        return [Duration(number) for number in super().decode_many(address, count, owner)]

    def reader(self, place: Any) -> Any:
        read = super().reader(place)
        if place.stack_offset is not None:
            return read
        return lambda result: Duration(read(result))

    def go_syntax(self, value: Any, depth: int) -> str:
        return str(value.nanoseconds)

    def text(self, value: Any, depth: int) -> str:
        return f"{self.type.string}({self.go_syntax(value, depth)})"


class TimeView(StructView):
    """A ``time.Time`` in guest memory. ``t.datetime`` is it in Python; methods are Go's own."""

    __slots__ = ()

    @property
    def datetime(self) -> datetime:
        """The time, aware, cut to microseconds. OverflowError outside of the years 1 to 9999."""
        seconds, nanoseconds = self._instant()
        moment = _YEAR_ONE + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
        zone = _zone(self["loc"], seconds - _UNIX)
        return moment if zone is None else moment.astimezone(zone)

    def _instant(self) -> tuple[int, int]:
        """Seconds since year 1 and nanoseconds (``(*Time).sec``, ``(*Time).nsec``)."""
        wall, ext = self["wall"], self["ext"]
        if wall & _HAS_MONOTONIC:
            return _WALL_TO_INTERNAL + ((wall << 1 & (1 << 64) - 1) >> 31), wall & _NSEC_MASK
        return ext, wall & _NSEC_MASK

    def __eq__(self, other: object) -> bool:
        """Whether it is the same instant, as Go's ``t.Equal``; the zone does not matter."""
        if isinstance(other, TimeView):
            return self._instant() == other._instant()
        if isinstance(other, datetime):
            return self.datetime == _aware(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._instant())


class TimeCodec(StructCodec):
    """``time.Time``. Takes datetime too; one without a zone is UTC, as the machine's own zone."""

    def view(self, address: int, owner: object) -> TimeView:
        return TimeView(self, address, owner)

    def build(self, value: Any, allocations: Allocations) -> bytes:
        if isinstance(value, datetime):
            value = _fields(_aware(value))
        return super().build(value, allocations)

    def go_syntax(self, value: Any, depth: int) -> str:
        try:
            return f"({value.datetime.isoformat()})"
        except OverflowError:
            return super().go_syntax(value, depth)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _fields(moment: datetime) -> dict[str, Any]:
    """The fields of a ``time.Time`` without a monotonic reading."""
    passed = moment - _YEAR_ONE
    offset = moment.utcoffset() or timedelta()
    location = None
    if offset:
        # As time.FixedZone makes it.
        zone = {"name": moment.tzname() or "", "offset": int(offset.total_seconds())}
        location = {"name": zone["name"], "zone": [zone], "tx": [{"when": _ALPHA}]}
    return {
        "wall": passed.microseconds * 1000,
        "ext": passed.days * 86400 + passed.seconds,
        "loc": location,
    }


def _zone(location: Any, unix: int) -> timezone | None:
    """The zone at a time (``time/zoneinfo.go: (*Location).lookup``); None for UTC.

    Past the last transition the last zone holds: rules for the far future are not followed.
    """
    if location is None or not len(location.zone):
        return None
    transitions = location.tx
    index = bisect_right([item.when for item in transitions], unix) - 1
    zone = location.zone[transitions[index].index if index >= 0 else 0]
    return timezone(timedelta(seconds=zone.offset), zone.name)
