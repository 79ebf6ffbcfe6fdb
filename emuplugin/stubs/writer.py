"""Writing a ``.pyi`` file for a plugin.

The stub describes a class ``Plugin`` with overloads of ``lookup`` and ``[...]`` per exported name,
so that ``p: stubs.Plugin = emuplugin.open(...)`` gives editors and type checkers the names and Go
types. What the stub takes from elsewhere has names with underscores: a Go field can be called Any.
"""

from __future__ import annotations

from emuplugin.plugin import Plugin
from emuplugin.stubs.hints import Hints
from emuplugin.values import Function

_HEAD = """\
# {plugin_path}, written by emuplugin from the plugin's own type metadata.
import datetime as _datetime
from collections.abc import (
    Callable as _Callable,
    Iterable as _Iterable,
    Iterator as _Iterator,
    Mapping as _Mapping,
    Sequence as _Sequence,
)
from typing import (
    Any as _Any,
    Generic as _Generic,
    Literal as _Literal,
    Protocol as _Protocol,
    TypeVar as _TypeVar,
    overload as _overload,
)

import emuplugin
from _typeshed import DataclassInstance as _Dataclass
from typing_extensions import Buffer as _Buffer

# What is read, and what can be written in its place.
_T = _TypeVar("_T")
_E = _TypeVar("_E")
_K = _TypeVar("_K")

class Variable(emuplugin.Variable, _Generic[_T, _E]):
    @property
    def value(self) -> _T: ...
    @value.setter
    def value(self, value: _E) -> None: ...

class Pointer(_Generic[_T, _E]):
    @property
    def value(self) -> _T: ...
    @value.setter
    def value(self, value: _E) -> None: ...

class Array(_Sequence[_T], _Generic[_T, _E]):
    @_overload
    def __getitem__(self, index: int, /) -> _T: ...
    @_overload
    def __getitem__(self, index: slice, /) -> list[_T]: ...
    def __setitem__(self, index: int, value: _E, /) -> None: ...
    def __len__(self) -> int: ...
    def memoryview(self) -> memoryview: ...

class Slice(_Sequence[_T], _Generic[_T, _E]):
    @property
    def cap(self) -> int: ...
    @property
    def is_nil(self) -> bool: ...
    @_overload
    def __getitem__(self, index: int, /) -> _T: ...
    @_overload
    def __getitem__(self, index: slice, /) -> Slice[_T, _E]: ...
    @_overload
    def __setitem__(self, index: int, value: _E, /) -> None: ...
    @_overload
    def __setitem__(self, index: slice, value: _Iterable[_E], /) -> None: ...
    def __delitem__(self, index: int | slice, /) -> None: ...
    def __iadd__(self, values: _Iterable[_E], /) -> Slice[_T, _E]: ...
    def __len__(self) -> int: ...
    def append(self, value: _E) -> None: ...
    def clear(self) -> None: ...
    def extend(self, values: _Iterable[_E]) -> None: ...
    def insert(self, index: int, value: _E) -> None: ...
    def memoryview(self) -> memoryview: ...
    def pop(self, index: int = ...) -> _T: ...
    def remove(self, value: object) -> None: ...
    def reverse(self) -> None: ...

class Map(_Mapping[_K, _T], _Generic[_K, _T, _E]):
    def __getitem__(self, key: _K, /) -> _T: ...
    def __setitem__(self, key: _K, value: _E, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __iter__(self) -> _Iterator[_K]: ...
    def __len__(self) -> int: ...
    def clear(self) -> None: ...
    def pop(self, key: _K, default: _T = ..., /) -> _T: ...
    def popitem(self) -> tuple[_K, _T]: ...
    def setdefault(self, key: _K, default: _E, /) -> _T: ...
    def update(
        self, other: _Mapping[_K, _E] | _Iterable[tuple[_K, _E]] = ..., /, **more: _E
    ) -> None: ...

class Channel(_Generic[_T, _E]):
    @property
    def cap(self) -> int: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> _Iterator[_T]: ...
    def send(self, value: _E, timeout: float | None = ...) -> None: ...
    def recv(self, timeout: float | None = ...) -> _T: ...
    def recv_ok(self, timeout: float | None = ...) -> tuple[_T, bool]: ...
    def close(self) -> None: ...

class Interface:
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> _Any: ...
"""


def write_stubs(plugin: Plugin) -> str:
    """The text of a stub file for ``plugin``; mypy accepts it."""
    hints = Hints(plugin.machine.context)
    symbols: list[tuple[str, str, str]] = []
    for name in plugin.exports:
        symbol = plugin.lookup(name)
        if isinstance(symbol, Function):
            result = hints.function_class(name, symbol.go_type)
        else:
            read, write = hints.read(symbol.go_type), hints.write(symbol.go_type)
            result = f"Variable[{read}, {write}]"
        symbols.append((name, symbol.type, result))
    lines = [line for method in ("lookup", "__getitem__") for line in _overloads(method, symbols)]
    body = "\n".join(
        [
            _HEAD.format(plugin_path=plugin.plugin_path),
            *hints.classes(),
            "class Plugin(emuplugin.Plugin):",
            *lines,
        ]
    )
    return f"{body}\n"


def _overloads(method: str, symbols: list[tuple[str, str, str]]) -> list[str]:
    """A method that takes the name of a symbol; each symbol is its name, Go type and hint."""
    lines: list[str] = []
    for name, go_type, hint in symbols:
        lines += [
            "    @_overload",
            f"    # {name} {go_type}",
            f'    def {method}(self, name: _Literal["{name}"]) -> {hint}: ...',
        ]
    if symbols:
        lines.append("    @_overload")
    return [*lines, f"    def {method}(self, name: str) -> _Any: ..."]
