"""Go types as the plugin's own metadata tells them, also in stripped plugins.

A :class:`GoType` stands for one descriptor (``internal/abi.Type``) in guest memory and reads what
it refers to when it is asked, so that types that contain themselves are no trouble.
:class:`Types` hands out one GoType per descriptor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from emuplugin.values import abi_type as abi
from emuplugin.values.guest import Memory, TypeSource
from emuplugin.values.names import Name, read_name, read_string
from emuplugin.values.offsets import Offsets


class Field(NamedTuple):
    """A field of a struct. ``pkg_path`` is empty for exported fields."""

    name: str
    type: GoType
    offset: int
    tag: str
    embedded: bool
    exported: bool
    pkg_path: str


class Method(NamedTuple):
    """A method of a concrete type or of an interface.

    ``type`` is its func type without receiver. ``ifn`` is the code that takes the receiver as one
    word, as interfaces call it, ``tfn`` the code that takes the receiver itself; both are 0 for
    methods of interfaces. All three are None where the linker removed the method because nothing
    in the program could reach it.
    """

    name: str
    exported: bool
    pkg_path: str
    type: GoType | None
    ifn: int | None
    tfn: int | None


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
        return f"<GoType {self.string} at {self.address:#x}>"

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
        if not self.named or self._uncommon is None:
            return ""
        return self.types.offsets.name(self.address, self._uncommon.pkg_path).name

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
        memory = self.types.memory
        pkg_path = read_string(memory, memory.read_u64(self.address + abi.ELEM))
        raw = self._slice(abi.FIELDS, abi.STRUCT_FIELD.size)
        result = []
        for name_address, type_address, offset in abi.STRUCT_FIELD.iter_unpack(raw):
            name = read_name(memory, name_address)
            result.append(
                Field(
                    name.name,
                    self.types.at(type_address),
                    offset,
                    name.tag,
                    name.embedded,
                    name.exported,
                    "" if name.exported else pkg_path,
                )
            )
        return tuple(result)

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
        return self._interface_methods() if self.kind == "interface" else self._type_methods()

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

    def _slice(self, offset: int, item_size: int) -> bytes:
        """The bytes of a Go slice in the descriptor whose items are ``item_size`` bytes."""
        memory = self.types.memory
        length = memory.read_u64(self.address + offset + 8)
        if not length:
            return b""
        return memory.read(memory.read_u64(self.address + offset), length * item_size)

    @cached_property
    def _uncommon_address(self) -> int | None:
        if not self.flags & abi.TFLAG_UNCOMMON:
            return None
        if self.kind == "map":
            return self.address + self.types.map_layout.size
        return self.address + abi.BASE_SIZES.get(self.kind, abi.TYPE.size)

    @cached_property
    def _uncommon(self) -> _Uncommon | None:
        if self._uncommon_address is None:
            return None
        raw = self.types.memory.read(self._uncommon_address, abi.UNCOMMON.size)
        return _Uncommon(*abi.UNCOMMON.unpack(raw)[:4])

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
        if self._uncommon_address is not None:
            start += abi.UNCOMMON.size
        memory = self.types.memory
        return tuple(self.types.at(memory.read_u64(start + 8 * index)) for index in range(count))

    def _interface_methods(self) -> tuple[Method, ...]:
        memory, offsets = self.types.memory, self.types.offsets
        own_path = read_string(memory, memory.read_u64(self.address + abi.ELEM))
        raw = self._slice(abi.FIELDS, abi.IMETHOD.size)
        result = []
        for name_offset, type_offset in abi.IMETHOD.iter_unpack(raw):
            name = offsets.name(self.address, name_offset)
            type_address = offsets.type(self.address, type_offset)
            method_type = None if type_address is None else self.types.at(type_address)
            path = self._method_path(name, own_path)
            result.append(Method(name.name, name.exported, path, method_type, 0, 0))
        return tuple(result)

    def _type_methods(self) -> tuple[Method, ...]:
        uncommon = self._uncommon
        if uncommon is None or not uncommon.method_count:
            return ()
        assert self._uncommon_address is not None
        offsets = self.types.offsets
        own_path = offsets.name(self.address, uncommon.pkg_path).name
        raw = self.types.memory.read(
            self._uncommon_address + uncommon.methods_offset,
            uncommon.method_count * abi.METHOD.size,
        )
        result = []
        for name_offset, type_offset, ifn, tfn in abi.METHOD.iter_unpack(raw):
            name = offsets.name(self.address, name_offset)
            type_address = offsets.type(self.address, type_offset)
            result.append(
                Method(
                    name.name,
                    name.exported,
                    self._method_path(name, own_path),
                    None if type_address is None else self.types.at(type_address),
                    offsets.text(self.address, ifn),
                    offsets.text(self.address, tfn),
                )
            )
        return tuple(result)

    def _method_path(self, name: Name, own_path: str) -> str:
        if name.exported:
            return ""
        if name.pkg_path_offset is None:
            return own_path
        return self.types.offsets.name(self.address, name.pkg_path_offset).name


class _Uncommon(NamedTuple):
    """``abi.UncommonType``. ``pkg_path`` is a name offset, ``methods_offset`` from this struct."""

    pkg_path: int
    method_count: int
    exported_count: int
    methods_offset: int


class Types:
    """All types of one machine, one :class:`GoType` per descriptor."""

    def __init__(self, source: TypeSource) -> None:
        self._source = source
        self.offsets = Offsets(source)
        self.map_layout = abi.map_layout(source.go_minor, source.experiments)
        self._direct_in_flags = source.go_minor >= (1, 26)
        self._types: dict[int, GoType] = {}

    @property
    def memory(self) -> Memory:
        """Guest memory. Asked of the machine each time, which refuses once it is closed."""
        return self._source.memory

    def at(self, address: int) -> GoType:
        """The type whose descriptor is at ``address``.

        Raises ValueError if what lies there cannot be a type descriptor.
        """
        found = self._types.get(address)
        return found if found is not None else self._types.setdefault(address, self._read(address))

    def _read(self, address: int) -> GoType:
        (
            size, ptr_bytes, hash_, flags, align, field_align, kind, equal, gcdata,
            str_offset, ptr_to_this,
        ) = abi.TYPE.unpack(self.memory.read(address, abi.TYPE.size))  # fmt: skip
        number = kind & abi.KIND_MASK
        if not 0 < number < len(abi.KINDS):
            raise ValueError(f"no Go type descriptor at {address:#x}: kind {kind:#x}")
        direct = (
            flags & abi.TFLAG_DIRECT_IFACE
            if self._direct_in_flags
            else kind & abi.KIND_DIRECT_IFACE
        )
        return GoType(
            types=self,
            address=address,
            size=size,
            ptr_bytes=ptr_bytes,
            hash=hash_,
            flags=flags,
            align=align,
            field_align=field_align,
            kind=abi.KINDS[number],
            is_direct_iface=bool(direct),
            equal=equal,
            gcdata=gcdata,
            str_offset=str_offset,
            ptr_to_this_offset=ptr_to_this,
        )
