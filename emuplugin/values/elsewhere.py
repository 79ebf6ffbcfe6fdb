"""Elsewhere: values whose machine is not in this process."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any


class Elsewhere:
    """What functions over Go values ask, where they cannot look at the memory themselves."""

    __slots__ = ()

    @abstractmethod
    def _to_python(self) -> Any:
        """See :func:`emuplugin.to_python`."""

    @abstractmethod
    def _to_json(self, indent: str) -> str:
        """See :func:`emuplugin.to_json`."""
