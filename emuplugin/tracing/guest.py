"""The guest as observers see it: they read it and never change it, nor let it run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from emuplugin.cpu import registers as reg
from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.elf.pclntab import Func, PclnTable
from emuplugin.errors import CorruptDataError
from emuplugin.runtime_shims.image import TLS_G, Image
from emuplugin.runtime_shims.layouts import Layout, find_layout
from emuplugin.values.guest import ModuleTypes
from emuplugin.values.types import Types

from .functions import FunctionTable, ModuleCode

if TYPE_CHECKING:
    from emuplugin.runtime_shims.process import Process


class TracedModule:
    """A mapped file: its module data, function table and type descriptors."""

    def __init__(self, guest: TracedGuest, image: Image) -> None:
        self.image = image
        self.moduledata = image.base + find_moduledata(image.file)
        self._guest = guest
        types, etypes = self.get("types"), self.get("etypes")
        self.types = ModuleTypes(types, etypes, self.get("text"), {})
        start, gofunc = self.get("pcHeader") - image.base, self.get("gofunc") - image.base
        self.table = PclnTable(
            image.file.read_from(start), self.get("text"), image.file.read_from(gofunc)
        )
        memory = guest.memory
        path = memory.read(self.get("pluginpath.str"), self.get("pluginpath.len"))
        self.plugin_path = path.decode(errors="surrogateescape")
        self.code = ModuleCode(
            image.file.path,
            self.plugin_path,
            image.base,
            image.base + image.size,
            self.get("text"),
            self.get("etext"),
            self.table,
        )

    def get(self, path: str) -> int:
        """A field of its ``moduledata``."""
        return self._guest.field(self.moduledata, "runtime.moduledata", path)

    @cached_property
    def by_name(self) -> dict[str, Func]:
        """Its functions by the linker's names."""
        return {function.name: function for function in self.table}


class TracedGuest:
    """The guest's memory, goroutines, functions and types.

    Implements :class:`emuplugin.values.guest.TypeSource`, so types are read by the code that reads
    them elsewhere.
    """

    def __init__(self, process: Process, image: Image) -> None:
        info = image.file.build_info
        assert info is not None  # files without are not mapped
        self.process, self.engine, self.kernel = process, process.engine, process.kernel
        self.memory: Memory = process.memory
        self.go_version = info.go_version
        self.layout: Layout = find_layout(info.go_version, image.file)
        major, minor = info.minor.split(".")
        self.go_minor = (int(major), int(minor))
        self.experiments = frozenset(info.experiments)
        self.modules: list[TracedModule] = []
        self.types = Types(self)
        self._registers = self.engine.batch(reg.FS_BASE)
        layout = self.layout
        self._goid = layout.offset("runtime.g", "goid")
        self.stack_hi = layout.offset("runtime.g", "stack.hi")
        self.add(image)

    def add(self, image: Image) -> TracedModule:
        """One more file was mapped."""
        module = TracedModule(self, image)
        self.modules.append(module)
        self.functions = FunctionTable([module.code for module in self.modules])
        return module

    # --- values.guest.TypeSource ------------------------------------------------------------

    def module_of(self, address: int) -> ModuleTypes | None:
        """The module whose type descriptors hold ``address``."""
        for module in self.modules:
            if module.types.types <= address < module.types.etypes:
                return module.types
        return None

    def call_runtime(self, name: str, *ints: int) -> int:
        """Not while somebody looks on."""
        raise CorruptDataError(f"a type that only runtime.{name} can find")

    # --- the runtime ------------------------------------------------------------------------

    def field(self, base: int, type_name: str, path: str) -> int:
        """An unsigned integer field of the struct at ``base``."""
        field = self.layout.field(type_name, path)
        return int.from_bytes(self.memory.read(base + field.offset, field.size), "little")

    def variable(self, name: str, path: str = "") -> int | None:
        """An unsigned integer variable of the runtime, or a field of one; None if this plugin or
        version has no such thing."""
        address = self.symbol(name)
        if address is None or not self.layout.has_variable(name):
            return None
        type_name = self.layout.variable(name)
        if not self.layout.has(type_name, path):
            return None
        return self.field(address, type_name, path)

    def symbol(self, name: str) -> int | None:
        """The address of a linker symbol in the module that defines it first."""
        for module in self.modules:
            address = module.image.symbol(name)
            if address is not None:
                return address
        return None

    def function(self, name: str) -> Func | None:
        """A function of the runtime in use, by name: that of the first module. (Further modules
        have copies, which they use for calls among their own functions.)"""
        return self.modules[0].by_name.get(name)

    def named(self, names: Callable[[str], bool]) -> list[Func]:
        """All functions, of all modules, whose names fit."""
        return [f for module in self.modules for f in module.table if names(f.name)]

    # --- where the guest is -----------------------------------------------------------------

    def g(self) -> int:
        """The goroutine (a ``runtime.g``) of the running thread, 0 if it has none."""
        fs_base: int = self._registers.load()[0]
        return self.word(fs_base + TLS_G) if fs_base else 0

    def goroutine(self, g: int) -> int:
        """The number of a goroutine, 0 of schedulers' stacks."""
        return self.word(g + self._goid) if g else 0

    def word(self, address: int) -> int:
        """A word of memory, 0 where there is none."""
        try:
            return self.memory.read_u64(address)
        except GuestMemoryError:
            return 0

    def string(self, address: int, most: int = 1 << 12) -> str:
        """The Go string whose header is at ``address``."""
        return self.text(self.word(address), self.word(address + 8), most)

    def text(self, data: int, size: int, most: int = 1 << 12) -> str:
        """The text of a Go string; bytes that are no UTF-8 are surrogates."""
        try:
            return self.memory.read(data, min(size, most)).decode("utf-8", "surrogateescape")
        except GuestMemoryError:
            return ""
