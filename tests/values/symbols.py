"""Looking up symbols of a known sort."""

from __future__ import annotations

from typing import Any

from emuplugin.plugin import Plugin
from emuplugin.values import Function, Variable


def func_of(plugin: Plugin, name: str) -> Function:
    """The exported function ``name``."""
    symbol = plugin.lookup(name)
    assert isinstance(symbol, Function)
    return symbol


def var_of(plugin: Plugin, name: str) -> Variable:
    """The exported variable ``name``."""
    symbol = plugin.lookup(name)
    assert isinstance(symbol, Variable)
    return symbol


class Symbols:
    """``symbols.NAME`` is the exported function, or the value of the exported variable."""

    plugin: Plugin

    def __init__(self, plugin: Plugin) -> None:
        object.__setattr__(self, "plugin", plugin)

    def __getattr__(self, name: str) -> Any:
        if name not in self.plugin.exports:
            raise AttributeError(name)
        symbol = self.plugin.lookup(name)
        return symbol.value if isinstance(symbol, Variable) else symbol

    def __setattr__(self, name: str, value: Any) -> None:
        var_of(self.plugin, name).value = value
