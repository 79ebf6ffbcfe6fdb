"""Go types as the plugin's own metadata tells them, also in stripped plugins.

A :class:`GoType` stands for one descriptor (``internal/abi.Type``) in guest memory and reads what
it refers to when it is asked, so that types that contain themselves are no trouble.
:class:`~emuplugin.values.types.Types` hands out one GoType per descriptor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from emuplugin.errors import ClosedError, CorruptDataError, DeadMachineError
from emuplugin.values import abi_type as abi
from emuplugin.values.fields import Field, read_fields
from emuplugin.values.method_sets import (
    Method,
    Uncommon,
    interface_methods,
    read_uncommon,
    type_methods,
)

if TYPE_CHECKING:
    from emuplugin.values.types import Types


# Fields of a struct or methods of an interface. The compiler would allow more, people do not.
_MOST_PARTS = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class GoType:
    """A type of the plugin. Two GoTypes of one machine are the same object or different types.

    ``size``, ``align``, ``field_align`` and ``ptr_bytes`` (the prefix that can hold pointers) are
    bytes; ``kind`` is Go's name of the kind (``int8``, ``ptr``, ``struct``, ``unsafe.Pointer``);
    ``equal`` is the address of the closure that compares two values, 0 where Go has no ``==``.
    """

    types: Types
    address: int
    size: int
    ptr_bytes: int
    hash: int
    flags: int
    align: int
    field_align: int
    kind: str
    is_direct_iface: bool
    equal: int
    gcdata: int
    str_offset: int = field(default=0)
    ptr_to_this_offset: int = field(default=0)

    def __str__(self) -> str:
        return self.string

    def __repr__(self) -> str:
        try:
            return f"<GoType {self.string} at {self.address:#x}>"
        except (ClosedError, CorruptDataError, DeadMachineError):
            return f"<GoType at {self.address:#x}>"

    @cached_property
    def string(self) -> str:
        """The type as ``reflect.Type.String`` has it: ``main.Point``, ``func(int) error``."""
        text = self.types.offsets.name(self.address, self.str_offset).name
        return text[1:] if self.flags & abi.TFLAG_EXTRA_STAR else text

    @property
    def named(self) -> bool:
        """Whether it is a predeclared or defined type, not a type literal."""
        return bool(self.flags & abi.TFLAG_NAMED)

    @cached_property
    def name(self) -> str:
        """The name without its package, type arguments included; empty for type literals."""
        if not self.named:
            return ""
        text = self.string
        depth = 0
        for index in range(len(text) - 1, -1, -1):
            char = text[index]
            if char == "." and depth == 0:
                return text[index + 1 :]
            depth += (char == "]") - (char == "[")
        return text

    @cached_property
    def pkg_path(self) -> str:
        """The import path of the package that defines it; in ``main`` the plugin path.

        Empty for predeclared types and type literals.
        """
        if not self.named or self.uncommon is None:
            return ""
        return self.types.offsets.name(self.address, self.uncommon.pkg_path).name

    @property
    def comparable(self) -> bool:
        """Whether Go has ``==`` for it (on interfaces it may still panic)."""
        return self.equal != 0

    @property
    def is_error(self) -> bool:
        """Whether it is the predeclared type error."""
        return self.kind == "interface" and self.string == "error" and not self.pkg_path

    @cached_property
    def elem(self) -> GoType:
        """The element type of an array, channel, map, pointer or slice."""
        self._require("array", "chan", "map", "ptr", "slice")
        return self._type_at(abi.MAP_ELEM if self.kind == "map" else abi.ELEM)

    @cached_property
    def key(self) -> GoType:
        """The key type of a map."""
        self._require("map")
        return self._type_at(abi.ELEM)

    @cached_property
    def length(self) -> int:
        """The number of elements of an array."""
        self._require("array")
        return self.types.memory.read_u64(self.address + abi.ARRAY_LEN)

    @cached_property
    def chan_dir(self) -> str:
        """How a channel type is written: ``<-chan``, ``chan<-`` or ``chan``."""
        self._require("chan")
        direction = self.types.memory.read_u64(self.address + abi.CHAN_DIR)
        return ("invalid", "<-chan", "chan<-", "chan")[direction & 3]

    @cached_property
    def map_bucket(self) -> GoType:
        """What a map allocates: the type of a bucket, of a group in Swiss maps."""
        self._require("map")
        return self._type_at(self.types.map_layout.bucket)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of a struct, blank ones too, in source order."""
        self._require("struct")
        return read_fields(self)

    @property
    def variadic(self) -> bool:
        """Whether the last parameter of a func type is ``...T`` (its type is then ``[]T``)."""
        return bool(self._func_counts[1] & abi.FUNC_VARIADIC)

    @cached_property
    def params(self) -> tuple[GoType, ...]:
        """The parameter types of a func type."""
        return self._signature[: self._func_counts[0]]

    @cached_property
    def results(self) -> tuple[GoType, ...]:
        """The result types of a func type."""
        return self._signature[self._func_counts[0] :]

    @cached_property
    def signature(self) -> str:
        """A func type written out even if it has a name: ``func(int, ...string) (int, error)``."""
        params = [param.string for param in self.params]
        if self.variadic:
            params[-1] = f"...{self.params[-1].elem.string}"
        text = f"func({', '.join(params)})"
        results = ", ".join(result.string for result in self.results)
        if len(self.results) == 1:
            return f"{text} {results}"
        return f"{text} ({results})" if results else text

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Methods sorted by name: all of an interface, the method set of another type.

        Pointer-receiver methods are in the method set of the pointer type.
        """
        return interface_methods(self) if self.kind == "interface" else type_methods(self)

    @cached_property
    def ptr_to_this(self) -> GoType | None:
        """The type of pointers to this type, if the linker kept it and noted it here."""
        address = self.types.offsets.type(self.address, self.ptr_to_this_offset)
        return None if address is None else self.types.at(address)

    def _require(self, *kinds: str) -> None:
        if self.kind not in kinds:
            raise TypeError(f"{self.string} is a {self.kind} type, not {' or '.join(kinds)}")

    def _type_at(self, offset: int) -> GoType:
        return self.types.at(self.types.memory.read_u64(self.address + offset))

    def slice(self, offset: int, item_size: int) -> bytes:
        """The bytes of a Go slice in the descriptor whose items are ``item_size`` bytes."""
        memory = self.types.memory
        length = memory.read_u64(self.address + offset + 8)
        if not length:
            return b""
        if length > _MOST_PARTS:
            raise CorruptDataError(f"the type at {self.address:#x} has {length} parts")
        return memory.read(memory.read_u64(self.address + offset), length * item_size)

    @cached_property
    def uncommon(self) -> Uncommon | None:
        """What only types with a name or methods have."""
        return read_uncommon(self)

    @cached_property
    def _func_counts(self) -> tuple[int, int]:
        """Number of parameters and of results, the latter with the variadic bit."""
        self._require("func")
        memory = self.types.memory
        return (
            memory.read_u16(self.address + abi.ELEM),
            memory.read_u16(self.address + abi.FUNC_OUT_COUNT),
        )

    @cached_property
    def _signature(self) -> tuple[GoType, ...]:
        ins, outs = self._func_counts
        count = ins + (outs & ~abi.FUNC_VARIADIC)
        start = self.address + abi.FUNC_SIZE
        if self.uncommon is not None:
            start += abi.UNCOMMON.size
        memory = self.types.memory
        return tuple(self.types.at(memory.read_u64(start + 8 * index)) for index in range(count))
