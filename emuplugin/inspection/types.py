"""Types as Go writes them: fields with tags and offsets, and method sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from emuplugin.errors import FormatError
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.names import generic_parts
from emuplugin.values import GoType, Method

_MAX_FIELDS: Final = 1 << 16


@dataclass(frozen=True)
class Field:
    """A field of a struct; ``offset`` and ``size`` are bytes. An embedded field is named after its
    type."""

    name: str
    type: str
    offset: int
    size: int
    tag: str
    embedded: bool
    exported: bool


@dataclass(frozen=True)
class TypeMethod:
    """A method. ``signature`` is its func type without receiver; ``function`` is the linker's name
    of the code and ``address`` where it lies: empty and 0 for methods of interfaces, and for
    those that the linker left out because nothing can call them.

    ``pointer`` tells whether only the pointer type has it.
    """

    name: str
    signature: str
    exported: bool
    pointer: bool
    function: str
    address: int


@dataclass(frozen=True)
class Type:
    """A type of the plugin.

    ``name`` is as Go's reflection prints it (``main.Point``, ``[]string``); ``package`` the import
    path of a defined type, ``kind`` as ``reflect.Kind`` names it. ``definition`` is the underlying
    type in Go syntax. ``size`` and ``align`` are bytes, ``address`` that of the descriptor.
    ``methods`` holds the method set of the type and, marked, what its pointer type adds.
    ``generic`` and ``arguments`` are set for an instance of a generic type.
    """

    name: str
    package: str
    kind: str
    named: bool
    size: int
    align: int
    comparable: bool
    address: int
    definition: str
    fields: tuple[Field, ...]
    methods: tuple[TypeMethod, ...]
    generic: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"type {self.name} {self.definition}" if self.named else self.name


class TypeReader:
    """Makes :class:`Type` of descriptors. ``function_at`` gives the name of the function at an
    address, or an empty string."""

    def __init__(self, descriptors: Descriptors, function_at: Callable[[int], str]) -> None:
        self._descriptors = descriptors
        self._function_at = function_at
        self._pointers = {
            go_type.elem.address: go_type
            for go_type in descriptors.by_address.values()
            if go_type.kind == "ptr" and not go_type.named
        }

    def all(self) -> Iterator[Type]:
        """All types, by the addresses of their descriptors."""
        for go_type in self._descriptors.by_address.values():
            try:
                yield self.describe(go_type)
            except (ValueError, TypeError, IndexError, RecursionError) as error:
                raise FormatError(
                    f"the type descriptor at {go_type.address:#x} is corrupt: {error}"
                ) from error

    def describe(self, go_type: GoType) -> Type:
        """One type."""
        generic, arguments = generic_parts(go_type.string) if go_type.named else ("", ())
        return Type(
            name=go_type.string,
            package=go_type.pkg_path,
            kind=go_type.kind,
            named=go_type.named,
            size=go_type.size,
            align=go_type.align,
            comparable=go_type.comparable,
            address=go_type.address,
            definition=definition(go_type),
            fields=_fields(go_type),
            methods=self._methods(go_type),
            generic=generic if arguments else "",
            arguments=arguments,
        )

    def _methods(self, go_type: GoType) -> tuple[TypeMethod, ...]:
        if go_type.kind == "interface":
            return tuple(self._method(method, False) for method in go_type.methods)
        own = [self._method(method, False) for method in go_type.methods]
        pointer = self._pointers.get(go_type.address)
        if pointer is not None and go_type.named:
            names = {method.name for method in own}
            own += [
                self._method(method, True) for method in pointer.methods if method.name not in names
            ]
        return tuple(sorted(own, key=lambda method: method.name))

    def _method(self, method: Method, pointer: bool) -> TypeMethod:
        address = method.tfn or 0
        return TypeMethod(
            method.name,
            method.type.signature if method.type is not None else "",
            method.exported,
            pointer,
            self._function_at(address) if address else "",
            address,
        )


def _fields(go_type: GoType) -> tuple[Field, ...]:
    if go_type.kind != "struct":
        return ()
    return tuple(
        Field(
            field.name,
            field.type.string,
            field.offset,
            field.type.size,
            field.tag,
            field.embedded,
            field.exported,
        )
        for field in go_type.fields
    )


def definition(go_type: GoType) -> str:
    """What stands behind ``type T`` in Go: the underlying type, its parts by name."""
    kind = go_type.kind
    if kind == "struct":
        return _struct(go_type)
    if kind == "interface":
        return _interface(go_type)
    if kind == "func":
        return go_type.signature
    if kind == "ptr":
        return f"*{go_type.elem.string}"
    if kind == "slice":
        return f"[]{go_type.elem.string}"
    if kind == "array":
        return f"[{go_type.length}]{go_type.elem.string}"
    if kind == "map":
        return f"map[{go_type.key.string}]{go_type.elem.string}"
    if kind == "chan":
        inner = go_type.elem
        text = inner.string
        # chan (<-chan T) needs its parentheses, as in reflect.ChanOf.
        if inner.kind == "chan" and text.startswith("<"):
            text = f"({text})"
        return f"{go_type.chan_dir} {text}"
    return kind


def _struct(go_type: GoType) -> str:
    parts = []
    for field in go_type.fields:
        text = field.type.string if field.embedded else f"{field.name} {field.type.string}"
        parts.append(f"{text} {quoted_tag(field.tag)}" if field.tag else text)
    return f"struct {{ {'; '.join(parts)} }}" if parts else "struct {}"


def _interface(go_type: GoType) -> str:
    parts = []
    for method in go_type.methods:
        signature = method.type.signature if method.type is not None else "func()"
        parts.append(f"{method.name}{signature.removeprefix('func')}")
    return f"interface {{ {'; '.join(parts)} }}" if parts else "interface {}"


def quoted_tag(tag: str) -> str:
    """A tag as people write it: between back quotes where that can be."""
    if "`" not in tag and tag.isprintable():
        return f"`{tag}`"
    escaped = tag.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
