"""The shipped tables: one JSON file per Go minor version, with all its measured patch releases.

Patch releases do change the runtime: ``runtime.work`` grew by 32 bytes from 1.23.3 to 1.23.4,
``runtime.m`` by 24 in 1.24. So a file holds the layout of a reference release in full, a struct
per line, and for each other release that was measured what it has otherwise (null: not at all).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from emuplugin.errors import UnsupportedGoVersionError
from emuplugin.runtime_shims.layouts.layout import Layout

#: Where the tables stand. Not importlib.resources, which takes ten times as long to start.
HERE = Path(__file__).parent

#: A release as build info names it: ``go1.27.3``, not ``go1.27rc1``; perhaps a vendor's suffix;
#: then the GOEXPERIMENT settings that are not the version's own (cmd/link: ``buildVersion``).
_VERSION = re.compile(
    r"(?P<minor>go1\.\d+)(?:\.(?P<patch>\d+))?(?![\w.])(?P<suffix>[^:]*?)"
    r"(?:[ -]X:(?P<experiments>\S+))?"
)
_FILE_NAME = re.compile(r"go1\.(\d+)\.json")

#: Experiments of the compiler, the linker and the library, which leave the runtime as it is.
_HARMLESS_EXPERIMENTS = frozenset(
    f"{no}{experiment}"
    for no in ("", "no")
    for experiment in (
        "aliastypeparams",
        "boringcrypto",
        "cacheprog",
        "coverageredesign",
        "dwarf5",
        "fieldtrack",
        "jsonv2",
        "loopvar",
        "newinliner",
        "rangefunc",
        "synctest",
    )
)

Parts: TypeAlias = Mapping[str, Mapping[str, Any]]


class Table(NamedTuple):
    """The layouts of one minor version by release (``go1.27.3``), in ascending order."""

    reference: str
    layouts: Mapping[str, Layout]

    def nearest(self, patch: int) -> list[Layout]:
        """The layout of that patch release; if it was not measured, those next above and below."""
        patches = {patch_number(release): release for release in self.layouts}
        above = [patches[number] for number in patches if number > patch][:1]
        below = [patches[number] for number in patches if number < patch][-1:]
        wanted = [patches[patch]] if patch in patches else above + below
        return [self.layouts[release] for release in wanted]


class _Releases(Mapping[str, Layout]):
    """Layouts by release, ascending, put together when they are asked for."""

    def __init__(self, reference: str, parts: Parts, changes: Mapping[str, Parts]) -> None:
        self._parts, self._changes = parts, changes
        self._names = sorted((reference, *changes), key=patch_number)
        self._made = {reference: Layout(reference, **parts)}

    def __getitem__(self, release: str) -> Layout:
        layout = self._made.get(release)
        if layout is None:
            layout = Layout(release, **_apply(self._parts, self._changes[release]))
            self._made[release] = layout
        return layout

    def __contains__(self, release: object) -> bool:
        return release in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def known_versions() -> tuple[str, ...]:
    """The minor versions that have a table, oldest first: ``("go1.21", ...)``."""
    names = os.listdir(HERE)
    minors = sorted(int(match[1]) for name in names if (match := _FILE_NAME.fullmatch(name)))
    return tuple(f"go1.{minor}" for minor in minors)


@cache
def load_table(minor: str) -> Table:
    """The shipped table of a minor version (``go1.27``)."""
    return read_table((HERE / f"{minor}.json").read_bytes())


def candidates(version: str) -> list[Layout]:
    """The layouts that may fit a Go version as build info gives it, the likeliest first.

    One where that release was measured, else those of its neighbours. Raises
    :class:`~emuplugin.errors.UnsupportedGoVersionError` where there is no table.
    """
    match = _VERSION.fullmatch(version)
    if match is not None and match["minor"] in known_versions():
        experiments = set((match["experiments"] or "").split(",")) - {""}
        if experiments <= _HARMLESS_EXPERIMENTS:
            return load_table(match["minor"]).nearest(int(match["patch"] or 0))
    raise unsupported(version)


def is_measured(version: str) -> bool:
    """Whether the tables hold exactly this release, and nobody but the Go team released it."""
    match = _VERSION.fullmatch(version)
    if match is None or match["suffix"] or match["minor"] not in known_versions():
        return False
    return f"{match['minor']}.{match['patch'] or 0}" in load_table(match["minor"]).layouts


def unsupported(version: str) -> UnsupportedGoVersionError:
    """The error for a version without layouts."""
    known = known_versions()
    return UnsupportedGoVersionError(
        f"no struct layouts for {version or 'an unknown Go version'} (known: releases of "
        f"{', '.join(known)}); build the plugin with one of these, or without the flags "
        "-ldflags=-s and -ldflags=-w, so that its own DWARF can be read",
        version=version,
        known=known,
    )


def patch_number(release: str) -> int:
    """3 for ``go1.27.3``."""
    return int(release.rpartition(".")[2])


# --- files ----------------------------------------------------------------------------------


def read_table(text: str | bytes) -> Table:
    """The table in a file's text."""
    content = json.loads(text)
    reference = content.pop("reference")
    releases = content.pop("releases")
    return Table(reference, _Releases(reference, content, releases))


def write_table(table: Table) -> str:
    """The text of a table's file: JSON, an entry per line, sorted."""
    reference = table.layouts[table.reference].parts()
    releases = {
        release: _changes(reference, layout.parts())
        for release, layout in table.layouts.items()
        if release != table.reference
    }
    content = {"reference": table.reference, **reference, "releases": releases}
    return "\n".join(_lines(content, "")) + "\n"


def _apply(parts: Parts, changes: Parts) -> dict[str, dict[str, Any]]:
    """What a release has, from the reference's parts and what it has otherwise."""
    changed = {}
    for part, entries in parts.items():
        merged = {**entries, **changes.get(part, {})}
        changed[part] = {name: entry for name, entry in merged.items() if entry is not None}
    return changed


def _changes(reference: Parts, parts: Parts) -> dict[str, dict[str, Any]]:
    """What ``parts`` has otherwise than ``reference``: the inverse of :func:`_apply`."""
    changes = {}
    for part, entries in parts.items():
        expected = reference[part]
        changed = {
            name: entries.get(name)
            for name in sorted(entries.keys() | expected.keys())
            if entries.get(name) != expected.get(name)
        }
        if changed:
            changes[part] = changed
    return changes


def _lines(content: Mapping[str, Any], indent: str) -> Iterator[str]:
    """A JSON object with a line per entry of the innermost objects."""
    yield "{"
    for number, (key, value) in enumerate(content.items(), 1):
        comma = "," if number < len(content) else ""
        if isinstance(value, Mapping) and value:
            first, *others = _lines(value, f"{indent} ")
            yield f"{indent} {json.dumps(key)}: {first}"
            yield from others[:-1]
            yield f"{others[-1]}{comma}"
        else:
            yield f"{indent} {json.dumps(key)}: {json.dumps(value)}{comma}"
    yield f"{indent}}}"
