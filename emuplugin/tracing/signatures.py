"""What a function takes and returns, and how to read it from the registers and the stack.

Types come from DWARF; in stripped files from the func types of exported functions and of methods;
where neither tells, integer registers are shown as they are, under their own names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from emuplugin.cpu.calling import INTEGER_REGISTERS, CallLayout, Place, assign
from emuplugin.elf.pclntab import Func
from emuplugin.errors import CorruptDataError, FormatError
from emuplugin.inspection.names import package_of
from emuplugin.values import GoType
from emuplugin.values.names import read_string
from emuplugin.values.shape import shape_of

from .argument_info import ArgumentInfo, argument_info, fits
from .debug_signatures import DebugSignatures, Parameter, Parameters
from .events import Argument
from .guest import TracedGuest, TracedModule
from .show import show

_WORD: Final = 8


@dataclass(frozen=True)
class Signature:
    """How to read a function's arguments and results. ``floats``: some travel in X registers.
    ``parameters`` is None where nothing is known but ``words`` integer registers."""

    parameters: Parameters | None
    layout: CallLayout | None
    words: int

    @cached_property
    def floats(self) -> bool:
        """Whether X registers are to be read too."""
        return self.layout is not None and any(
            step.is_float
            for place in (*self.layout.params, *self.layout.results)
            for step in place.steps
        )

    def arguments(
        self, guest: TracedGuest, ints: Sequence[int], floats: Sequence[int], sp: int
    ) -> tuple[Argument, ...]:
        """The arguments, at the function's entry; ``sp`` is RSP there."""
        if self.parameters is None or self.layout is None:
            return _registers(ints, self.words)
        return _shown(guest, self.parameters.params, self.layout.params, ints, floats, sp)

    def results(
        self, guest: TracedGuest, ints: Sequence[int], floats: Sequence[int], sp: int
    ) -> tuple[Argument, ...]:
        """The results, at the function's return instruction; ``sp`` is RSP there."""
        if self.parameters is None or self.layout is None:
            return _registers(ints, 1)
        return _shown(guest, self.parameters.results, self.layout.results, ints, floats, sp)


def _registers(ints: Sequence[int], count: int) -> tuple[Argument, ...]:
    names = INTEGER_REGISTERS[:count]
    return tuple(Argument(name, "", f"{ints[at]:#x}") for at, name in enumerate(names))


def _shown(
    guest: TracedGuest,
    parameters: Sequence[Parameter],
    places: Sequence[Place],
    ints: Sequence[int],
    floats: Sequence[int],
    sp: int,
) -> tuple[Argument, ...]:
    shown = []
    for (name, go_type), place in zip(parameters, places, strict=True):
        try:
            if place.stack_offset is None:
                image = place.gather(ints, floats, b"")
            else:
                # The return address lies between RSP and the caller's outgoing area.
                image = guest.memory.read(sp + _WORD + place.stack_offset, place.size)
            text = show(guest, go_type, image)
        except CorruptDataError:
            text = "?"
        shown.append(Argument(name, go_type.string, text))
    return tuple(shown)


class Signatures:
    """The signatures of all functions of a guest, each worked out when it is first asked for."""

    def __init__(self, guest: TracedGuest) -> None:
        self._guest = guest
        self._known: dict[int, Signature] = {}
        self._debug: dict[int, DebugSignatures] = {}
        self._typed: dict[int, dict[int, Parameters]] = {}

    def of(self, function: Func) -> Signature:
        """The signature of a function."""
        known = self._known.get(function.entry)
        if known is None:
            known = self._known[function.entry] = self._find(function)
        return known

    def _find(self, function: Func) -> Signature:
        module = next(
            module
            for module in self._guest.modules
            if module.code.base <= function.entry < module.code.end
        )
        try:
            info = argument_info(module.table, function)
        except FormatError:
            info = None
        for parameters in (self._from_debug(module, function), self._from_types(module, function)):
            if parameters is None:
                continue
            types = tuple(parameter.type for parameter in parameters.params)
            try:
                # Before Go 1.22 DWARF says nothing of parameters without a name: then all else
                # that it says would be read from wrong registers.
                if info is not None and not fits(info, types):
                    continue
                return Signature(parameters, _layout(parameters), 0)
            except (FormatError, CorruptDataError, LookupError, RecursionError):
                continue
        return Signature(None, None, _words(info))

    def _from_debug(self, module: TracedModule, function: Func) -> Parameters | None:
        debug = self._debug.get(module.image.base)
        if debug is None:

            def descriptor(offset: int) -> GoType | None:
                # The linker writes how far behind the start of the types it lies.
                address = module.types.types + offset
                if not module.types.types <= address < module.types.etypes:
                    return None
                try:
                    return self._guest.types.at(address)
                except CorruptDataError:
                    return None

            debug = DebugSignatures(module.image.file, descriptor, module.plugin_path)
            self._debug[module.image.base] = debug
        return debug.find(package_of(function.name), function.entry - module.image.base)

    def _from_types(self, module: TracedModule, function: Func) -> Parameters | None:
        typed = self._typed.get(module.image.base)
        if typed is None:
            typed = self._typed[module.image.base] = {}
            typed.update(_methods(self._guest, module))
            typed.update(_exports(self._guest, module))
        return typed.get(function.entry)


def _layout(parameters: Parameters) -> CallLayout:
    return assign(
        [shape_of(parameter.type) for parameter in parameters.params],
        [shape_of(parameter.type) for parameter in parameters.results],
    )


def _words(info: ArgumentInfo | None) -> int:
    """How many integer registers to show: as many as the arguments have words."""
    if info is None:
        return 2
    return len(INTEGER_REGISTERS) if info.more else min(len(info.sizes), len(INTEGER_REGISTERS))


def _unnamed(types: Sequence[GoType]) -> tuple[Parameter, ...]:
    return tuple(Parameter("", go_type) for go_type in types)


def _exports(guest: TracedGuest, module: TracedModule) -> dict[int, Parameters]:
    """The exported functions (``moduledata.ptab``) by their entry."""
    found: dict[int, Parameters] = {}
    memory, types, at = guest.memory, module.types.types, module.get("ptab.array")
    for index in range(module.get("ptab.len")):
        name = read_string(memory, types + memory.read_i32(at + 8 * index))
        go_type = guest.types.at(types + memory.read_i32(at + 8 * index + 4))
        entry = module.image.symbol(f"{module.plugin_path}.{name}")
        if go_type.kind == "func" and entry is not None:
            found[entry] = Parameters(_unnamed(go_type.params), _unnamed(go_type.results))
    return found


def _methods(guest: TracedGuest, module: TracedModule) -> dict[int, Parameters]:
    """The methods that type descriptors tell of, by their entry."""
    found: dict[int, Parameters] = {}
    for symbol in module.image.file.symbols:
        name = symbol.name
        if not symbol.defined or not name.startswith("type:") or name[5:6] in (".", "*"):
            continue
        address = module.image.base + symbol.value
        if not module.types.types <= address < module.types.etypes:
            continue
        try:
            go_type = guest.types.at(address)
            if go_type.kind == "interface":
                continue
            for method in go_type.methods:
                if method.tfn and method.type is not None:
                    params = _unnamed((go_type, *method.type.params))
                    found[method.tfn] = Parameters(params, _unnamed(method.type.results))
        except CorruptDataError:
            continue
    return found
