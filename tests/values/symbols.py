"""Looking up symbols of a known sort."""

from __future__ import annotations

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
