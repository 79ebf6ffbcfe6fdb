"""Many calls in one go, against as many single ones."""

from __future__ import annotations

import math
import signal
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emuplugin
from emuplugin import Limits, Sandbox
from emuplugin.errors import (
    ClosedError,
    ConversionError,
    DeadMachineError,
    GoError,
    Goexit,
    GoPanic,
    InstructionLimitExceeded,
    OutOfRangeError,
    TimeLimitExceeded,
    UnsupportedTypeError,
)
from emuplugin.runtime_shims import loops
from tests.conftest import PluginPath
from tests.support.garbage import nothing_collected
from tests.values.drawn import same
from tests.values.same import plain
from tests.values.symbols import Symbols, func_of
from tests.values.test_matrix import DRAWN, SIGNATURES, TYPES, Matrix, comparable

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


@pytest.fixture(scope="module", params=[None, "process"], ids=["here", "process"])
def plugin(
    request: pytest.FixtureRequest, go_version: str, plugin_path: PluginPath
) -> Iterator[emuplugin.Plugin]:
    """fixtures/batches, in this process and in one of its own."""
    path = plugin_path("batches", go_version, stripped=True)
    with emuplugin.Machine(isolate=request.param) as machine:
        yield machine.open(path)


@pytest.fixture
def go(plugin: emuplugin.Plugin) -> Symbols:
    return Symbols(plugin)


@pytest.fixture(scope="module")
def matrix(go_version: str, plugin_path: PluginPath) -> Iterator[Matrix]:
    """fixtures/kinds_matrix: functions of hundreds of types."""
    path = plugin_path("kinds_matrix", go_version, stripped=True)
    with closing(emuplugin.open(path)) as opened:
        yield Matrix(opened)


# --- results --------------------------------------------------------------------------------------


def test_a_function_of_two(go: Symbols) -> None:
    assert go.Add.map([1, 2, 3], [10, 20, 30]) == [11, 22, 33]
    assert go.Add.map(range(5000), count()) == list(range(0, 10_000, 2))
    assert go.Add.map((n for n in (1, 2)), [1, 2, 3]) == [2, 4]
    assert go.Add.map([], [1]) == []


INTS = {
    "int8": 8, "uint16": -16, "int32": 32, "uint64": -64,
}  # fmt: skip


def numbers(bits: int) -> st.SearchStrategy[int]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits > 0 else (0, (1 << -bits) - 1)
    return st.integers(low, high)


