"""Traces of the plugin ``fixtures/traced``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, cast

import emuplugin
from emuplugin.tracing import Trace


def quiet(**changes: Any) -> emuplugin.Sandbox:
    """A sandbox whose plugin is not heard."""
    nothing = cast(IO[bytes], io.BytesIO())
    return emuplugin.Sandbox(**{"stdout": nothing, "stderr": nothing, **changes})


def trace(plugin: Path, name: str | None, *arguments: Any, **what: Any) -> Trace:
    """What a call does, without what opening the plugin did."""
    with emuplugin.Machine(quiet()) as machine:
        opened = machine.open(plugin)
        assert name is not None
        function = opened.lookup(name)
        with machine.trace(**what) as taken:
            try:
                taken.result = function(*arguments)
            except emuplugin.EmupluginError as error:
                taken.error = error
        return taken
