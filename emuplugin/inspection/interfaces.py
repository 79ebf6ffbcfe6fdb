"""Interfaces and the types that implement them, by comparing method sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from emuplugin.elf.image import Image
from emuplugin.errors import FormatError
from emuplugin.inspection.descriptors import Descriptors
from emuplugin.inspection.module import Module
from emuplugin.values import GoType
from emuplugin.values import abi_type as abi

_FUN_AT: Final = 24
_WORD: Final = 8
_MAX_ITABS: Final = 1 << 20
_MAX_METHODS: Final = 1 << 12

_Key = tuple[str, str, int]


@dataclass(frozen=True)
class Interface:
    """An interface type with methods. ``implementers`` are the types of the plugin whose method
    sets hold all of its methods; ``*T`` stands there only where ``T`` itself does not implement
    it."""

    name: str
    package: str
    methods: tuple[str, ...]
    implementers: tuple[str, ...]


@dataclass(frozen=True)
class Itab:
    """A pair that the compiler knew of: a value of ``type`` becomes an ``interface`` somewhere in
    the code. ``methods`` are (method, function that is called)."""

    interface: str
    type: str
    address: int
    methods: tuple[tuple[str, str], ...]


class RawItab:
    """``runtime.itab``: {inter, type *, hash uint32, fun [n]uintptr}. ``fun[0]`` is 0 where the
    type turned out not to implement the interface."""

    def __init__(self, image: Image, address: int, descriptors: Descriptors) -> None:
        self.address = address
        self.interface = descriptors.read(image.read_u64(address))
        self.type = descriptors.read(image.read_u64(address + _WORD))
        if self.interface.kind != "interface":
            raise FormatError(f"the itab at {address:#x} is of type {self.interface.string}")
        methods = image.read_u64(self.interface.address + abi.FIELDS + _WORD)
        if methods > _MAX_METHODS:
            raise FormatError(f"an interface of {methods} methods")
        functions = list(image.words(address + _FUN_AT, max(methods, 1)))
        self.functions: list[int] = functions if functions[0] else []
        self.size = _FUN_AT + _WORD * (methods if self.functions else 1)

    def named(self, name_at: Callable[[int], str]) -> Itab:
        """The itab with names for its functions."""
        names = [method.name for method in self.interface.methods]
        entries = self.functions or [0] * len(names)
        methods = tuple((name, name_at(entry)) for name, entry in zip(names, entries, strict=False))
        return Itab(self.interface.string, self.type.string, self.address, methods)


def itab_addresses(module: Module, descriptors: Descriptors) -> Iterator[RawItab]:
    """The itabs that the linker listed: ``moduledata.itablinks`` until Go 1.26, side by side at
    ``types + itaboffset`` from 1.27 on (``runtime/iface.go: addModuleItabs``)."""
    image = module.image
    if module.has("itablinks.array"):
        for address in module.slice("itablinks", _WORD).cast("Q"):
            yield RawItab(image, address, descriptors)
        return
    at = module.types + module.field("itaboffset")
    end = min(at + module.field("itabsize"), len(image))
    count = 0
    while at < end and count < _MAX_ITABS:
        itab = RawItab(image, at, descriptors)
        yield itab
        at += itab.size
        count += 1


def interfaces(descriptors: Descriptors) -> Iterator[Interface]:
    """All interface types that have methods, with their implementers.

    A method counts by name, by package where it is not exported, and by its type, which is one
    descriptor however often it is written: Go's own rule (``runtime/iface.go: itabInit``).
    """
    owners: dict[_Key, set[int]] = defaultdict(set)
    found: list[GoType] = []
    for go_type in descriptors.by_address.values():
        if go_type.kind == "interface":
            if go_type.methods:
                found.append(go_type)
            continue
        for key in _keys(go_type):
            owners[key].add(go_type.address)
    for go_type in found:
        keys = sorted(_keys(go_type), key=lambda key: len(owners.get(key, ())))
        matching: set[int] = set(owners.get(keys[0], ())) if keys else set()
        for key in keys[1:]:
            matching &= owners.get(key, set())
            if not matching:
                break
        if len(keys) < len(go_type.methods):
            matching = set()
        types = [descriptors.by_address[address] for address in sorted(matching)]
        yield Interface(
            go_type.string,
            go_type.pkg_path,
            tuple(method.name for method in go_type.methods),
            tuple(sorted({implementer.string for implementer in _without_pointers(types)})),
        )


def _without_pointers(types: list[GoType]) -> Iterator[GoType]:
    """All but the pointer types whose element type is there too."""
    addresses = {go_type.address for go_type in types}
    for go_type in types:
        is_pointer = go_type.kind == "ptr" and not go_type.named
        if not is_pointer or go_type.elem.address not in addresses:
            yield go_type


def _keys(go_type: GoType) -> list[_Key]:
    """A method by name, package of an unexported one, and type; methods without type, which the
    linker removed, can't satisfy anything."""
    return [
        (method.name, method.pkg_path, method.type.address)
        for method in go_type.methods
        if method.type is not None
    ]
