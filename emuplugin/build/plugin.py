"""``go build -buildmode=plugin`` for linux/amd64, on any host."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emuplugin.build.compiler import find_compiler
from emuplugin.build.toolchain import Toolchain, fetch_toolchain
from emuplugin.build.versions import NEWEST
from emuplugin.errors import BuildError

_TARGET = {"GOOS": "linux", "GOARCH": "amd64", "GOAMD64": "v1", "CGO_ENABLED": "1"}


@dataclass(frozen=True)
class BuiltPlugin:
    """What :func:`build_plugin` made: the file, the Go version, the C compiler, go's warnings."""

    path: Path
    go_version: str
    cc: str
    output: str


def build_plugin(
    source: Path | str,
    output: Path | str,
    *,
    go: str | Toolchain = NEWEST,
    ldflags: str = "",
    trimpath: bool = False,
    tags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    go_flags: Sequence[str] = (),
    cc: str | None = None,
) -> BuiltPlugin:
    """Build the Go package at ``source`` as a plugin and write it to ``output``.

    ``source`` is a folder with a package ``main``, in a module or not, or a single ``.go`` file;
    its folder is not written to. ``go`` names a version, as for
    :func:`~emuplugin.build.fetch_toolchain`, or is a toolchain; ``cc`` is as for
    :func:`~emuplugin.build.find_compiler`. ``ldflags``, ``trimpath`` and ``tags`` are go's flags of
    these names, ``go_flags`` further ones. ``env`` is added to the environment last, so it can
    also change the target's settings (``GOAMD64``, ``GOEXPERIMENT``).

    Raises :class:`BuildError` with go's output, or :class:`ToolchainError`.
    """
    source, output = Path(source).absolute(), Path(output).absolute()
    if source.is_dir():
        folder, target = source, "."
    elif source.is_file():
        folder, target = source.parent, source.name
    else:
        raise BuildError(f"no Go source at {source}: it is neither a folder nor a file")
    toolchain = go if isinstance(go, Toolchain) else fetch_toolchain(go)
    compiler = find_compiler(cc)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="emuplugin-build-") as temporary:
        result_path = Path(temporary) / "plugin.so"
        arguments = ["build", "-buildmode=plugin", "-o", str(result_path)]
        if ldflags:
            arguments.append(f"-ldflags={ldflags}")
        if trimpath:
            arguments.append("-trimpath")
        if tags:
            arguments.append(f"-tags={','.join(tags)}")
        arguments += [*_module_flags(folder, Path(temporary)), *go_flags, target]
        variables = {**_TARGET, **compiler.variables(), **(env or {})}
        result = toolchain.go(arguments, folder, variables)
        _check(result, source, toolchain, result_path)
        # Copied, not moved: the new file gets the usual permissions, and output may be on
        # another file system.
        shutil.copyfile(result_path, output)
    return BuiltPlugin(output, toolchain.version, variables["CC"], result.stdout)


def _check(
    result: subprocess.CompletedProcess[str], source: Path, toolchain: Toolchain, path: Path
) -> None:
    """Raise :class:`BuildError` unless ``go build`` wrote the file."""
    if result.returncode == 0 and path.is_file():
        return
    text = result.stdout.strip()
    if result.returncode == 0:  # e.g. a package that is not main: go builds and writes nothing
        text = f"{text}\ngo wrote no file: is the package at {source} package main?".strip()
    raise BuildError(f"go build failed (Go {toolchain.version}, {source}):\n{text}", result.stdout)


def _module_flags(folder: Path, temporary: Path) -> list[str]:
    """The flags that let a module without go.sum be built without writing into its folder.

    go looks for the checksums beside the file that ``-modfile`` names, so a copy of go.mod in a
    temporary folder takes them; they are still checked against the checksum database.
    """
    module = folder / "go.mod"
    if not module.is_file() or (folder / "go.sum").exists() or (folder / "vendor").is_dir():
        return []
    copy = temporary / "go.mod"
    shutil.copyfile(module, copy)
    return ["-mod=mod", f"-modfile={copy}"]
