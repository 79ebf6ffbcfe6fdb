"""What this process makes of a worker that was taken over."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emuplugin import (
    DeadMachineError,
    IsolationError,
    Limits,
    Machine,
    Sandbox,
    TimeLimitExceeded,
    WorkerDied,
)
from emuplugin.isolation import numbers, process
from emuplugin.isolation.wire import Reader, WireError, Writer
from tests.isolation.lying_worker import _LIES


def lied_to(monkeypatch: pytest.MonkeyPatch, lie: str, **limits: float) -> Machine:
    """A machine whose worker lies."""
    monkeypatch.setattr(process, "PROGRAM", ("-m", "tests.isolation.lying_worker", lie))
    return Machine(Sandbox(limits=Limits(**limits)))  # type: ignore[arg-type]


@pytest.mark.parametrize("lie", [*_LIES, "length"])
def test_a_worker_that_lies_is_killed(monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    machine = lied_to(monkeypatch, lie)
    with pytest.raises(WorkerDied, match="was killed: it sent what no sound worker sends"):
        machine.run_goroutines()
    assert machine.state == "dead"
    with pytest.raises(DeadMachineError, match="no sound worker") as caught:
        machine.run_goroutines()
    assert isinstance(caught.value.__cause__, WorkerDied)
    machine.close()
    assert machine.state == "closed"


@pytest.mark.parametrize(
    ("end", "code", "signal"), [("exit", 3, ""), ("abort", None, "SIGABRT"), ("half", 0, "")]
)
def test_a_worker_that_ends(
    monkeypatch: pytest.MonkeyPatch, end: str, code: int | None, signal: str
) -> None:
    machine = lied_to(monkeypatch, end)
    with pytest.raises(WorkerDied, match="open the plugin in a new machine") as caught:
        machine.run_goroutines()
    assert (caught.value.exit_code, caught.value.signal) == (code, signal)
    machine.close()


def test_a_worker_that_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkerDied, match="exit code 7"):
        lied_to(monkeypatch, "at once")
    monkeypatch.setattr("sys.executable", str(Path("/nowhere/python")))
    with pytest.raises(IsolationError, match="did not start"):
        Machine()


def test_a_worker_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = lied_to(monkeypatch, "silence", seconds=0.2)
    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match="was killed"):
        machine.run_goroutines()
    assert time.monotonic() - start < 30
    machine.close()


def test_a_flood_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = lied_to(monkeypatch, "flood", memory=16 << 20)
    with pytest.raises(WorkerDied, match="the limit is"):
        machine.run_goroutines()
    machine.close()


def read(data: bytes) -> object:
    def other(reader: Reader, kind: int) -> object:
        raise WireError("other")

    reader = Reader(data, other)
    value = reader.value()
    reader.end()
    return value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    try:
        value = read(data)
    except WireError:
        return
    assert value == value or value != value


def test_changed_bytes_are_a_value_or_an_error() -> None:
    writer = Writer(lambda writer, value: None)
    writer.value(
        [None, True, 5, -1, 1 << 70, 1.5, 2j, "text", b"bytes", (1, "x"), {"k": [1, 2]},
         list(range(20)), ["a", "bc"] * 10, [1.5] * 9, [True] * 9, slice(1, None)]
    )  # fmt: skip
    data, chance = bytes(writer.out), random.Random(7)
    assert read(data) is not None
    errors = 0
    for _ in range(20_000):
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            read(bytes(changed))
        except WireError:
            errors += 1
    assert errors > 1000


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | st.text() | st.complex_numbers(allow_nan=False) | st.datetimes() | st.timedeltas(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)  # fmt: skip


@given(_VALUES)
def test_values_come_as_they_went(value: object) -> None:
    writer = Writer(lambda writer, value: None)
    writer.value(value)
    assert read(bytes(writer.out)) == value


@given(
    st.one_of(
        st.lists(st.integers(-(1 << 63), (1 << 64) - 1), min_size=8),
        st.lists(st.booleans(), min_size=8), st.lists(st.text(), min_size=8),
        st.lists(st.binary(), min_size=8), st.lists(st.floats(allow_nan=False), min_size=8),
    )
)  # fmt: skip
def test_packed_lists_come_as_they_went(value: list[object]) -> None:
    writer = Writer(lambda writer, value: None)
    writer.value(value)
    assert read(bytes(writer.out)) == value


@pytest.mark.parametrize(
    "found",
    [
        None,
        ("d", "<O8", (), None, 1, bytes(8)),
        ("O", "<f8", (), None, 1, bytes(8)),
        ("d", "<f8", (), None, 2, bytes(8)),
        ("d", "<f8", (-1,), None, 1, bytes(8)),
        ("", "|V8", (), [("x", "O")], 1, bytes(8)),
        ("", "|V8", (), [("x", [("y", "|O8")])], 1, bytes(8)),
        ("", "|V8", (), "O", 1, bytes(8)),
        ("d", "<f8", (), None, 1 << 60, b""),
    ],
)
def test_numbers_that_are_pointers_or_too_many(found: object) -> None:
    with pytest.raises(WireError):
        numbers.Numbers.checked(found)
    good = numbers.Numbers.checked(("d", "<f8", (), None, 1, bytes(8)))
    assert good.view("[]float64").tolist() == [0.0]
