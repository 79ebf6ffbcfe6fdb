"""bool: Python's bool, and nothing else."""

from __future__ import annotations

from typing import Any

from emuplugin.values.codec import Codec
from emuplugin.values.heap import Allocations
from emuplugin.values.live import unboxed
from emuplugin.values.mismatch import wrong_type


class BooleanCodec(Codec):
    """One byte, 0 or 1."""

    plain = atomic = detached = True

    def decode(self, image: bytes, owner: object) -> bool:
        return image[0] & 1 == 1

    def go_syntax(self, value: Any, depth: int) -> str:
        return "true" if value else "false"

    def encode(self, value: Any, allocations: Allocations) -> bytes:
        value = unboxed(self, value)
        if not isinstance(value, bool):
            raise wrong_type(self.expected, value)
        return b"\1" if value else b"\0"
