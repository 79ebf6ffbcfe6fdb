"""Python values as Go writes them, on one line and cut to a length."""

from __future__ import annotations

from typing import Any, Final

from emuplugin.printable import plain
from emuplugin.values.go_syntax import go_quote

_LONGEST: Final = 200


def go_text(value: Any) -> str:
    """``nil``, ``true``, ``"text"``, ``[]byte("x")``, ``[1, 2]``; of others what Python makes of
    them."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _cut(go_quote(value[: _LONGEST + 1].encode("utf-8", "surrogateescape")))
    if isinstance(value, bytes | bytearray):
        return _cut(f"[]byte({go_quote(bytes(value[: _LONGEST + 1]))})")
    if isinstance(value, list | tuple):
        inside = ", ".join(go_text(item) for item in value[:20])
        return _cut(f"[{inside}{', ...' if len(value) > 20 else ''}]")
    return _cut(plain(repr(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
