"""TypeIndex: the types of a plugin by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.gotype import GoType

_ALIASES = {"any": "interface {}", "byte": "uint8", "rune": "int32"}
_WORD = re.compile(r"(?<![\w./])(any|byte|rune)(?![\w.(])")
_SPACES = re.compile(r"\s+")


class TypeIndex(Mapping[str, GoType]):
    """All types whose descriptors are in a plugin, by their names in Go (``[]main.Point``).

    Type literals can be written with ``any``, ``byte`` and ``rune``, and named types with their
    whole import path. Where packages of one name define types of one name, only that helps.
    """

    def __init__(self, types: Iterable[GoType]) -> None:
        self._names: dict[str, list[GoType]] = {}
        self._paths: dict[str, GoType] = {}
        self._seen: set[GoType] = set()
        #: The pointer type of each type that has one.
        self.pointers: dict[GoType, GoType] = {}
        pending = list(types)
        while pending:
            go_type = pending.pop()
            if go_type in self._seen:
                continue
            self._seen.add(go_type)
            pending.extend(_parts(go_type))
            self._names.setdefault(go_type.string, []).append(go_type)
            if go_type.kind == "ptr" and not go_type.named:
                self.pointers.setdefault(go_type.elem, go_type)
            if go_type.pkg_path:
                self._paths[f"{go_type.pkg_path}.{go_type.name}"] = go_type

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[str]:
        for name in sorted(self._names):
            same = self._names[name]
            paths = [f"{found.pkg_path}.{found.name}" for found in same if found.pkg_path]
            yield from sorted(paths) if len(same) > 1 and paths else [name]

    def __getitem__(self, name: str) -> GoType:
        try:
            return self.find(name)
        except UnsupportedTypeError as error:
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        # That of Mapping asks for the type, and each time would look for names that are near.
        try:
            return isinstance(name, str) and self._find(name) is not None
        except UnsupportedTypeError:
            return False

    def __repr__(self) -> str:
        return f"<{len(self)} Go types>"

    def find(self, name: str) -> GoType:
        """The type of that name; UnsupportedTypeError where there is none or several."""
        found = self._find(name)
        if found is not None:
            return found
        from difflib import get_close_matches

        near = get_close_matches(canonical(name), self._names, n=3, cutoff=0.75)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise UnsupportedTypeError(
            f"the plugin has no type {name}: the linker keeps only those that its code uses{hint}",
            type=name,
        )

    def _find(self, name: str) -> GoType | None:
        """The type of that name, or None; UnsupportedTypeError where there are several."""
        return self._paths.get(name) or self._only(name) or self._only(canonical(name))

    def _only(self, name: str) -> GoType | None:
        same = self._names.get(name, [])
        if len(same) > 1:
            paths = [f"{go_type.pkg_path}.{go_type.name}" for go_type in same if go_type.pkg_path]
            if not paths:
                return same[0]
            raise UnsupportedTypeError(
                f"{name} is the name of {len(same)} types; say which: {', '.join(paths)}",
                type=name,
            )
        return same[0] if same else None


def _parts(go_type: GoType) -> Iterator[GoType]:
    """The types that a type consists of: some of them have no symbol of their own."""
    kind = go_type.kind
    if kind in ("array", "chan", "map", "ptr", "slice"):
        yield go_type.elem
    if kind == "map":
        yield go_type.key
    elif kind == "struct":
        yield from (field.type for field in go_type.fields)
    elif kind == "func":
        yield from go_type.params
        yield from go_type.results


def canonical(name: str) -> str:
    """A type literal as ``reflect.Type.String`` writes it."""
    text = _WORD.sub(lambda match: _ALIASES[match[1]], name.strip())
    text = text.replace("interface{}", "interface {}").replace("struct{}", "struct {}")
    return _SPACES.sub(" ", text)
