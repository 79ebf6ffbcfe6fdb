"""The layout for a plugin at hand: a shipped table where one surely fits, else its own DWARF."""

from __future__ import annotations

from emuplugin.elf.file import ElfFile
from emuplugin.errors import UnsupportedGoVersionError
from emuplugin.runtime_shims.layouts.layout import Layout
from emuplugin.runtime_shims.layouts.tables import candidates, is_measured, unsupported

#: A variable that is one byte long, but has a symbol of two.
_ODD_SYMBOLS = frozenset({"runtime.islibrary"})


def find_layout(version: str, file: ElfFile) -> Layout:
    """The layout of the runtime in ``file``, whose build info names the Go version ``version``.

    A release that was measured has its table. Any other, be it a patch release between two
    measured ones or an unknown minor version, is read from the file's DWARF; a file without
    DWARF gets the table of the nearest release that agrees with the sizes of all runtime
    variables, which stand in the dynamic symbols of stripped files too.

    Raises :class:`~emuplugin.errors.UnsupportedGoVersionError` where none of these can be had,
    and :class:`~emuplugin.errors.FormatError` where the file's DWARF is corrupt.
    """
    try:
        layouts = candidates(version)
    except UnsupportedGoVersionError:
        layouts = []
    if layouts and is_measured(version):
        return layouts[0]
    if ".debug_info" in file.sections:
        # Imported here: hardly anybody needs it, and pyelftools takes 50 to 100 ms.
        from emuplugin.runtime_shims.layouts.dwarf import layout_from_dwarf

        layout = layout_from_dwarf(file, version)
        if layout is not None:
            return layout
    for layout in layouts:
        if not misfits(layout, file):
            return layout
    raise unsupported(version)


def misfits(layout: Layout, file: ElfFile) -> list[str]:
    """The variables whose size is not that of their symbol in ``file``: none, if it fits."""
    names = []
    for name in layout.parts()["variables"]:
        symbol = file.symbols.find(name)
        if symbol is not None and name not in _ODD_SYMBOLS:
            size = layout.size(layout.variable(name))
            if symbol.size not in (0, size):
                names.append(name)
    return names
