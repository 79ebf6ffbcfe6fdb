"""A plugin's file as it would lie in memory: mapped at 0 and relocated, but never run.

Enough to read Go's tables: exports with their types, packages in init order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

from emuplugin.elf.file import ElfFile
from emuplugin.elf.image import Image
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.elf.pclntab import PclnTable
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.inits import package_of
from emuplugin.runtime_shims.layouts import Layout, find_layout
from emuplugin.runtime_shims.runtime_packages import is_of_runtime
from emuplugin.values import Types
from emuplugin.values.guest import ModuleTypes
from emuplugin.values.names import read_string

_PTAB_ENTRY: Final = struct.Struct("<ii")
_MAX_ENTRIES: Final = 1 << 20


class Export(NamedTuple):
    """An exported name. ``kind`` is ``func`` or ``var``, ``type`` the Go type of the function or
    of what the variable holds, as Go prints it."""

    name: str
    kind: str
    type: str


class MappedFile:
    """The tables of the Go runtime in a file. Implements the ``TypeSource`` of the values.

    Raises the errors of relocating, NotAPluginError without module data, FormatError for corrupt
    tables; only :attr:`relocations` is there for Go versions that have no layouts.
    """

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self.memory = Image(file)
        self.relocations: Mapping[str, int] = self.memory.relocations

    # --- what reading types needs (values.guest.TypeSource) ---------------------------------

    @property
    def go_minor(self) -> tuple[int, int]:
        info = self.file.build_info
        if info is None or not info.minor:
            raise FormatError("the file does not tell its Go version")
        major, minor = info.minor.split(".")
        return int(major), int(minor)

    @property
    def experiments(self) -> frozenset[str]:
        info = self.file.build_info
        return frozenset(() if info is None else info.experiments)

    def module_of(self, address: int) -> ModuleTypes | None:
        types, etypes = self._field("types"), self._field("etypes")
        if not types <= address < etypes:
            raise FormatError(f"a type descriptor at {address:#x}, where no types are")
        return ModuleTypes(types, etypes, self._field("text"), {})

    def call_runtime(self, name: str, *ints: int) -> int:
        raise FormatError(f"a type that only runtime.{name} can find, in a file that does not run")

    # --- Go's tables ------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Layout:
        """Where the runtime of the file's Go version keeps what; UnsupportedGoVersionError."""
        info = self.file.build_info
        return find_layout("" if info is None else info.go_version, self.file)

    @cached_property
    def moduledata(self) -> int:
        """The address of ``runtime.moduledata``."""
        return find_moduledata(self.file)

    def _field(self, path: str) -> int:
        return self.memory.read_u64(
            self.moduledata + self.layout.offset("runtime.moduledata", path)
        )

    def _slice(self, path: str, item_size: int) -> memoryview:
        count = self._field(f"{path}.len")
        if count > _MAX_ENTRIES:
            raise FormatError(f"moduledata.{path} has {count} entries")
        return self.memory.view(self._field(f"{path}.array"), count * item_size)

    @cached_property
    def plugin_path(self) -> str:
        """``moduledata.pluginpath``."""
        data = self.memory.read(self._field("pluginpath.str"), self._field("pluginpath.len"))
        return data.decode("utf-8", "surrogateescape")

    def exports(self) -> Iterator[Export]:
        """What ``moduledata.ptab`` lists, in its order."""
        all_types, base = Types(self), self._field("types")
        for name, type_offset in _PTAB_ENTRY.iter_unpack(self._slice("ptab", _PTAB_ENTRY.size)):
            try:
                go_type = all_types.at(base + type_offset)
                is_function = go_type.kind == "func"
                yield Export(
                    read_string(self.memory, base + name),
                    "func" if is_function else "var",
                    go_type.signature if is_function else go_type.elem.string,
                )
            except (ValueError, TypeError) as error:  # what lies there is no descriptor
                raise FormatError(str(error)) from error

    def init_packages(self) -> list[tuple[str, tuple[str, ...]]]:
        """The packages that have init functions, in the order in which they run, with the
        names of the functions: those of the runtime, then all others as the linker listed them."""
        packages = list(self._init_tasks())
        return sorted(packages, key=lambda package: not is_of_runtime(package[0]))

    def _init_tasks(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """``moduledata.inittasks``: pointers to {state, nfns uint32, fns [nfns]pc}."""
        text = self._field("text")
        functions = PclnTable(
            self.file.read_from(self._field("pcHeader")),
            text,
            self.file.read_from(self._field("gofunc")),
        )
        for (task,) in struct.iter_unpack("<Q", self._slice("inittasks", 8)):
            count = self.memory.read_u32(task + 4)
            entries = struct.iter_unpack("<Q", self.memory.view(task + 8, 8 * count))
            found = [functions.find(pc) for (pc,) in entries]
            names = tuple(function.name for function in found if function is not None)
            yield package_of(names[0]) if names else "", names
