"""Where the Go runtime keeps its fields: struct layouts per Go release.

The tables (``go1.21.json`` ...) are generated from the DWARF of a reference plugin by
:mod:`emuplugin.runtime_shims.layouts.generate`. A plugin of a release without a table is read
from its own DWARF, if it has any: :func:`find_layout` decides.
"""

from __future__ import annotations

from emuplugin.runtime_shims.layouts.find import find_layout
from emuplugin.runtime_shims.layouts.layout import Field, Layout
from emuplugin.runtime_shims.layouts.tables import known_versions

__all__ = ["Field", "Layout", "find_layout", "known_versions"]
