"""Python functions where Go wants func values."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest

from emuplugin import ConversionError, GoError, GoPanic, OutOfRangeError
from emuplugin.plugin import Plugin
from emuplugin.values import Function
from tests.values.symbols import Symbols


def collect(go: Symbols) -> None:
    """Run both collectors."""
    gc.collect()
    go.Collect()


def test_arguments_and_results(go: Symbols) -> None:
    assert go.Apply(lambda a, b: a - b, 7, -5) == 12
    assert go.ApplyNamed(pow, 2, 10) == 1024
    assert go.ApplyString(str.upper, "grüße") == "GRÜSSE"
    assert go.TwelveInts(lambda *n: (sum(n), n[11])) == (78, 12)
    points = go.MapPoints(lambda p: {"X": p.Y, "Y": p.X}, [{"X": 1, "Y": 2}, {"X": 3, "Y": 4}])
    assert [(p.X, p.Y) for p in points] == [(2, 1), (4, 3)]


def test_all_kinds_of_arguments(go: Symbols) -> None:
    seen: list[Any] = []

    def take(*args: Any) -> str:
        seen.extend(args)
        return "taken"

    assert go.AllKinds(take) == "taken"
    assert seen[:6] == [True, -8, 1 << 63, 1.5, 2j, "text"]
    numbers, table, pointer, point, array, anything, error, channel, function = seen[6:]
    assert list(numbers) == [1, 2]
    assert dict(table) == {"k": 7}
    assert (pointer.X, point.Y, list(array), anything.value) == (1, 4, [5, 6, 7], "any")
    assert str(error) == "bad"
    assert channel.recv() == 9
    assert function(41) == 42


def test_nil_arguments(go: Symbols) -> None:
    seen: list[Any] = []

    def take(*args: Any) -> int:
        seen.extend(args)
        return 3

    assert go.Nils(take) == 3
    assert seen[0].is_nil
    assert not seen[1]
    assert seen[2:] == [None] * 5


def test_arguments_and_results_on_the_stack(go: Symbols) -> None:
    def serve(names: Any, n: int, floats: Any, point: Any, text: str) -> Any:
        assert (list(names), n, list(floats), text) == (["a", "b"], 1, [1.0, 2.0, 3.0], "s")
        return ("q", "r"), {"X": 7, "Y": point.Y}, [n, 2], 2.5

    assert go.OnStack(serve) == "[q r] {7 5} [1 2] 2.5"


def test_variadic(go: Symbols) -> None:
    assert go.Variadic(lambda text, *numbers: len(numbers) + sum(numbers)) == 900


def test_results_of_functions_that_return_an_error(go: Symbols) -> None:
    def divide(a: int, b: int) -> int:
        if b == 0:
            raise GoError("by zero")
        return a // b

    assert go.Divide(divide, 7, 2) == 3
    with pytest.raises(GoError, match="by zero"):
        go.Divide(divide, 7, 0)
    assert go.Divide(lambda a, b: (a, None), 5, 0) == 5
    error = ValueError("returned")
    assert go.Divide.results(lambda a, b: (a, error), 5, 0) == (5, error)
    assert go.Check(lambda: None) is None
    assert go.Check.results(lambda: error) == (error,)
    assert list(go.List(lambda: (1, 2))) == [1, 2]


def test_what_go_does_not_want_is_dropped(go: Symbols) -> None:
    assert go.Nothing(lambda n: n) is None


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("Apply", lambda a, b: "x", "result of .*: expected int, got str; Go calls it as func"),
        ("Apply", lambda a, b: None, "expected int, got None"),
        ("TwelveInts", lambda *n: 1, "returned int; .* has to return a tuple of 2"),
        ("TwelveInts", lambda *n: (1, 2, 3), "returned 3 values; .* a tuple of 2"),
        ("TwelveInts", lambda *n: (1, "x"), "result 2 of .*: expected int, got str"),
    ],
)
def test_wrong_results(go: Symbols, name: str, function: Callable[..., Any], message: str) -> None:
    args = (1, 2) if name == "Apply" else ()
    with pytest.raises(ConversionError, match=message):
        getattr(go, name)(function, *args)


def test_wrong_results_name_the_path(go: Symbols) -> None:
    with pytest.raises(ConversionError, match=r"result of .*: \.X: expected int, got str"):
        go.MapPoints(lambda p: {"X": "x"}, [{}])
    with pytest.raises(OutOfRangeError, match="out of range"):
        go.Apply(lambda a, b: 1 << 63, 1, 2)


def test_wrong_arguments(go: Symbols) -> None:
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        go.Apply(lambda a: a, 1, 2)
    with pytest.raises(ConversionError, match=r"expected func\(int, int\) int, got int"):
        go.Apply(3, 1, 2)

    async def later(a: int, b: int) -> int:
        return a + b

    with pytest.raises(ConversionError, match="coroutine function"):
        go.Apply(later, 1, 2)


def test_in_variables_fields_elements_and_maps(go: Symbols) -> None:
    go.Callback = lambda n: n * 3
    assert go.CallVariable(5) == 15
    events: list[str] = []
    handlers = go.Handlers
    handlers.OnEvent = events.append
    handlers.Filters = [lambda n: n > 2, lambda n: n < 9]
    handlers.Named = {"half": lambda n: n // 2}
    assert go.Event("started") is None
    assert events == ["started"]
    assert [n for n in range(12) if go.Filter(n)] == [3, 4, 5, 6, 7, 8]
    assert go.CallNamed("half", 9) == 4
    assert handlers.Named["half"](7) == 3
    go.Callback = None
    assert go.Callback is None


def test_func_values_keep_their_identity(go: Symbols) -> None:
    def one(n: int) -> int:
        return n

    assert go.SamePointer(one, one)
    assert not go.SamePointer(one, lambda n: n)
    assert go.ReturnIt(one) is one
    numbers = [1]
    assert go.SamePointer(numbers.index, numbers.index)
    composed = go.Compose(one, go.Double)
    assert isinstance(composed, Function)
    assert go.SamePointer(composed, go.ReturnIt(composed))
    assert go.Twice(go.Compose(lambda n: n + 1, go.Double), 1) == 10


def test_sorting_by_a_python_function(go: Symbols) -> None:
    assert list(go.SortBy([3, 1, 2, 9, 4], lambda a, b: a > b)) == [9, 4, 3, 2, 1]


def test_exceptions_are_panics(go: Symbols) -> None:
    text, kind, is_error = go.Recover(lambda: [].pop())
    assert (text, kind) == ("IndexError: pop from empty list", "*python.IndexError")
    assert is_error
    mine = ValueError("mine")

    def fail() -> NoReturn:
        raise mine

    for call in (go.Again, go.RecoverError, lambda f: go.Deferred(f, int)):
        with pytest.raises(ValueError, match="mine") as caught:
            call(fail)
        assert caught.value is mine
        assert "fail" in [entry.name for entry in traceback.extract_tb(mine.__traceback__)]
    assert "main.Again" in mine.__notes__[0] or "callbacks.Again" in mine.__notes__[0]


def test_exceptions_through_many_levels(go: Symbols) -> None:
    mine = KeyError("deep")

    def down(n: int) -> int:
        if n == 0:
            raise mine
        return int(go.Countdown(down, n))

    with pytest.raises(KeyError) as caught:
        go.Countdown(down, 8)
    assert caught.value is mine
    assert len(mine.__notes__) == 8
    assert go.Countdown(lambda n: n, 3) == 3


def test_panics_of_inner_calls(go: Symbols) -> None:
    def inner() -> None:
        go.Panic("from Go")

    assert go.Recover(inner)[0] == "from Go"
    with pytest.raises(GoPanic) as caught:
        go.Deferred(inner, int)
    assert (caught.value.value, caught.value.type) == ("from Go", "*errors.errorString")

    def catching() -> None:
        with pytest.raises(GoPanic):
            inner()

    assert go.Recover(catching)[0] == ""


def test_deferred_callbacks_run_while_an_exception_is_on_its_way(go: Symbols) -> None:
    after: list[str] = []

    def fail() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        go.Deferred(fail, lambda: after.append(go.ApplyString(str.lower, "RUN")))
    assert after == ["run"]

    def fail_again() -> NoReturn:
        raise LookupError("second")

    with pytest.raises(LookupError, match="second"):
        go.Deferred(fail, fail_again)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_end_the_outermost_call(go: Symbols, kind: type[BaseException]) -> None:
    def stop() -> NoReturn:
        raise kind

    for call in (go.RecoverError, go.Recover, lambda f: go.Deferred(f, int)):
        with pytest.raises(kind):
            call(stop)
    assert go.Double(4) == 8
    assert go.Countdown(lambda n: 1, 1) == 2


def test_from_other_goroutines_and_deep_stacks(go: Symbols) -> None:
    assert go.InGoroutines(lambda n: go.Double(n), 20) == 380
    assert go.Deep(lambda n: go.Deep(lambda m: go.Double(21), 500), 500) == 42


def test_a_call_that_panics_while_a_callback_of_another_goroutine_runs(go: Symbols) -> None:
    slept: list[int] = []
    with pytest.raises(GoPanic, match="meanwhile"):
        go.PanicMeanwhile(lambda: slept.append(go.Sleep(5)))
    assert slept == [5]
    assert go.Countdown(lambda n: n, 3) == 3


def test_arguments_survive_the_collector(go: Symbols) -> None:
    def serve(tracked: Any, text: str, names: Any, held: Any, array: Any, point: Any) -> str:
        go.Garbage(100)
        seen = (tracked.Name, text, *names, held.value.Name, array[1].Name, point.X)
        return repr(seen)

    assert go.Fresh(serve, 6) == repr(
        ("value5", "value5" * 3, "value5", "value5", "value5", "value5", 5)
    )


def test_results_survive_the_collector(go: Symbols) -> None:
    def make(n: int) -> Any:
        go.Garbage(20)
        return str(n) * 5, [str(n), "b" * n], {"X": n, "Y": 2}, {"k": n}

    assert go.Results(make, 40) == f"{'39' * 5}[39 {'b' * 39}] {{39 2}} map[k:39]"


def test_what_go_keeps_stays_and_what_it_drops_goes(go: Symbols, callbacks: Plugin) -> None:
    class Greeter:
        def __call__(self) -> str:
            text: str = go.ApplyString(str.title, "hello ")
            return text

    functions = callbacks.machine.context.python_functions
    collect(go)
    before = len(functions)
    watched = []
    for _ in range(10):
        greeter = Greeter()
        watched.append(weakref.ref(greeter))
        go.Keep(greeter)
    del greeter
    collect(go)
    assert go.CallKept() == "Hello " * 10
    assert all(reference() for reference in watched)
    go.Forget()
    collect(go)
    assert not any(reference() for reference in watched)
    assert len(functions) == before


def test_a_function_passed_again_and_again_stays_usable(go: Symbols) -> None:
    def text() -> str:
        return "x"

    for _ in range(5):
        go.Keep(text)
        collect(go)
        assert go.CallKept() == "x"
        go.Forget()
        go.Collect()  # its finalizer may be under way when it is passed again
    assert go.Recover(text)[0] == ""


def test_from_many_threads(go: Symbols) -> None:
    def work(number: int) -> Any:
        return go.Results(lambda n: (str(number), [str(n)], {"X": number}, {"k": n}), 5)

    with ThreadPoolExecutor(6) as pool:
        for number, text in enumerate(pool.map(work, range(40))):
            assert text == f"{number}[4] {{{number} 0}} map[k:4]"
