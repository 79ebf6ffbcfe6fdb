"""What is refused before anything of a file is mapped, and in which words.

The order is from what a file is to how it was built: the first reason that holds is the one to
hear. glibc's words stand first where its ``dlopen`` has them (``elf/dl-load.c``), then what to do.
"""

from __future__ import annotations

from typing import Final

from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.constants import DF_1_PIE, DT_FLAGS_1, ET_CORE, ET_DYN, ET_EXEC, ET_REL
from emuplugin.elf.file import ElfFile
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.errors import FormatError, NotAPluginError, UnsupportedBuildError

_ADVICE: Final = "build it with go build -buildmode=plugin"

GOAMD64_LEVELS: Final = ("v1", "v2")
"""Levels whose instructions the processor emulation computes correctly. AVX, which v3 uses without
asking, it gets wrong silently."""

_SANITIZERS: Final = {
    "-race": "the race detector",
    "-msan": "the memory sanitizer",
    "-asan": "the address sanitizer",
}


def check_plugin(file: ElfFile) -> None:
    """Raise the error that says why ``file`` can't be opened as a plugin, if there is a reason.

    NotAPluginError, UnsupportedBuildError, or FormatError for a file without what every
    shared object has. Which Go versions are supported, and whether the plugin path is there,
    is not looked at here.
    """
    _check_type(file)
    if not file.segments:
        raise FormatError("object file has no loadable segments")
    if not file.has_dynamic:
        raise FormatError("object file has no dynamic section")
    info = file.build_info
    if info is None:
        raise NotAPluginError(_not_go(file))
    _check_build_mode(info)
    if file.dynamic.get(DT_FLAGS_1, 0) & DF_1_PIE:
        raise NotAPluginError(f"cannot dynamically load position-independent executable; {_ADVICE}")
    check_settings(info)
    find_moduledata(file)


def check_settings(info: BuildInfo) -> None:
    """Raise UnsupportedBuildError for a build that the emulation can't run correctly."""
    for setting, name in _SANITIZERS.items():
        value = info.settings.get(setting, "false")
        if value != "false":
            raise UnsupportedBuildError(
                f"built with {setting}: the plugin needs the run-time library of {name}, "
                f"which is not there; build it without {setting}",
                setting=setting,
                value=value,
            )
    level = info.settings.get("GOAMD64", GOAMD64_LEVELS[0])
    # An experiment may follow the level: "v3,softfloat".
    if level.split(",")[0] not in GOAMD64_LEVELS:
        raise UnsupportedBuildError(
            f"built with GOAMD64={level}: the plugin uses AVX instructions, which the emulated "
            "processor does not have; build it with GOAMD64=v1 or v2",
            setting="GOAMD64",
            value=level,
        )


def _check_type(file: ElfFile) -> None:
    kind = file.header.e_type
    if kind == ET_DYN:
        return
    if kind == ET_EXEC:
        raise NotAPluginError(f"cannot dynamically load executable; {_ADVICE}")
    what = {ET_REL: "an object file", ET_CORE: "a core dump"}.get(kind, f"ELF type {kind}")
    raise NotAPluginError(f"only ET_DYN and ET_EXEC can be loaded: this is {what}; {_ADVICE}")


def _check_build_mode(info: BuildInfo) -> None:
    compiler = info.settings.get("-compiler", "gc")
    if compiler != "gc":
        raise NotAPluginError(f"built with -compiler={compiler}; build it with Go's own compiler")
    # Build systems other than the go command leave the settings out; then the module data decides.
    mode = info.settings.get("-buildmode", "plugin")
    if mode in ("exe", "pie"):
        raise NotAPluginError(
            "cannot dynamically load executable: "
            f"a Go program built with -buildmode={mode}; {_ADVICE}"
        )
    if mode != "plugin":
        raise NotAPluginError(
            f"not a plugin: a Go library built with -buildmode={mode}, "
            f"which has a C interface and nothing to look up; {_ADVICE}"
            if mode in ("c-shared", "c-archive")
            else f"not a plugin: built with -buildmode={mode}; {_ADVICE}"
        )


def _not_go(file: ElfFile) -> str:
    if file.dynamic.get(DT_FLAGS_1, 0) & DF_1_PIE or (file.interpreted and not file.soname):
        return (
            "cannot dynamically load position-independent executable: "
            f"a program, and it holds no Go build info; {_ADVICE}"
        )
    name = f" {file.soname}" if file.soname else ""
    return (
        f"not a Go plugin: shared library{name} holds no Go build info, so it is not from Go "
        f"1.18 or later (a C library?); {_ADVICE}"
    )
