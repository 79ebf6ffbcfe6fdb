"""Names for addresses: what a number in the code means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from emuplugin.elf.image import Image
from emuplugin.inspection.data_symbols import DataSymbols
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.functions import Function
from emuplugin.inspection.interfaces import RawItab
from emuplugin.inspection.references import References

_MAX_PREVIEW: Final = 60


def data_names(descriptors: Descriptors, itabs: Iterable[RawItab]) -> dict[int, str]:
    """The names of types and itabs by address, as the linker makes them."""
    names = {
        address: f"type:{go_type.string}" for address, go_type in descriptors.by_address.items()
    }
    for itab in itabs:
        names[itab.address] = f"go:itab.{itab.type.string},{itab.interface.string}"
    return names


class Labels:
    """Answers what lies at an address: function, import, type, itab, string, variable.

    ``types`` and ``itabs`` give names by exact address, ``strings`` values; they are asked for
    when they are needed.
    """

    def __init__(
        self,
        image: Image,
        functions: Sequence[Function],
        references: References,
        symbols: Callable[[], DataSymbols],
        names: Callable[[], Mapping[int, str]],
        strings: Callable[[], Mapping[int, str]],
    ) -> None:
        self._image = image
        self._functions = functions
        self._references = references
        self._symbols = symbols
        self._names = names
        self._strings = strings

    def __call__(self, address: int) -> str:
        """The name, with an offset inside of functions and variables; empty if nothing is known."""
        name = self._image.imports.get(address)
        if name is not None:
            return name
        index = self._references.index_at(address)
        if index is not None:
            function = self._functions[index]
            return _offset(function.name, address - function.address)
        through = self._references.import_behind(address)
        if through:
            return through
        name = self._names().get(address)
        if name is not None:
            return name
        value = self._strings().get(address)
        if value is not None:
            shown = value if len(value) <= _MAX_PREVIEW else f"{value[:_MAX_PREVIEW]}..."
            return quoted(shown)
        symbol = self._symbols().at(address)
        if symbol is not None:
            return _offset(symbol.name, address - symbol.address)
        return self._func_value(address)

    def _func_value(self, address: int) -> str:
        """The name of the function that a func value at ``address`` holds."""
        if address & 7 or not self._image.holds(address, 8):
            return ""
        index = self._references.entry_at(self._image.read_u64(address))
        return f"{self._functions[index].name}·f" if index is not None else ""


def _offset(name: str, offset: int) -> str:
    return f"{name}+{offset:#x}" if offset else name


def quoted(text: str) -> str:
    """A string as Go writes it."""
    parts = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            parts.append(f"\\{char}")
        elif 0xDC80 <= code <= 0xDCFF:
            parts.append(f"\\x{code - 0xDC00:02x}")
        elif char.isprintable():
            parts.append(char)
        else:
            parts.append(
                _ESCAPES.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
            )
    return f'"{"".join(parts)}"'


_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
