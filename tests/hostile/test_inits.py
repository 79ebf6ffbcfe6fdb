"""Attacks while the plugin is opened: from an init function."""

from __future__ import annotations

import io

import pytest

from emuplugin import (
    DeadMachineError,
    EmupluginError,
    GoDeadlock,
    GoExit,
    GoPanic,
    GoroutineLimitExceeded,
    InitError,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    TimeLimitExceeded,
)
from tests.hostile.conftest import Hostile, limits


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("loop", TimeLimitExceeded),
        ("wait", GoDeadlock),
        ("memory", MemoryLimitExceeded),
        ("output", OutputLimitExceeded),
        ("exit", GoExit),
        ("panic", GoPanic),
        ("thread", TimeLimitExceeded),
        ("goroutines", GoroutineLimitExceeded),
    ],
)
def test_an_init_function(hostile: Hostile, name: str, cause: type[EmupluginError]) -> None:
    output = io.StringIO()
    attack = hostile(env={"HOSTILE_INIT": name}, limits=limits(seconds=0.7), stdout=output)
    with pytest.raises(InitError) as caught:
        attack.machine.open(attack.path)
    assert isinstance(caught.value.__cause__, cause)
    assert "survived" not in output.getvalue()
    with pytest.raises((InitError, DeadMachineError)):
        attack.machine.open(attack.path)
