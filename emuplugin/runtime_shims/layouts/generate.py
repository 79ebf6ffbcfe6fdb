"""Generate the layout tables: ``python -m emuplugin.runtime_shims.layouts.generate --go all``.

A layout comes from the DWARF of the plugin in ``reference/``, built with the toolchain of the
release. A minor version (``--go 1.27``) means every patch release that the package index has,
``all`` every minor version; a full one (``--go 1.27.3``) brings only that release up to date in
its table. The same toolchains give the same bytes. ``--check`` writes nothing, tells what
differs from the tables, and exits with 1 if something does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from emuplugin.build import PATCHES, Toolchain, available_versions, build_plugin, resolve_version
from emuplugin.elf.file import ElfFile
from emuplugin.errors import EmupluginError, LayoutError, ToolchainError
from emuplugin.runtime_shims.layouts.dwarf import layout_from_dwarf
from emuplugin.runtime_shims.layouts.layout import Layout
from emuplugin.runtime_shims.layouts.tables import (
    HERE,
    Table,
    patch_number,
    read_table,
    write_table,
)

REFERENCE = HERE / "reference"


def generate(go: str | Toolchain, env: Mapping[str, str] | None = None) -> Layout:
    """The layout of a Go release (``1.27.3``), from a fresh reference plugin."""
    with tempfile.TemporaryDirectory(prefix="emuplugin-layouts-") as folder:
        path = Path(folder) / "reference.so"
        # A go.work in a folder above must not change what is built.
        env = {"GOWORK": "off", **(env or {})}
        version = build_plugin(REFERENCE, path, go=go, trimpath=True, env=env).go_version
        return read_plugin(path, f"go{version}")


def read_plugin(path: Path, version: str) -> Layout:
    """The layout in the DWARF of the plugin at ``path``. Raises LayoutError without DWARF."""
    layout = layout_from_dwarf(ElfFile.open(path), version)
    if layout is None:
        raise LayoutError(f"{path} has no DWARF: was it built with -ldflags=-w?")
    return layout


def minor_of(version: str) -> str:
    """``1.27`` for ``1.27.3`` or ``go1.27.3``."""
    return ".".join(version.removeprefix("go").split(".")[:2])


def table_path(minor: str) -> Path:
    """Where the table of a minor version (``1.27``) stands."""
    return HERE / f"go{minor}.json"


def stored_table(minor: str) -> Table | None:
    """The table of a minor version as it stands, or None."""
    path = table_path(minor)
    return read_table(path.read_bytes()) if path.is_file() else None


def table_text(minor: str, layouts: Mapping[str, Layout]) -> str:
    """The table's text, from the layouts by release. One of them must be the reference."""
    reference = f"go{resolve_version(minor)}"
    if reference not in layouts:
        raise LayoutError(f"the table of go{minor} needs its reference release: --go {minor}")
    ordered = sorted(layouts, key=patch_number)
    return write_table(Table(reference, {release: layouts[release] for release in ordered}))


def differences(stored: Layout, found: Layout) -> Iterator[str]:
    """What ``found`` has otherwise than ``stored``, in words."""
    for part, entries in stored.parts().items():
        others = found.parts()[part]
        for name in sorted(entries.keys() | others.keys()):
            if name not in others:
                yield f"{part}: {name} is gone"
            elif name not in entries:
                yield f"{part}: {name} is new"
            elif others[name] != entries[name]:
                yield f"{part}: {name} is {others[name]}, not {entries[name]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m emuplugin.runtime_shims.layouts.generate",
        description="Generate the struct layouts of the Go runtime from reference plugins.",
    )
    parser.add_argument("--go", nargs="+", default=["all"], help="versions, or all (default)")
    parser.add_argument("--check", action="store_true", help="compare with the tables only")
    options = parser.parse_args(arguments)
    try:
        versions = list(PATCHES) if options.go == ["all"] else options.go
        return sum(_update(version, check=options.check) for version in versions) and 1
    except EmupluginError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _update(version: str, *, check: bool) -> int:
    """Bring a table up to date, or with ``check`` count its releases that are not."""
    minor, whole = minor_of(version), version.removeprefix("go").count(".") == 1
    releases = [version.removeprefix("go")]
    if whole:
        releases = [release for release in available_versions() if minor_of(release) == minor]
        if not releases:
            raise ToolchainError(f"the package index has no release of Go {minor}")
    table = stored_table(minor)
    stored = table.layouts if table else {}
    layouts = {} if whole else dict(stored)
    stale = 0
    for release in reversed(releases):
        layout = layouts[f"go{release}"] = generate(release)
        old = stored.get(layout.version)
        found = ["not in the table"] if old is None else list(differences(old, layout))
        stale += bool(found)
        print(f"{layout.version}: {'as stored' if not found else 'changed'}", flush=True)
        for line in found if check else ():
            print(f"  {line}", flush=True)
    if check:
        return stale
    path = table_path(minor)
    path.write_text(table_text(minor, layouts), encoding="utf-8", newline="\n")
    print(f"{path.name}: {len(layouts)} releases, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
