"""Sandboxes that people need, by name. See the methods of :class:`emuplugin.Sandbox`.

None of them opens anything of the host: no preset grants a file, a variable or a connection. What
differs is how much a plugin may use up, and whether it sees the host's clock and chance.
"""

from __future__ import annotations

from typing import Any, Final

from .sandbox import Limits

_STRICT: Final = Limits(
    memory=128 << 20,
    seconds=5.0,
    instructions=2_000_000_000,
    output=1 << 20,
    file_bytes=16 << 20,
    open_files=64,
    goroutines=1_000,
    threads=32,
)
_TRUSTED: Final = Limits(
    memory=4 << 30,
    seconds=None,
    instructions=None,
    output=None,
    file_bytes=None,
    open_files=65_536,
    goroutines=None,
    threads=4_096,
)

#: What each preset sets; what is not there is as ``Sandbox()`` has it.
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "strict": {"limits": _STRICT},
    "default": {},
    "trusted": {"limits": _TRUSTED, "clock": "host", "seed": None},
}
