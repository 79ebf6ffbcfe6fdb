"""A plugin's ``runtime.moduledata``, read from the image of its file: the root of Go's tables.

Where its fields lie differs between Go versions; the layouts tell. Implements the ``TypeSource`` of
:mod:`emuplugin.values`, so that types of a file are read by the code that reads those of a machine.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from emuplugin.elf.file import ElfFile
from emuplugin.elf.image import Image
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.elf.pclntab import PclnTable
from emuplugin.errors import FormatError, NotAPluginError
from emuplugin.runtime_shims.layouts import Layout, find_layout
from emuplugin.values.guest import ModuleTypes

_MAX_ENTRIES: Final = 1 << 22


class Module:
    """One plugin's module data. ``image`` is for callers that have mapped the file already.

    Raises NotAPluginError where there is none, UnsupportedGoVersionError for a Go version without
    layouts, and what relocating raises.
    """

    def __init__(self, file: ElfFile, image: Image | None = None) -> None:
        info = file.build_info
        if info is None:
            raise NotAPluginError(
                "no Go build info: not made by Go 1.18 or later; "
                "build it with go build -buildmode=plugin"
            )
        self.file = file
        self.layout: Layout = find_layout(info.go_version, file)
        self.address = find_moduledata(file)
        self.image = Image(file) if image is None else image
        self.experiments = frozenset(info.experiments)
        major, _, minor = info.minor.partition(".")
        self.go_minor = (int(major), int(minor)) if major and minor else (0, 0)
        types, etypes = self.field("types"), self.field("etypes")
        text, etext = self.field("text"), self.field("etext")
        if not (types <= etypes <= len(self.image) and text <= etext <= len(self.image)):
            raise FormatError("Go module data is corrupt: its sections lie outside the file")
        self.text, self.etext = text, etext
        """Go's code."""
        self.types, self.etypes = types, etypes
        """Type descriptors, names, and from Go 1.27 on itabs."""
        self._all_types = ModuleTypes(types, etypes, text, {})

    # --- fields -----------------------------------------------------------------------------

    def has(self, path: str) -> bool:
        """Whether module data of this Go version has the field."""
        return self.layout.has("runtime.moduledata", path)

    def field(self, path: str) -> int:
        """The word in the field."""
        return self.image.read_u64(self.address + self.layout.offset("runtime.moduledata", path))

    def slice(self, path: str, item_size: int) -> memoryview:
        """The bytes of a slice whose items are of that size."""
        count = self.field(f"{path}.len")
        if count > _MAX_ENTRIES:
            raise FormatError(f"moduledata.{path} has {count} entries")
        return self.image.view(self.field(f"{path}.array") if count else 0, count * item_size)

    @cached_property
    def plugin_path(self) -> str:
        """``moduledata.pluginpath``: the import path, or ``plugin/unnamed-`` and a hash."""
        return self.image.text(self.field("pluginpath.str"), self.field("pluginpath.len"))

    @cached_property
    def functions(self) -> PclnTable:
        """The table of functions."""
        return PclnTable(
            self._from(self.field("pcHeader")), self.text, self._from(self.field("gofunc"))
        )

    def _from(self, address: int) -> memoryview:
        """The image from ``address`` to the end of that segment's bytes in the file."""
        segment = self.image.segment_at(address)
        if segment is None:
            raise FormatError(f"Go module data points to {address:#x}, outside the file")
        return self.image.view(address, segment.vaddr + segment.memsz - address)

    @cached_property
    def data_ranges(self) -> tuple[tuple[int, int], ...]:
        """Where package variables lie, as (start, end): ``noptrdata``, ``data``, ``bss``,
        ``noptrbss``."""
        ranges = []
        for name in ("noptrdata", "data", "bss", "noptrbss"):
            start, end = self.field(name), self.field(f"e{name}")
            if start < end <= len(self.image):
                ranges.append((start, end))
        return tuple(sorted(ranges))

    def in_data(self, address: int) -> bool:
        """Whether a package variable can lie there."""
        return any(start <= address < end for start, end in self.data_ranges)

    # --- what reading types needs (values.guest.TypeSource) -----------------------------------

    @property
    def memory(self) -> Image:
        return self.image

    def module_of(self, address: int) -> ModuleTypes | None:
        if not self.types <= address < self.etypes:
            raise FormatError(f"a type descriptor at {address:#x}, where no types are")
        return self._all_types

    def call_runtime(self, name: str, *ints: int) -> int:
        raise FormatError(f"a type that only runtime.{name} can find, in a file that does not run")
