"""Calls and returns: arguments, results, depth, and calls that end otherwise."""

from __future__ import annotations

from itertools import pairwise

import pytest

import emuplugin
from emuplugin.tracing.events import Call, Panicked, Recovered, Return
from emuplugin.tracing.trace import Trace
from tests.conftest import PluginPath
from tests.tracing.support import trace

_BOTH = pytest.mark.parametrize("stripped", [False, True], ids=["dwarf", "stripped"])


def _lines(taken: Trace) -> list[tuple[str, str, int]]:
    """What happened, as (kind, function, depth)."""
    return [
        (event.kind, event.function, event.depth)
        for event in taken
        if isinstance(event, Call | Return)
    ]


@_BOTH
def test_nested(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version, stripped=stripped), "Add", 2, 3, calls=True)
    assert _lines(taken) == [
        ("call", "main.Add", 0),
        ("call", "main.add", 1),
        ("return", "main.add", 1),
        ("return", "main.Add", 0),
    ]
    outer, inner = taken.of(Call)
    assert [argument.text for argument in outer.arguments] == ["2", "3"]
    assert [argument.type for argument in outer.arguments] == ["int", "int"]
    assert outer.caller is None
    assert inner.caller is not None
    assert inner.caller.function == "main.Add"
    assert inner.line == inner.caller.line + 3  # the lines of the fixture
    assert inner.file.endswith("main.go")
    if stripped:
        assert [(a.name, a.type, a.text) for a in inner.arguments] == [
            ("RAX", "", "0x2"),
            ("RBX", "", "0x3"),
        ]
    else:
        assert [(a.name, a.text) for a in inner.arguments] == [("a", "2"), ("b", "3")]
    assert taken.of(Return)[1].results[0].text == "5"
    # add is `add; ret`, or a little more where it keeps a frame pointer.
    assert 1 <= taken.of(Return)[0].spent <= 4
    assert inner.instructions - outer.instructions <= 12


def test_typed_arguments(go_version: str, plugin_path: PluginPath) -> None:
    """Many types, in registers and on the stack. DWARF before 1.22 leaves out parameters without a
    name; then registers are shown instead of wrong values."""
    taken = trace(plugin_path("traced", go_version), "Mixed", calls="main.mixed")
    (call,) = taken.of(Call)
    texts = [argument.text for argument in call.arguments]
    if go_version.startswith("1.21."):
        assert {argument.type for argument in call.arguments} == {""}
        assert call.arguments[0].name == "RAX"
        return
    assert texts == [
        "-3", '"héllo"', "1.5", "[]int{1, 2, 3}", 'main.Point{X:1, Y:2, name:"p"}', "true", "2.5",
        "map[string]int(1 entries)", "[2]int32{7, 8}", '&errors.errorString{s:"boom"}', '"blank"',
        "9",
    ]  # fmt: skip
    (end,) = taken.of(Return)
    assert [result.text for result in end.results] == [
        "19", '"héllo!"', "5", '&errors.errorString{s:"boom"}',
    ]  # fmt: skip


@_BOTH
def test_exported_results(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version, stripped=stripped), "Mixed", calls="main.Mixed")
    (end,) = taken.of(Return)
    assert [(result.type, result.text) for result in end.results] == [
        ("int", "19"),
        ("string", '"héllo!"'),
        ("float64", "5"),
        ("error", '&errors.errorString{s:"boom"}'),
    ]


def test_function_that_does_nothing(go_version: str, plugin_path: PluginPath) -> None:
    """Its first instruction is its last."""
    plugin = plugin_path("traced", go_version)
    for pattern in ("main.*", "*"):
        taken = trace(plugin, "Nothing", calls=pattern)
        mine = [line for line in _lines(taken) if line[1] in ("main.Nothing", "main.nothing")]
        assert mine == [
            ("call", "main.Nothing", 0),
            ("call", "main.nothing", 1),
            ("return", "main.nothing", 1),
            ("return", "main.Nothing", 0),
        ]


