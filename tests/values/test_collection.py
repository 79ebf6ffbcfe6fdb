"""What a call takes and gives stays alive while the collector works."""

from __future__ import annotations

from emuplugin.plugin import Plugin
from tests.values.symbols import func_of, var_of


def test_many_large_strings(scalars: Plugin) -> None:
    """Enough garbage for many collections, some of which start between two arguments."""
    concat = func_of(scalars, "Concat")
    for round in range(200):
        left, right = chr(0x61 + round % 26) * 300_000, chr(0x41 + round % 26) * 300_000
        assert concat(left, right) == left + right


def test_many_variadic_strings(scalars: Plugin) -> None:
    join, all_bytes = func_of(scalars, "Join"), func_of(scalars, "AllBytes")
    for round in range(100):
        parts = [f"{round}:{index}" * 50 for index in range(200)]
        assert join("|", *parts) == "|".join(parts)
        data = [part.encode() for part in parts]
        assert all_bytes(1, *data) == b"\1" + b"".join(data)


def test_strings_in_variables(scalars: Plugin) -> None:
    string, repeat = var_of(scalars, "String"), func_of(scalars, "Repeat")
    before = string.value
    for round in range(100):
        string.value = f"{round}," * 20_000
        assert len(repeat("x", 500_000)) == 500_000
        assert string.value == func_of(scalars, "ReadString")() == f"{round}," * 20_000
    string.value = before
