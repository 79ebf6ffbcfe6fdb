"""The Go sources in ``fixtures/`` as plugins: built on demand, kept in the user's cache.

What is kept goes by a hash of the sources, the Go version and the flags, so a change of any of
them builds anew, and several test processes and checkouts can share it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emuplugin.build import build_plugin, fetch_toolchain
from emuplugin.build.cache import cache_path, locked
from emuplugin.build.compiler import find_compiler
from emuplugin.errors import BuildError

SOURCES = Path(__file__).resolve().parents[2] / "fixtures"

# A go.work in a folder above the checkout must not change what is built.
_ENVIRONMENT = {"GOWORK": "off"}


@dataclass(frozen=True)
class Flags:
    """How to build: the keyword arguments of :func:`emuplugin.build.build_plugin`."""

    ldflags: str = ""
    trimpath: bool = False
    tags: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    go_flags: tuple[str, ...] = ()
    cc: str | None = None


def plugin_path(
    name: str,
    go_version: str,
    *,
    stripped: bool = False,
    ldflags: str = "",
    trimpath: bool = False,
    tags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    go_flags: Sequence[str] = (),
    cc: str | None = None,
) -> Path:
    """The plugin built from ``fixtures/NAME`` by a Go version (a full one, like ``1.27.3``).

    ``stripped`` is short for ``ldflags="-s -w", trimpath=True``; the rest is as for
    :func:`emuplugin.build.build_plugin`.
    """
    flags = Flags(
        ldflags="-s -w" if stripped and not ldflags else ldflags,
        trimpath=trimpath or stripped,
        tags=tuple(tags),
        env=tuple(sorted((env or {}).items())),
        go_flags=tuple(go_flags),
        cc=cc,
    )

    def build(source: Path, output: Path) -> None:
        build_plugin(
            source,
            output,
            go=go_version,
            ldflags=flags.ldflags,
            trimpath=flags.trimpath,
            tags=flags.tags,
            env={**_ENVIRONMENT, **dict(flags.env)},
            go_flags=flags.go_flags,
            cc=flags.cc,
        )

    return _cached(name, go_version, repr(flags), ".so", build)


def host_path(go_version: str, *, trimpath: bool = False, cc: str | None = None) -> Path:
    """The program ``fixtures/oracle_host``; it opens plugins built with the same arguments."""

    def build(source: Path, output: Path) -> None:
        arguments = ["build", "-o", str(output), *(["-trimpath"] if trimpath else []), "."]
        env = {**_ENVIRONMENT, "CGO_ENABLED": "1", **find_compiler(cc).variables()}
        result = fetch_toolchain(go_version).go(arguments, source, env)
        if result.returncode != 0:
            raise BuildError(f"the oracle host does not build:\n{result.stdout}", result.stdout)

    return _cached("oracle_host", go_version, repr((trimpath, cc)), "", build)


def _cached(
    name: str, go_version: str, flags: str, suffix: str, build: Callable[[Path, Path], None]
) -> Path:
    """The file that ``build`` makes of ``fixtures/NAME``, from the cache if it is there."""
    folder = SOURCES / name
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in SOURCES.iterdir() if path.is_dir()))
        raise ValueError(f"no fixture named {name!r}; there are {known}")
    key = f"{hash_folder(folder)} {go_version} {flags}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    target = cache_path() / "fixtures" / f"{name}-{go_version}-{digest}{suffix}"
    if target.is_file():
        return target
    with locked(target), tempfile.TemporaryDirectory(prefix="fixture-") as temporary:
        if not target.is_file():
            output = Path(temporary) / target.name
            build(_prepare(folder, Path(temporary)), output)
            # Under its own name only when it is whole: others look without holding the lock.
            partial = target.with_name(target.name + ".partial")
            shutil.copy(output, partial)
            partial.replace(target)
    return target


def hash_folder(folder: Path) -> str:
    """A hash over the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _prepare(folder: Path, temporary: Path) -> Path:
    """What to build: the folder, its only file where it is no module, or a generated copy."""
    if (folder / "generate.py").is_file():
        copy = temporary / folder.name
        shutil.copytree(folder, copy)
        subprocess.run([sys.executable, str(copy / "generate.py"), str(copy)], check=True)
        return copy
    if not (folder / "go.mod").is_file():
        (single,) = folder.glob("*.go")
        return single
    return folder
