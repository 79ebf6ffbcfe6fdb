"""Layout: where the fields of the Go runtime's structs lie, in one Go version.

    layout = Layout.for_version("go1.27.3")
    layout.offset("runtime.g", "sched.sp")
    layout.offset("runtime.mheap", "central[3].mcentral.spanclass")
    layout.size(layout.variable("runtime.sched"))

Offsets and sizes are in bytes, of linux/amd64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from emuplugin.errors import LayoutError
from emuplugin.runtime_shims.layouts.builtin import (
    BUILTIN_SIZES,
    EFACE_FIELDS,
    IFACE_FIELDS,
    SIZES_BY_PREFIX,
    SLICE_FIELDS,
    STRING_FIELDS,
)

#: A struct as the tables have it: ``[size, "FIELD OFFSET TYPE", ...]``.
StructRow: TypeAlias = list[int | str]

_ARRAY = re.compile(r"\[(\d{1,18})\](.+)", re.DOTALL)
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(\d+)\]")


class Field(NamedTuple):
    """``offset`` is from the start of the struct that was asked for; ``type`` is Go's name."""

    offset: int
    size: int
    type: str


class Answers(NamedTuple):
    """What was asked of a layout: the types of variables, and by struct and path the fields as
    ``OFFSET SIZE TYPE``, or nothing where there is no such field."""

    variables: Mapping[str, str]
    fields: Mapping[str, Mapping[str, str]]


