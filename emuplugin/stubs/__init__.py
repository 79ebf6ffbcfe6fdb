"""Typed stubs: what a plugin exports, as Python type hints."""

from emuplugin.stubs.writer import write_stubs

__all__ = ["write_stubs"]
