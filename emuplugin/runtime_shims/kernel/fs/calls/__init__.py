"""The system calls on files and paths; importing a module registers its calls."""

from __future__ import annotations

from . import attributes, content, copying, names, opening, status, system, watching

__all__ = [
    "attributes",
    "content",
    "copying",
    "names",
    "opening",
    "status",
    "system",
    "watching",
]
