"""What the runtime reads from its environment at start: GOGC, GOMEMLIMIT, GOMAXPROCS, GODEBUG.

The functions that parse them are not in a plugin, so the same rules stand here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from emuplugin.errors import OpenError

_MAX_INT64 = (1 << 63) - 1
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_LIMIT = re.compile(r"(\d+)(B|KiB|MiB|GiB|TiB)?")
_INTEGER = re.compile(r"[+-]?\d+")


def gogc(env: Mapping[str, str]) -> int:
    """GOGC: percent of heap growth, -1 for ``off`` (``runtime/mgc.go: readGOGC``)."""
    text = env.get("GOGC", "")
    if text == "off":
        return -1
    return _int32(text, 100)


def gomemlimit(env: Mapping[str, str]) -> int:
    """GOMEMLIMIT in bytes (``runtime/mgcpacer.go: readGOMEMLIMIT``). Go aborts on a malformed one;
    that is an OpenError here."""
    text = env.get("GOMEMLIMIT", "")
    if text in ("", "off"):
        return _MAX_INT64
    match = _LIMIT.fullmatch(text)
    value = int(match[1]) * _UNITS[match[2] or "B"] if match else _MAX_INT64 + 1
    if value > _MAX_INT64:
        raise OpenError(
            f"malformed GOMEMLIMIT {text!r}; write a number with B, KiB, MiB, GiB or TiB"
        )
    return value


def gomaxprocs(env: Mapping[str, str], default: int) -> int:
    """GOMAXPROCS (``runtime/proc.go: schedinit``)."""
    value = _int32(env.get("GOMAXPROCS", ""), 0)
    return min(value, 256) if value > 0 else default


def godebug(env: Mapping[str, str]) -> dict[str, int]:
    """The settings of GODEBUG that are numbers, by name; the first of a repeated name wins, as in
    ``runtime/runtime1.go: parsegodebug``, which reads the list from its end."""
    settings: dict[str, int] = {}
    for item in env.get("GODEBUG", "").split(","):
        name, equals, text = item.partition("=")
        if equals and name and _INTEGER.fullmatch(text):
            settings[name] = int(text)
    return settings


_TRACEBACK_CRASH, _TRACEBACK_ALL, _TRACEBACK_SHIFT = 1, 2, 2
_TRACEBACK = {
    "none": 0,
    "": 1 << _TRACEBACK_SHIFT,
    "single": 1 << _TRACEBACK_SHIFT,
    "all": 1 << _TRACEBACK_SHIFT | _TRACEBACK_ALL,
    "system": 2 << _TRACEBACK_SHIFT | _TRACEBACK_ALL,
    "crash": 2 << _TRACEBACK_SHIFT | _TRACEBACK_ALL | _TRACEBACK_CRASH,
}


def gotraceback(env: Mapping[str, str]) -> int:
    """GOTRACEBACK as the runtime keeps it (``runtime/runtime1.go: setTraceback``)."""
    text = env.get("GOTRACEBACK", "")
    if text in _TRACEBACK:
        return _TRACEBACK[text]
    level = _int32(text, -1)
    return _TRACEBACK_ALL | (max(level, 0) << _TRACEBACK_SHIFT & 0xFFFFFFFF if level >= 0 else 0)


def _int32(text: str, default: int) -> int:
    if not _INTEGER.fullmatch(text):
        return default
    value = int(text)
    return value if -(1 << 31) <= value < 1 << 31 else default
