"""An inspection as one HTML page that loads nothing: data, style and script are in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from emuplugin.inspection.functions import C
from emuplugin.inspection.packages import STANDARD
from emuplugin.inspection.to_dict import header, plain
from emuplugin.pages import page

if TYPE_CHECKING:
    from emuplugin.inspection.functions import Function
    from emuplugin.inspection.inspection import Inspection

_MAX_CODE: Final = 400_000
"""Bytes of code that the page holds disassembled, of functions outside the standard library."""


class Numbers:
    """Numbers for texts that occur again and again."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        return list(self._numbers)


def to_html(inspection: Inspection) -> str:
    """The page."""
    return page(
        "emuplugin.inspection",
        "page",
        title=f"{inspection.plugin_path}: inspection",
        data=_data(inspection),
        parts={},
    )


def _data(inspection: Inspection) -> dict[str, Any]:
    names, paths, kinds = Numbers(), Numbers(), Numbers()
    packages = {package.path: number for number, package in enumerate(inspection.packages)}
    outside = {
        function.name
        for function in inspection.functions
        if function.language != C
        and function.package
        and inspection.origin(function.package) != STANDARD
    }
    return {
        **header(inspection),
        "capabilities": plain(inspection.capabilities),
        "exports": plain(inspection.exports),
        "inits": plain(inspection.inits),
        "packages": plain(inspection.packages),
        "functions": [
            (
                function.name,
                packages.get(function.package, -1),
                function.address,
                function.size,
                paths.of(function.file),
                function.line,
                function.end_line if function.name in outside else function.line,
                function.language,
            )
            for function in inspection.functions
        ],
        "types": [plain(type_) for type_ in inspection.types if type_.named or type_.methods],
        "interfaces": plain(inspection.interfaces),
        "variables": plain(inspection.variables),
        "strings": plain(inspection.strings),
        "embedded_files": plain(inspection.embedded_files),
        "c_imports": list(inspection.c_imports),
        "edges": [
            (names.of(edge.caller), names.of(edge.callee), kinds.of(edge.kind))
            for edge in dict.fromkeys(
                edge._replace(address=0)
                for edge in inspection.calls
                if edge.caller in outside or edge.callee in outside
            )
        ],
        "code": {
            function.name: [
                (item.address, item_text, item.comment, paths.of(item.file), item.line)
                for item in inspection.disassemble(function)
                for item_text in (f"{item.mnemonic} {item.operands}".rstrip(),)
            ]
            for function in _shown(inspection, outside)
        },
        "names": names.texts,
        "files": paths.texts,
        "kinds": kinds.texts,
    }


def _shown(inspection: Inspection, outside: set[str]) -> Iterator[Function]:
    """The functions whose code the page holds, own packages first, as far as there is room."""
    room = _MAX_CODE
    chosen = [function for function in inspection.functions if function.name in outside]
    for function in sorted(chosen, key=lambda f: inspection.origin(f.package)):
        room -= function.size
        if room < 0:
            return
        yield function
