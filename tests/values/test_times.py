"""time.Time and time.Duration, as datetime and timedelta."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.values.symbols import Symbols


def test_times_are_read(faces: Symbols) -> None:
    assert faces.Moment.datetime == datetime(2024, 2, 29, 12, 30, 15, 123456, UTC)
    assert faces.Moment.Nanosecond() == 123456789
    zoned = faces.Zoned.datetime
    assert zoned.isoformat() == "1999-12-31T23:59:59-05:00"
    assert zoned.tzname() == "EST"
    assert faces.ZeroTime.datetime == datetime(1, 1, 1, tzinfo=UTC)
    assert faces.Now.datetime.isoformat() + "Z" == faces.Format(faces.Now).split("Z")[0] + "Z" or (
        faces.Now.Unix() == int(faces.Now.datetime.timestamp())
    )
    assert faces.Calendar["leap"] == faces.Moment
    assert repr(faces.Moment) == "time.Time(2024-02-29T12:30:15.123456+00:00)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2000, 1, 2, 3, 4, 5, 6, UTC), "2000-01-02T03:04:05.000006Z UTC"),
        (datetime(2000, 1, 2), "2000-01-02T00:00:00Z UTC"),
        (
            datetime(1969, 7, 20, 20, 17, tzinfo=timezone(timedelta(hours=5, minutes=30), "IST")),
            "1969-07-20T20:17:00+05:30 IST",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z UTC"),
    ],
)
def test_datetimes_become_times(faces: Symbols, value: datetime, text: str) -> None:
    assert faces.Format(value) == text
    faces.ZeroTime = value
    assert faces.ZeroTime == value
    faces.ZeroTime = {}
    later = faces.Add(value, timedelta(days=1, microseconds=1))
    assert later == value + timedelta(days=1, microseconds=1)


def test_durations(faces: Symbols) -> None:
    assert faces.Span == timedelta(seconds=90)
    assert faces.Double(timedelta(seconds=1.5)) == timedelta(seconds=3)
    assert faces.Double(7).nanoseconds == 14
    assert faces.Double(faces.Spans[0]).nanoseconds == 2
    assert [span.nanoseconds for span in faces.Spans] == [1, 3600 * 10**9]
    assert faces.Seconds(timedelta(minutes=1), faces.Spans[1]) == 3660
    faces.Span = timedelta(milliseconds=-5)
    assert faces.Describe(faces.plugin.type("time.Duration")(faces.Span)) == "time.Duration -5ms"
    assert repr(faces.Spans) == "[]time.Duration{1, 3600000000000}"