@_BOTH
def test_methods(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    """Their types are known in stripped files too."""
    taken = trace(plugin_path("traced", go_version, stripped=stripped), "Methods", calls=True)
    assert taken.result == 12.0
    calls = {call.function: call for call in taken.of(Call)}
    area = calls["main.Point.Area"]
    assert [a.text for a in area.arguments] == ['main.Point{X:2, Y:3, name:"origin"}', "2"]
    move = calls["main.(*Point).move"]
    if go_version.startswith("1.27") or not stripped:
        assert [a.text for a in move.arguments] == [
            '&main.Point{X:1, Y:2, name:"origin"}',
            "1",
            "1",
        ]
    results = {end.function: end.results for end in taken.of(Return)}
    assert results["main.Point.Area"][0].text == "12"


@_BOTH
def test_recursion_is_counted_exactly(
    stripped: bool, go_version: str, plugin_path: PluginPath
) -> None:
    taken = trace(plugin_path("traced", go_version, stripped=stripped), "Fib", 12, calls="main.fib")
    calls, ends = taken.of(Call), taken.of(Return)
    assert len(calls) == len(ends) == 465  # calls of fib(12): 2*F(13)-1
    assert max(call.depth for call in calls) == 11
    leaves = [
        int(end.results[0].text, 0)
        for call, end in pairwise(taken)
        if isinstance(call, Call) and isinstance(end, Return)
    ]
    assert sum(leaves) == 144


def test_growing_stacks_do_not_count_twice(go_version: str, plugin_path: PluginPath) -> None:
    """morestack leads back to a function's entry, at another address of a moved stack."""
    taken = trace(plugin_path("traced", go_version), "Deep", 60, calls="main.*")
    calls, ends = taken.of(Call), taken.of(Return)
    assert [call.depth for call in calls] == list(range(62))
    assert [end.depth for end in ends] == list(reversed(range(62)))
    assert not any(end.by_panic for end in ends)
    assert [call.arguments[0].text for call in calls[1:]] == [str(60 - n) for n in range(61)]


@_BOTH
def test_recovered_panic(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Recover", 2, calls=True, panics=True)
    assert taken.result == -1
    ends = {(end.function, end.depth): end for end in taken.of(Return)}
    assert [ends["main.fails", depth].by_panic for depth in (2, 3, 4)] == [True] * 3
    assert ends["main.recovers", 1].by_panic
    assert not ends["main.Recover", 0].by_panic
    assert ends["main.Recover", 0].results[0].text == "-1"
    (panic,) = taken.of(Panicked)
    assert panic.value == "no more: 0"
    assert [frame.function for frame in panic.stack] == ["main.fails"] * 3 + [
        "main.recovers",
        "main.Recover",
    ]
    (recovered,) = taken.of(Recovered)
    assert (recovered.value, recovered.function) == ("no more: 0", "main.recovers")
    kinds = [event.kind for event in taken]
    assert kinds.index("panic") < kinds.index("recovered")


@_BOTH
def test_panic_that_nobody_recovers(
    stripped: bool, go_version: str, plugin_path: PluginPath
) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    with emuplugin.Machine() as machine:
        fail, add = (machine.open(plugin).lookup(name) for name in ("Fail", "Add"))
        with machine.trace(calls=True) as taken:
            for _ in range(2):
                with pytest.raises(emuplugin.GoPanic):
                    fail(1)
            add(1, 1)
    once = [
        ("call", "main.Fail", 0), ("call", "main.fails", 1), ("call", "main.fails", 2),
        ("return", "main.fails", 2), ("return", "main.fails", 1), ("return", "main.Fail", 0),
    ]  # fmt: skip
    assert _lines(taken)[:12] == once * 2
    assert all(end.by_panic for end in taken.of(Return)[:6])
    assert _lines(taken)[12:] == [
        ("call", "main.Add", 0), ("call", "main.add", 1), ("return", "main.add", 1),
        ("return", "main.Add", 0),
    ]  # fmt: skip


@_BOTH
def test_goexit(stripped: bool, go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version, stripped=stripped)
    taken = trace(plugin, "Exit", calls="main.*", panics=True)
    ends = {end.function: end for end in taken.of(Return)}
    assert ends["main.leaves"].by_panic
    assert ends["main.Exit.func1"].by_panic
    assert not ends["main.Exit"].by_panic
    assert ends["main.leaves"].goroutine != ends["main.Exit"].goroutine
    assert [panic.goexit for panic in taken.of(Panicked)] == [True]


def test_runtime_error(go_version: str, plugin_path: PluginPath) -> None:
    taken = trace(plugin_path("traced", go_version), "Index", 7, panics=True)
    (panic,) = taken.of(Panicked)
    assert panic.value == "runtime error: index out of range [7] with length 3"
    assert isinstance(taken.error, emuplugin.GoPanic)
    assert panic.value in str(taken.error)
    assert [f.function for f in panic.stack if f.function.startswith("main.")] == [
        "main.index",
        "main.Index",
    ]


def test_spent_is_the_goroutines_own(go_version: str, plugin_path: PluginPath) -> None:
    """What others do while a goroutine waits does not count."""
    taken = trace(plugin_path("traced", go_version), "Workers", 2, calls="main.*")
    all_instructions = taken.ended - taken.began
    for end in taken.of(Return):
        assert 0 <= end.spent < all_instructions
    by_goroutine: dict[int, int] = {}
    for end in taken.of(Return):
        if end.depth == 0:
            by_goroutine[end.goroutine] = by_goroutine.get(end.goroutine, 0) + end.spent
    assert len(by_goroutine) == 4
    # Together no more than there was, although each was there nearly all the time.
    assert sum(by_goroutine.values()) <= all_instructions


def test_patterns(go_version: str, plugin_path: PluginPath) -> None:
    plugin = plugin_path("traced", go_version)

    def functions(pattern: object) -> set[str]:
        return {call.function for call in trace(plugin, "Recover", 1, calls=pattern).of(Call)}

    assert functions("main.fails") == {"main.fails"}
    assert functions(["main.fail?", "main.Rec*"]) == {"main.fails", "main.Recover"}
    assert functions("main") == functions(True) == functions("own")
    assert "main.recovers.func1" in functions(True)
    of_fmt = functions("fmt")
    assert of_fmt
    assert all(name.startswith("fmt.") for name in of_fmt)
    assert functions("nothing.*") == set()


def test_all_functions(go_version: str, plugin_path: PluginPath) -> None:
    """Thousands of functions: their ends are looked for as they are met."""
    taken = trace(plugin_path("traced", go_version), "Recover", 1, calls="*")
    calls = taken.of(Call)
    assert len({call.function for call in calls}) > 40
    mine = [call for call in calls if call.function.startswith("main.")]
    assert [call.function for call in mine] == [
        "main.Recover", "main.recovers", "main.fails", "main.fails", "main.recovers.func1",
    ]  # fmt: skip
    open_calls: dict[int, int] = {}
    for event in taken:
        if isinstance(event, Call):
            assert event.depth == open_calls.get(event.goroutine, 0)
            open_calls[event.goroutine] = event.depth + 1
        elif isinstance(event, Return):
            open_calls[event.goroutine] = event.depth
