"""One call here and in Go's own loader, compared to the bit."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from emuplugin.errors import GoPanic
from emuplugin.plugin import Plugin
from tests.support.oracle import NativePanic, NativePlugin
from tests.values.same import plain
from tests.values.symbols import func_of

#: Text of any kind, now and then bytes that are not UTF-8.
TEXT = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape")),
)


def examples(count: int) -> settings:
    """That many examples, always the same ones: these tests run whole programs."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def check(plugin: Plugin, oracle: NativePlugin, name: str, *arguments: Any) -> Any:
    """Call ``name`` in both; they must return, or panic with, the same. What it was."""
    function = func_of(plugin, name)
    kinds = [result.string for result in function.go_type.results]
    try:
        values = oracle.call(name, *arguments).values
        # A nil []byte comes as None there and as b"" here.
        pairs = zip(values, kinds, strict=True)
        expected = plain([b"" if v is None and kind == "[]uint8" else v for v, kind in pairs])
    except NativePanic as panic:
        expected = "panic", panic.type, panic.text
    try:
        result = plain(function.results(*arguments))
    except GoPanic as panic:
        result = "panic", panic.type, panic.value
    assert result == expected, (name, arguments)
    return result
