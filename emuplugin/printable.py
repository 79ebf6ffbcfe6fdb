"""Text that comes from a plugin or its file, made harmless for terminals."""

from __future__ import annotations

import re
from typing import Final

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(text: str) -> str:
    """Text on one line, without control characters, which could recolour or erase what was printed:
    they are written out."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)
