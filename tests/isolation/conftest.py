"""Every machine that a test in here makes is in a process of its own, unless it says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emuplugin import Machine
from emuplugin.isolation.machine import IsolatedMachine


@pytest.fixture(autouse=True, scope="module")
def isolated() -> Iterator[None]:
    """``Machine(...)`` means ``Machine(..., isolate="process")``."""

    def new(cls: type[Machine], *args: Any, **options: Any) -> Machine:
        return object.__new__(IsolatedMachine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Machine, "__new__", new)
        yield