@settings(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(*map(numbers, INTS.values()), st.floats(width=32), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_all_widths(plugin: emuplugin.Plugin, rows: list[tuple[Any, ...]]) -> None:
    small = func_of(plugin, "Small")
    found = small.map(*zip(*rows, strict=True))
    assert plain(found) == plain([small(*row) for row in rows])


@settings(max_examples=15)
@given(rows=st.lists(st.tuples(st.complex_numbers(), st.complex_numbers(width=64)), min_size=1))
def test_complex_numbers(plugin: emuplugin.Plugin, rows: list[tuple[complex, complex]]) -> None:
    turn = func_of(plugin, "Turn")
    assert plain(turn.map(*zip(*rows, strict=True))) == plain([turn(*row) for row in rows])


def test_strings(go: Symbols) -> None:
    texts = ["", "a", "straße", "\udcff", "x" * 10_000, "日本"] * 3
    assert go.Upper.map(texts) == [go.Upper(text) for text in texts]


def test_results_of_other_kinds(go: Symbols) -> None:
    assert go.Even.map([1, 2]) == [False, True]
    assert go.Nothing.map([1, 2, 3]) == [None] * 3
    assert go.Calls == 6
    go.Calls = 0
    words = go.Words.map([0, 1, 7])
    assert [list(found) for found in words] == [[], ["1 0"], ["7 0", "7 1"]]
    assert go.Sum.map([1, 2, 3]) == [1, 2, 3]  # any number of arguments: one by one


def test_arguments_on_the_stack(go: Symbols) -> None:
    rows = [([n, n + 1, n + 2], f"text {n}", [{"X": n, "Y": 1}, {"X": 2, "Y": n}]) for n in (1, 7)]
    found = go.Wide.map(*zip(*rows, strict=True))
    for n, (points, numbers_, text) in zip((1, 7), found, strict=True):
        assert [(point.X, point.Y) for point in points] == [(n, 1), (2, n)]
        assert list(numbers_) == [n + 2, n + 1, n]
        assert text == f"text {n}"
    assert go.Huge.map([[*range(100)], [5] * 100]) == [99, 5]  # too large for the loop


def test_methods(go: Symbols) -> None:
    half, origin = go.Half, go.Origin
    assert go.plugin.lookup("Half").value == 0.5
    pointer = go.plugin.make("*main.Point", {"X": 1, "Y": 2})
    del half, origin
    moved = pointer.Move.map([1, 10, 100])
    assert [point.X for point in moved] == [2, 12, 112]
    assert pointer.X == 112


@pytest.mark.parametrize("number", [pytest.param(n, id=name) for n, name in enumerate(TYPES)])
def test_every_type(matrix: Matrix, number: int) -> None:
    function = func_of(matrix.plugin, f"Id{number:03}")
    (go_type,) = function.go_type.params
    if go_type.is_error:
        pytest.skip("an error as the last result ends the calls")

    @DRAWN
    @given(drawn=st.lists(matrix.drawing.values(go_type), min_size=2, max_size=5))
    def check(drawn: list[Any]) -> None:
        found = function.map([matrix.passing.value(go_type, value) for value in drawn])
        for mine, its in zip(drawn, found, strict=True):
            assert same(go_type, mine, its, matrix.boxes)

    check()


@pytest.mark.parametrize("number", range(len(SIGNATURES)), ids=lambda n: ", ".join(SIGNATURES[n]))
def test_every_signature(matrix: Matrix, number: int) -> None:
    function = func_of(matrix.plugin, f"Call{number:03}")
    params = function.go_type.params

    @DRAWN
    @given(drawn=st.lists(st.tuples(*map(matrix.drawing.values, params)), min_size=2, max_size=4))
    def check(drawn: list[tuple[Any, ...]]) -> None:
        rows = [
            [matrix.passing.value(*pair) for pair in zip(params, row, strict=True)] for row in drawn
        ]
        found = function.map(*zip(*rows, strict=True))
        for row, mine, its in zip(rows, drawn, found, strict=True):
            *results, text = its
            for go_type, value, result in zip(params, mine, reversed(results), strict=True):
                assert same(go_type, value, result, matrix.boxes)
            assert comparable(text) == comparable(function.results(*row)[-1])

    check()


def test_more_signatures_than_places(
    go_version: str, plugin_path: PluginPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "SLOTS", 2)
    with closing(emuplugin.open(plugin_path("batches", go_version), Sandbox())) as plugin:
        go = Symbols(plugin)
        for _ in range(3):
            assert go.Add.map([1], [2]) == [3]
            assert go.Upper.map(["a", "b"]) == ["A", "B"]
            assert go.Even.map([1, 2]) == [False, True]
            # Nobody knows whether the outer loops will go on: inner ones find no place.
            twice = go.Apply.map([lambda n: len(go.Upper.map(["c"] * n)[0])] * 2, [1, 1])
            assert twice == [1, 1]


# --- arrays ---------------------------------------------------------------------------------------


def test_arrays_of_numbers(go: Symbols) -> None:
    numbers_ = array("q", [1, -2, 3])
    assert go.Add.array(numbers_, numbers_) == array("q", [2, -4, 6])
    assert go.Add.array(numbers_, 10) == array("q", [11, 8, 13])
    assert go.Add.array(5, memoryview(numbers_)[::2]) == array("q", [6, 8])
    assert go.Add.array([1, 2], range(2)) == array("q", [1, 3])
    assert go.Add.array(array("q"), 1) == array("q")
    evens = go.Even.array(numbers_)
    assert (evens.format, evens.tolist()) == ("?", [False, True, False])
    assert go.Nothing.array([0, 0]) is None


def test_numpy(go: Symbols) -> None:
    first = numpy.arange(1000, dtype=numpy.int64)
    assert (numpy.asarray(go.Add.array(first, first[::-1])) == 999).all()
    columns = (
        first.astype(numpy.int8), first.astype(numpy.uint16), first.astype(numpy.int32),
        first.astype(numpy.uint64), numpy.linspace(-5, 5, 1000, dtype=numpy.float32),
        first % 3 == 0,
    )  # fmt: skip
    found = go.Small.array(*columns)
    expected = go.Small.map(*(column.tolist() for column in columns))
    for mine, its in zip(found, zip(*expected, strict=True), strict=True):
        assert plain(list(mine)) == plain(list(its))
    assert [memoryview(column).format for column in found] == ["B", "h", "I", "q", "d", "?"]


def test_arrays_that_do_not_fit(go: Symbols) -> None:
    with pytest.raises(ConversionError, match=r"Add\.array needs .* one length, got 2, 3"):
        go.Add.array([1, 2], [1, 2, 3])
    with pytest.raises(ConversionError, match="at least one argument with several values"):
        go.Add.array(1, 2)
    with pytest.raises(ConversionError, match="argument 2: expected int, got str"):
        go.Add.array([1], "2")
    with pytest.raises(UnsupportedTypeError, match=r"not string; Upper\.map takes any"):
        go.Upper.array(["a"])
    with pytest.raises(UnsupportedTypeError, match="complex64"):
        go.Turn.array([1j], 2)
    assert go.Sum.array([1, 2]) == array("q", [1, 2])
    assert go.Huge.array([[7] * 100]) == array("q", [7])


# --- failures -------------------------------------------------------------------------------------


def test_what_cannot_be_converted(go: Symbols) -> None:
    go.Calls = 0
    with pytest.raises(OutOfRangeError, match=r"call \[2\] of Checked, argument 1: expected int"):
        go.Checked.map([1, 2, 1 << 70])
    assert go.Calls == 0  # before the first call
    with pytest.raises(ConversionError, match=r"call \[1\] of Add, argument 2: expected int"):
        go.Add.map([1, 2], [1, "2"])
    with pytest.raises(ConversionError, match=r"each parameter, which are 2, got 1 argument;"):
        go.Add.map([1])
    with pytest.raises(ConversionError, match=r"which are none, got 0 arguments; None is func"):
        go.plugin.lookup("None").map()


def test_a_panic_in_the_middle(go: Symbols) -> None:
    go.Calls = 0
    with pytest.raises(GoPanic, match="integer divide by zero") as caught:
        go.Inverse.map([1, 2, 0, 4])
    assert caught.value.index == 2
    assert caught.value.__notes__ == ["in call [2] of Inverse"]
    assert "batches.Inverse(" in caught.value.traceback
    assert "emuplugin" not in caught.value.traceback
    assert go.Calls == 3
    assert go.Inverse.map([1, 2]) == [100, 50]
    with pytest.raises(GoPanic) as caught:
        go.Inverse.array(
            [5, 0],
        )
    assert caught.value.index == 1
    assert go.Recovered.map([5, 0, 1]) == [20, -1, 100]


def test_an_error_ends_it(go: Symbols) -> None:
    go.Calls = 0
    assert go.Checked.map([1, 2]) == [2, 4]
    with pytest.raises(GoError, match="-2 is negative") as caught:
        go.Checked.map([1, -2, 3])
    assert caught.value.index == 1
    assert go.Calls == 4
    with pytest.raises(GoError, match="seven") as caught:
        go.Root.array([1, 7])
    assert caught.value.index == 1
    assert go.Root.map([1, 2]) == [None, None]


def test_goexit(go: Symbols) -> None:
    with pytest.raises(Goexit) as caught:
        go.Leave.map([1, 2, 3, 4])
    assert caught.value.index == 2
    assert go.Leave.map([4, 5]) == [4, 5]


def test_what_python_raises(go: Symbols) -> None:
    def check(n: int) -> int:
        return 10 // n

    with pytest.raises(ZeroDivisionError) as caught:
        go.Apply.map([check] * 3, [5, 0, 1])
    assert "in call [1] of Apply" in caught.value.__notes__
    assert go.Apply.map([check] * 2, [5, 2]) == [2, 5]


def test_batches_in_batches(go: Symbols) -> None:
    def inner(n: int) -> int:
        return sum(go.Apply.map([lambda m: go.Add(m, n)] * n, list(range(n))))

    assert go.Apply.map([inner] * 4, [0, 1, 2, 3]) == [0, 1, 5, 12]


# --- the runtime ----------------------------------------------------------------------------------


def test_the_collector_sees_everything(go: Symbols) -> None:
    points = go.Garbage.map(range(400))
    assert [(point.X, point.Y) for point in points] == [(n, -n) for n in range(400)]
    words = [[str(n), "x" * (n % 7)] for n in range(300)]
    go.Kept = []
    assert go.Keep.map(words) == list(range(1, 301))
    go.Garbage.map(range(100))
    assert [list(kept) for kept in go.Kept] == words


def test_stacks_that_move(go: Symbols) -> None:
    assert go.Deep.map([1, 50, 500, 5, 3000, 2]) == [1, 50, 500, 5, 3000, 2]


def test_other_goroutines(go: Symbols) -> None:
    assert go.Shared.map(range(50)) == list(range(1, 51))
    assert [wait.total_seconds() for wait in go.Sleep.map([1, 20])] == [0.001, 0.02]
    go.Others()
    before = go.Counted
    go.Spin.map([200_000] * 200)
    assert go.Counted > before  # it came to its turn in the middle
    go.Stop()


def again(add: emuplugin.Function, values: array[int]) -> None:
    """Until something ends it; not for ever."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        add.array(values, 1)


def test_ctrl_c(go_version: str, plugin_path: PluginPath) -> None:
    """It ends the loop where it stands. It may also come while Python is busy with the machine,
    which is dead then; mostly not."""
    main = threading.main_thread().ident
    assert main is not None
    values = array("q", bytes(8 * 8_000_000))
    states = []
    for _ in range(5):
        with closing(emuplugin.open(plugin_path("batches", go_version), Sandbox())) as plugin:
            add = func_of(plugin, "Add")
            add.array(values[:1000], 1)
            timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
            with nothing_collected():
                timer.start()
                with pytest.raises(KeyboardInterrupt):
                    again(add, values)
                timer.join()
            states.append(plugin.machine.state)
            if states[-1] == "running":
                assert add.map([1], [2]) == [3]
                return
    pytest.fail(f"it was {states}")


@pytest.mark.parametrize("isolate", [None, "process"])
def test_limits_are_of_all_calls_together(
    go_version: str, plugin_path: PluginPath, isolate: Any
) -> None:
    path = plugin_path("batches", go_version, stripped=True)
    for limits, error in (
        ({"seconds": 0.5}, TimeLimitExceeded),
        ({"instructions": 30_000_000}, InstructionLimitExceeded),
    ):
        with emuplugin.Machine(Sandbox(limits=Limits(**limits)), isolate=isolate) as machine:
            spin = machine.open(path).lookup("Spin")
            assert spin.map([1, 2]) == [1, 2]
            start = time.monotonic()
            with pytest.raises(error):
                spin.map([10_000] * 100_000)
            assert time.monotonic() - start < 20
            with pytest.raises(DeadMachineError):
                spin.map([1])
    with pytest.raises(ClosedError):
        spin.map([1])
    with pytest.raises(ClosedError):
        spin.array([1])


def test_threads(go: Symbols) -> None:
    results: list[Any] = []

    def work() -> None:
        results.extend(go.Add.map(range(500), [1] * 500) == list(range(1, 501)) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 80


def test_it_is_faster(go_version: str, plugin_path: PluginPath) -> None:
    with closing(emuplugin.open(plugin_path("batches", go_version), Sandbox())) as plugin:
        add = func_of(plugin, "Add")
        values = array("q", range(20_000))

        def seconds(run: Callable[[], Any]) -> float:
            best = math.inf
            for _ in range(3):
                start = time.perf_counter()
                run()
                best = min(best, time.perf_counter() - start)
            return best

        single = seconds(lambda: [add(value, 1) for value in values])
        assert seconds(lambda: add.map(values, [1] * 20_000)) < single / 2
        assert seconds(lambda: add.array(values, 1)) < single / 10


def test_going_back_and_second_machines(go_version: str, plugin_path: PluginPath) -> None:
    """What was made for calls, in Python and in the guest, is right in every state and machine."""
    with emuplugin.Machine() as machine:
        go = Symbols(machine.open(plugin_path("batches", go_version)))
        assert go.Upper("a") == "A"
        before = machine.snapshot()
        for number in range(3):
            assert go.Add.map([1, 2], [number, number]) == [1 + number, 2 + number]
            assert go.Upper.map(["x" * number, "y"]) == ["X" * number, "Y"]
            assert [go.Upper(f"{n} b") for n in range(300)] == [f"{n} B" for n in range(300)]
            between = machine.snapshot()
            assert go.Even.map([1, 2]) == [False, True]
            machine.restore(before)
            assert go.Even.map([1, 2]) == [False, True]
            assert go.Checked.map([1, 2]) == [2, 4]
            with before.clone() as clone, between.clone() as later:
                for other in (Symbols(clone.plugins[0]), Symbols(later.plugins[0])):
                    assert other.Checked(4) == 8
                    assert other.Upper("c") == "C"
                    assert other.Wide.map([[1, 2, 3]], ["w"], [[{"X": 1}] * 2])[0][2] == "w"
                    assert other.Upper.map(["c", "d"]) == ["C", "D"]
                    assert other.Add.map([1], [2]) == [3]
            assert go.Add(1, 2) == 3
            machine.restore(between)
            assert go.Even.map([1, 2]) == [False, True]
            assert go.Upper("c") == "C"
            machine.restore(before)
