"""A further plugin joins a program (``runtime/plugin.go: plugin_lastmoduleinit``).

Natively every plugin binds to a host program that holds all of the runtime. Here the first plugin
of a machine is the host: symbols that it defines are everybody's, and what it did not need comes
with the plugin that does. Code stays with its module: each calls its own copy of the runtime's
functions, which work on the shared variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

from .boot import Boot, program_variables, without_c
from .goruntime import GoRuntime
from .image import Image

_TFLAG_UNCOMMON = 1  # internal/abi/type.go: TFlagUncommon
_KIND_MASK = 31  # internal/abi/type.go: KindMask; from 1.26 on the bits above are never set
_KIND_INTERFACE, _KIND_MAP = 20, 21
# The descriptors that are more than an abi.Type, by kind (internal/abi/type.go: Kind).
_DESCRIPTORS = {
    17: "ArrayType", 18: "ChanType", 19: "FuncType", 20: "InterfaceType", 22: "PtrType",
    23: "SliceType", 25: "StructType",
}  # fmt: skip
_MAP_TYPES = ("MapType", "SwissMapType", "OldMapType")
_NONE = (0, -1)  # a type offset that leads nowhere; -1: the linker left the type out


def initialise_newcomers(boot: Boot, image: Image, before: Sequence[Image]) -> None:
    """Give those variables of the runtime that only ``image`` has what the boot would have."""
    whole = boot.runtime
    boot.runtime = copy(whole)
    boot.runtime.images = [_Newcomers(image, before)]
    try:
        without_c(boot)
        program_variables(boot)
    finally:
        boot.runtime = whole


class _Newcomers(Image):
    """An image that only shows what those before it do not define."""

    def __init__(self, image: Image, before: Sequence[Image]) -> None:
        super().__init__(image.file, image.base, image.size, image.relocations)
        self._before = before

    def symbol(self, name: str) -> int | None:
        if any(image.symbol(name) is not None for image in self._before):
            return None
        return super().symbol(name)


def unify_types(runtime: GoRuntime, moduledata: int, image: Image, before: Sequence[Image]) -> None:
    """Make one type of equal types: what ``typelinksinit`` does with ``moduledata.typemap``.

    Pointers to a type that an earlier module has are bound to it by name. What is left are the
    offsets by which descriptors name types of their own module; those are led to the earlier
    type here, which lies below and so at a negative offset. Types of one name are equal: the
    linker itself goes by that.
    """
    unifier = _Unifier(runtime, runtime.get_at(moduledata, "runtime.moduledata", "types"))
    own = []
    for name, address in _types(image):
        earlier = next((at for old in before if (at := old.symbol(name)) is not None), None)
        if earlier is None:
            own.append(address)
        else:
            unifier.shared[address] = earlier
    for address in own:
        unifier.descriptor(address)
    table = runtime.get_at(moduledata, "runtime.moduledata", "ptab.array")
    for index in range(runtime.get_at(moduledata, "runtime.moduledata", "ptab.len")):
        unifier.offset(table + 8 * index + 4)  # ptabEntry.typ


def _types(image: Image) -> Iterator[tuple[str, int]]:
    """The type descriptors that an image defines, by their symbols' names."""
    for symbol in image.file.symbols:
        name = symbol.name
        # "type:." are names, equality functions and the like; "type:*" marks the section's start.
        if symbol.defined and name.startswith("type:") and name[5] != "." and name != "type:*":
            yield name, image.base + symbol.value


class _Unifier:
    """Redirects type offsets. ``shared`` maps addresses of descriptors to those that count."""

    def __init__(self, runtime: GoRuntime, types: int) -> None:
        self._memory = runtime.memory
        self._types = types
        self.shared: dict[int, int] = {}
        layout = runtime.layout
        names = dict(_DESCRIPTORS)
        names[_KIND_MAP] = next(n for n in _MAP_TYPES if layout.has(f"internal/abi.{n}"))
        self._sizes = {kind: layout.size(f"internal/abi.{name}") for kind, name in names.items()}
        self._plain = layout.size("internal/abi.Type")
        self._flags = layout.offset("internal/abi.Type", "TFlag")
        self._kind = layout.offset("internal/abi.Type", "Kind_")
        self._pointer = layout.offset("internal/abi.Type", "PtrToThis")
        self._interface = layout.offset("internal/abi.InterfaceType", "Methods")
        self._interface_method = layout.size("internal/abi.Imethod")
        self._interface_type = layout.offset("internal/abi.Imethod", "Typ")
        self._count = layout.offset("internal/abi.UncommonType", "Mcount")
        self._methods = layout.offset("internal/abi.UncommonType", "Moff")
        self._method = layout.size("internal/abi.Method")
        self._method_type = layout.offset("internal/abi.Method", "Mtyp")

    def descriptor(self, address: int) -> None:
        """Redirect all type offsets in the descriptor at ``address``."""
        memory = self._memory
        self.offset(address + self._pointer)
        kind = memory.read_u8(address + self._kind) & _KIND_MASK
        if kind == _KIND_INTERFACE:
            at = memory.read_u64(address + self._interface)
            for index in range(memory.read_u64(address + self._interface + 8)):
                self.offset(at + self._interface_method * index + self._interface_type)
        if memory.read_u8(address + self._flags) & _TFLAG_UNCOMMON:
            uncommon = address + self._sizes.get(kind, self._plain)
            at = uncommon + memory.read_u32(uncommon + self._methods)
            for index in range(memory.read_u16(uncommon + self._count)):
                self.offset(at + self._method * index + self._method_type)

    def offset(self, at: int) -> None:
        """Redirect the type offset at ``at``."""
        offset = self._memory.read_i32(at)
        if offset in _NONE:
            return
        earlier = self.shared.get(self._types + offset)
        if earlier is not None:
            self._memory.write_u32(at, earlier - self._types)