class Layout:
    """The structs, variables and constants of one version of the Go runtime.

    What is asked for and not there raises :class:`~emuplugin.errors.LayoutError`; ``has`` asks
    first, where versions differ. Instances do not change and may be shared.
    """

    def __init__(
        self,
        version: str,
        *,
        structs: Mapping[str, StructRow],
        named: Mapping[str, str],
        variables: Mapping[str, str],
        constants: Mapping[str, int],
    ) -> None:
        self.version = version
        self._structs = structs
        self._named = named
        self._variables = variables
        self._constants = constants
        self._members: dict[str, dict[str, tuple[int, str]]] = {}
        self._asked: dict[str, str] = {}
        # None: there is none.
        self._resolved: dict[tuple[str, str], Field | None] = {}

    def __repr__(self) -> str:
        return f"<Layout {self.version}: {len(self._structs)} structs>"

    @classmethod
    def for_version(cls, version: str) -> Layout:
        """The shipped layout for a Go version as build info gives it (``go1.27.3``).

        For a patch release that was not measured it is that of the nearest one that was;
        :func:`~emuplugin.runtime_shims.layouts.find_layout` also makes sure that it fits.

        Raises :class:`~emuplugin.errors.UnsupportedGoVersionError` where there is none: for
        other minor versions, pre-releases, and GOEXPERIMENT settings that change the runtime.
        """
        from emuplugin.runtime_shims.layouts.tables import candidates  # tables build on Layout

        return candidates(version)[0]

    # --- structs ---

    def size(self, type_name: str) -> int:
        """The size of a struct or of any other type that the table mentions."""
        name, count = self._underlying(type_name), 1
        while name[:1] == "[" and (array := _ARRAY.fullmatch(name)):
            name, count = self._underlying(array[2]), count * int(array[1])
        if name in self._structs:
            return count * int(self._structs[name][0])
        if name in BUILTIN_SIZES:
            return count * BUILTIN_SIZES[name]
        for prefix, size in SIZES_BY_PREFIX.items():
            if name.startswith(prefix):
                return count * size
        raise LayoutError(f"{self.version}: no type {type_name} in the layouts")

    def field(self, type_name: str, path: str) -> Field:
        """The field that ``path`` leads to from a struct, through fields and array elements."""
        key = (type_name, path)
        found = self._resolved.get(key)
        if found is None:
            found = self._resolved[key] = self._resolve(type_name, path)
        return found

    def offset(self, type_name: str, path: str) -> int:
        """The offset of the field that ``path`` leads to."""
        return self.field(type_name, path).offset

    def has(self, type_name: str, path: str = "") -> bool:
        """Whether this version has that type and, from it, a field at ``path``."""
        key = (type_name, path)
        if key not in self._resolved:
            try:
                self._resolved[key] = self._resolve(type_name, path)
            except LayoutError:
                self._resolved[key] = None
        return self._resolved[key] is not None

    def fields(self, type_name: str) -> dict[str, Field]:
        """The fields of a struct, in their order."""
        return {name: self.field(type_name, name) for name in self._fields(type_name)}

    def length(self, type_name: str, path: str) -> int:
        """The length of the array that ``path`` leads to."""
        name = self._underlying(self.field(type_name, path).type)
        array = _ARRAY.fullmatch(name)
        if array is None:
            raise LayoutError(f"{self.version}: {type_name}.{path} is {name}, not an array")
        return int(array[1])

    def _resolve(self, type_name: str, path: str) -> Field:
        offset, here, position = 0, type_name, 0
        while position < len(path):
            step = _STEP.match(path, position)
            if step is None:
                raise LayoutError(f"not a path of fields: {path!r}")
            position = step.end()
            if step[1] is not None:
                fields = self._fields(here)
                if step[1] not in fields:
                    raise LayoutError(
                        f"{self.version}: {here} has no field {step[1]} "
                        f"(looking for {type_name}.{path}; it has {', '.join(fields)})"
                    )
                delta, here = fields[step[1]]
                offset += delta
                continue
            array = _ARRAY.fullmatch(self._underlying(here))
            if array is None:
                raise LayoutError(f"{self.version}: {here} is not an array ({type_name}.{path})")
            if int(step[2]) >= int(array[1]):
                raise LayoutError(f"{self.version}: index out of range in {type_name}.{path}")
            here = array[2]
            offset += int(step[2]) * self.size(here)
        return Field(offset, self.size(here), here)

    def _fields(self, type_name: str) -> Mapping[str, tuple[int, str]]:
        name = self._underlying(type_name)
        if name in self._members:
            return self._members[name]
        if name in self._structs:
            rows = (str(row).split(" ", 2) for row in self._structs[name][1:])
            members = {field: (int(offset), type) for field, offset, type in rows}
            return self._members.setdefault(name, members)
        if name == "string":
            return STRING_FIELDS
        if name.startswith("[]"):
            return SLICE_FIELDS
        if name.startswith("interface {"):
            return EFACE_FIELDS if name == "interface {}" else IFACE_FIELDS
        raise LayoutError(f"{self.version}: no struct {type_name} in the layouts")

    def _underlying(self, type_name: str) -> str:
        name = type_name
        for _ in range(len(self._named) + 1):
            if name not in self._named:
                return name
            name = self._named[name]
        raise LayoutError(f"{self.version}: {type_name} is defined by itself")

    # --- variables and constants ---

    def variable(self, name: str) -> str:
        """The type of a package-level variable: ``runtime.mheap_`` -> ``runtime.mheap``."""
        found = self._asked.get(name)
        if found is None:
            found = self._variables.get(name)
            if found is None:
                raise LayoutError(f"{self.version}: no variable {name} in the layouts")
            self._asked[name] = found
        return found

    def has_variable(self, name: str) -> bool:
        """Whether this version's reference plugin has that variable."""
        return name in self._variables

    def constant(self, name: str) -> int:
        """The value of an integer constant: ``runtime._Gdead``."""
        try:
            return self._constants[name]
        except KeyError:
            raise LayoutError(f"{self.version}: no constant {name} in the layouts") from None

    def has_constant(self, name: str) -> bool:
        """Whether this version has that constant."""
        return name in self._constants

    # --- all of it ---

    def answers(self) -> Answers:
        """What was asked of variables and fields so far."""
        fields: dict[str, dict[str, str]] = {}
        for (type_name, path), field in self._resolved.items():
            row = "" if field is None else f"{field.offset} {field.size} {field.type}"
            fields.setdefault(type_name, {})[path] = row
        return Answers(self._asked, fields)

    def parts(self) -> dict[str, Mapping[str, object]]:
        """What the layout holds, by kind and name, in the form the tables have it in."""
        return {
            "structs": self._structs,
            "named": self._named,
            "variables": self._variables,
            "constants": self._constants,
        }
