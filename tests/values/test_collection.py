"""What a call takes and gives stays alive while the collector works."""

from __future__ import annotations

import emuplugin


def test_many_large_strings(scalars: emuplugin.Plugin) -> None:
    """Enough garbage for many collections, some of which start between two arguments."""
    concat = scalars.lookup("Concat")
    for round in range(200):
        left, right = chr(0x61 + round % 26) * 300_000, chr(0x41 + round % 26) * 300_000
        assert concat(left, right) == left + right


def test_many_variadic_strings(scalars: emuplugin.Plugin) -> None:
    join, all_bytes = scalars.lookup("Join"), scalars.lookup("AllBytes")
    for round in range(100):
        parts = [f"{round}:{index}" * 50 for index in range(200)]
        assert join("|", *parts) == "|".join(parts)
        data = [part.encode() for part in parts]
        assert all_bytes(1, *data) == b"\1" + b"".join(data)


def test_strings_in_variables(scalars: emuplugin.Plugin) -> None:
    string, repeat = scalars.lookup("String"), scalars.lookup("Repeat")
    before = string.value
    for round in range(100):
        string.value = f"{round}," * 20_000
        assert len(repeat("x", 500_000)) == 500_000
        assert string.value == scalars.lookup("ReadString")() == f"{round}," * 20_000
    string.value = before


def test_errors_that_python_keeps(scalars: emuplugin.Plugin) -> None:
    operate, describe = scalars.lookup("Operate"), scalars.lookup("Describe")
    errors = [operate.results("x" * 1000, code)[1] for code in range(1, 200)]
    for _ in range(50):
        scalars.lookup("Repeat")("x", 1_000_000)
    for code, error in enumerate(errors, 1):
        assert describe(error) == f"error: {'x' * 1000} failed with code {code}"
