"""Folded stacks and flame graphs."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emuplugin.errors import ConfigurationError
from emuplugin.tracing import events as e
from emuplugin.tracing.formats import save
from emuplugin.tracing.formats.flame import svg
from emuplugin.tracing.formats.weights import weigh
from tests.support.headless import dom, needs_browser

from .made import NASTY, trace_of

F = e.Frame("main.F", "f.go", 7, 1)
G = e.Frame("main.g", "f.go", 12, 2)
SVG = "{http://www.w3.org/2000/svg}"


def call(time: int, goroutine: int, function: str, depth: int) -> e.Call:
    return e.Call(time, time, 1, goroutine, function, "f.go", 1, 1, depth, (), None)


def back(time: int, goroutine: int, function: str, depth: int, spent: int) -> e.Return:
    return e.Return(time, time, 1, goroutine, function, depth, (), spent)


def test_samples_weigh_what_they_stand_for() -> None:
    samples = [e.Sample((F,), 100, 1), e.Sample((G, F), 200, 1), e.Sample((), 300, 0)]
    weights, unit = weigh(trace_of([], samples, every=100))
    assert unit == "instructions"
    assert weights == {("main.F",): 100, ("main.F", "main.g"): 100, ("[unknown]",): 100}


def test_calls_weigh_what_they_spent_without_their_callees() -> None:
    events = [
        back(0, 1, "main.before", 0, 9),  # called before the trace began
        call(1, 1, "main.F", 0),
        call(2, 1, "main.g", 1),
        call(3, 2, "main.other", 0),
        back(4, 1, "main.g", 1, 30),
        call(5, 1, "main.g", 1),
        back(6, 1, "main.g", 1, 20),
        back(7, 2, "main.other", 0, 5),
        back(8, 1, "main.F", 0, 100),
        call(9, 1, "main.F", 0),  # does not end
    ]
    weights, unit = weigh(trace_of(events))
    assert unit == "instructions"
    assert weights == {
        ("main.F",): 50, ("main.F", "main.g"): 50, ("main.other",): 5,
    }  # fmt: skip


def test_allocations_by_number_and_size() -> None:
    events = [
        e.Allocation(1, 1, 1, 1, 64, "main.T", 1, (G, F)),
        e.Allocation(2, 2, 1, 1, 16, "main.T", 1, (G, F)),
        e.Allocation(3, 3, 1, 1, 8, "", 1, ()),
    ]
    trace = trace_of(events)
    assert weigh(trace) == (
        {("main.F", "main.g", "new main.T"): 80, ("[unknown]", "new memory"): 8}, "bytes",
    )  # fmt: skip
    assert weigh(trace, "allocations")[0][("main.F", "main.g", "new main.T")] == 2


def test_what_there_is_none_of() -> None:
    with pytest.raises(ConfigurationError, match="trace with profile=10_000 or calls=True or"):
        weigh(trace_of([]))
    with pytest.raises(ConfigurationError, match="the trace has no bytes: trace with allocations"):
        weigh(trace_of([]), "bytes")
    with pytest.raises(ConfigurationError, match="none of samples, calls, bytes, allocations"):
        weigh(trace_of([]), "time")


def test_folded_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.folded"
    frames = [e.Frame(text, "f.go", 1, 1) for text in NASTY]
    samples = [e.Sample((G, F), 1, 1), *(e.Sample((frame, F), 1, 1) for frame in frames)]
    save(trace_of([], samples, every=7), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "main.F;main.g 7" in lines
    assert "main.F;main.Map[go.shape.struct { A int, B int }] 7" in lines
    assert len(lines) == 1 + len(NASTY)
    for line in lines:
        stack, _, weight = line.rpartition(" ")
        assert weight == "7"
        assert stack.count(";") == 1
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", stack)


def boxes(text: str) -> dict[str, tuple[float, float, float]]:
    """The boxes of a picture by title: x, y, width."""
    found = {}
    for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
        rect, title = group.find(f"{SVG}rect"), group.find(f"{SVG}title")
        if rect is not None and title is not None:
            values = rect.get("x"), rect.get("y"), rect.get("width")
            x, y, width = (float(value or "nan") for value in values)
            found[title.text or ""] = (x, y, width)
    return found


def test_a_flame_graph() -> None:
    weights = {("main.F",): 50, ("main.F", "main.g"): 25, ("main.F", "main.h"): 25}
    found = boxes(svg(weights, "instructions", "A <title>"))
    assert found["all (100 instructions, 100.00%)"] == (10, 100, 1180)
    assert found["main.F (100 instructions, 100.00%, 50 of them its own)"] == (10, 82, 1180)
    assert found["main.g (25 instructions, 25.00%)"] == (10, 64, 295)
    assert found["main.h (25 instructions, 25.00%)"] == (305, 64, 295)


_NAMES = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5)), min_size=1, max_size=6)


@settings(max_examples=50)
@given(weights=st.dictionaries(_NAMES.map(tuple), st.integers(1, 10**9), min_size=1, max_size=12))
def test_boxes_lie_on_their_callers(weights: dict[tuple[str, ...], int]) -> None:
    text = svg(weights, "bytes", NASTY[0]).encode("utf-8", "replace").decode()
    root = ElementTree.fromstring(text)  # whatever the names hold, it is well-formed
    rects = [
        [float(rect.get(name) or "nan") for name in ("x", "y", "width")]
        for group in root.iter(f"{SVG}g")
        if (rect := group.find(f"{SVG}rect")) is not None
    ]
    bottom = max(y for _, y, _ in rects)
    for x, y, width in rects:
        under = [r for r in rects if r[1] == y + 18 and r[0] <= x + 0.02]
        assert y == bottom or any(r[0] + r[2] >= x + width - 0.02 for r in under)
    (script,) = root.iter(f"{SVG}script")
    assert "alert(1)" not in (script.text or "")


def test_very_deep_stacks_end() -> None:
    names = tuple(f"main.f{number}" for number in range(3000))
    found = boxes(svg({names: 5}, "instructions", "deep"))
    assert len(found) == 501
    assert found["main.f499 (5 instructions, 100.00%)"][2] == 1180


@needs_browser
def test_the_picture_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "t.svg"
    samples = [e.Sample((G, F), 1, 1), e.Sample((F,), 2, 1)]
    save(trace_of([], samples, every=100), path)
    shown = dom(path, "search=main.g")
    assert "1 boxes match, 50.00%" in shown
    assert len(re.findall(r'class="box found"', shown)) == 1
