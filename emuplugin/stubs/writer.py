"""Writing a ``.pyi`` file for a plugin.

The stub describes a class ``Plugin`` with an overload of ``lookup`` per exported name, so that
``p: stubs.Plugin = emuplugin.open(...)`` gives editors and type checkers the names and Go types.
"""

from __future__ import annotations

from emuplugin.plugin import Plugin
from emuplugin.stubs.hints import Hints
from emuplugin.values import Function

_HEAD = """\
# {plugin_path}, written by emuplugin from the plugin's own type metadata.
import datetime
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

import emuplugin

_T = TypeVar("_T")
_E = TypeVar("_E")

class Variable(emuplugin.Variable, Generic[_T, _E]):
    @property
    def value(self) -> _T: ...
    @value.setter
    def value(self, value: _E) -> None: ...

class Pointer(Generic[_T]):
    value: _T
    def __getattr__(self, name: str) -> Any: ...

class Slice(MutableSequence[_T], metaclass=ABCMeta):
    @property
    def cap(self) -> int: ...
    @property
    def is_nil(self) -> bool: ...
    def memoryview(self) -> memoryview: ...

class Channel(Generic[_T]):
    @property
    def cap(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_T]: ...
    def send(self, value: Any, timeout: float | None = ...) -> None: ...
    def recv(self, timeout: float | None = ...) -> _T: ...
    def recv_ok(self, timeout: float | None = ...) -> tuple[_T, bool]: ...
    def close(self) -> None: ...

class Interface:
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...
"""


def write_stubs(plugin: Plugin) -> str:
    """The text of a stub file for ``plugin``; mypy accepts it."""
    hints = Hints()
    lines: list[str] = []
    names = list(plugin.exports)
    for name in names:
        symbol = plugin.lookup(name)
        doc = f"    # {name} {symbol.type}"
        if isinstance(symbol, Function):
            result = hints.function_class(name, symbol.go_type)
        else:
            read, write = hints.read(symbol.go_type), hints.write(symbol.go_type)
            result = f"Variable[{read}, {write}]"
        lines += [
            "    @overload",
            doc,
            f'    def lookup(self, name: Literal["{name}"]) -> {result}: ...',
        ]
    if names:
        lines += ["    @overload", "    def lookup(self, name: str) -> Any: ..."]
    else:
        lines.append("    def lookup(self, name: str) -> Any: ...")
    body = "\n".join(
        [
            _HEAD.format(plugin_path=plugin.plugin_path),
            *hints.classes(),
            "class Plugin(emuplugin.Plugin):",
            *lines,
        ]
    )
    return f"{body}\n"
