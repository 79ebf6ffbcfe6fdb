"""What is not a plugin that can be opened, and how the error says so. Everything real is built."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emuplugin.build import NEWEST, fetch_toolchain, resolve_version
from emuplugin.build.compiler import find_compiler
from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.file import ElfFile
from emuplugin.elf.refusals import check_plugin, check_settings
from emuplugin.errors import (
    FormatError,
    NotAPluginError,
    NotElfError,
    OpenError,
    UnsupportedBuildError,
    WrongTargetError,
)
from tests.conftest import PluginPath
from tests.elf.images import without_sections

SOURCE = 'package main\n\nimport "C"\n\n//export Add\nfunc Add(a, b int) int { return a + b }\n'
PURE_SOURCE = "package main\n"
MAIN = "\nfunc main() {}\n"

GoBuild = Callable[..., Path]


@pytest.fixture(scope="session")
def go_build(tmp_path_factory: pytest.TempPathFactory) -> GoBuild:
    """Builds a small program: ``go_build("-buildmode=c-shared", GOARCH="386")``."""
    built: dict[object, Path] = {}
    toolchain = fetch_toolchain(resolve_version(NEWEST))

    def build(*flags: str, pure: bool = False, **environment: str) -> Path:
        key = flags, pure, tuple(sorted(environment.items()))
        if key not in built:
            folder = tmp_path_factory.mktemp("program")
            source = (PURE_SOURCE if pure else SOURCE) + MAIN
            (folder / "main.go").write_text(source, encoding="utf-8")
            compiler = {} if pure else {"CGO_ENABLED": "1", **find_compiler().variables()}
            target = {"GOOS": "linux", "GOARCH": "amd64", "GOWORK": "off", "GO111MODULE": "off"}
            arguments = ["build", *flags, "-o", "out", "main.go"]
            result = toolchain.go(arguments, folder, {**target, **compiler, **environment})
            assert result.returncode == 0, result.stdout
            built[key] = folder / "out"
        return built[key]

    return build


def refuse(path: Path) -> OpenError:
    """The error that refuses a file."""
    with pytest.raises(OpenError) as caught:
        check_plugin(ElfFile.open(path))
    return caught.value


@pytest.mark.parametrize("name", ["add", "hello", "cgo", "unnamed"])
@pytest.mark.parametrize("stripped", [False, True])
def test_plugins_are_not_refused(
    plugin_path: PluginPath, go_version: str, name: str, stripped: bool
) -> None:
    file = ElfFile.open(plugin_path(name, go_version, stripped=stripped))
    check_plugin(file)
    assert file.is_go_plugin
    check_plugin(ElfFile(without_sections(file)))


def test_executable(go_build: GoBuild) -> None:
    error = refuse(go_build(pure=True, CGO_ENABLED="0"))
    assert type(error) is NotAPluginError
    assert error.reason.startswith("cannot dynamically load executable")
    assert "-buildmode=plugin" in error.reason


def test_position_independent_executable(go_build: GoBuild) -> None:
    error = refuse(go_build("-buildmode=pie", pure=True, CGO_ENABLED="0"))
    assert type(error) is NotAPluginError
    assert error.reason.startswith("cannot dynamically load executable")
    assert "-buildmode=pie" in error.reason


def test_c_shared_library_in_go(go_build: GoBuild) -> None:
    error = refuse(go_build("-buildmode=c-shared"))
    assert type(error) is NotAPluginError
    assert error.reason.startswith("not a plugin: a Go library built with -buildmode=c-shared")


def test_c_archive_in_go(go_build: GoBuild) -> None:
    assert type(refuse(go_build("-buildmode=c-archive"))) is NotElfError


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-shared", "-fPIC", "-Wl,-soname,libanswer.so.1"], "shared library libanswer.so.1 holds"),
        (["-shared", "-fPIC"], "shared library holds no Go build info"),
        (["-c"], "only ET_DYN and ET_EXEC can be loaded: this is an object file"),
    ],
)
def test_c_library(tmp_path: Path, flags: list[str], message: str) -> None:
    source = tmp_path / "answer.c"
    source.write_text("int answer(void) { return 42; }\n", encoding="utf-8")
    compiler = find_compiler()
    command = [*compiler.cc.split(), *flags, "-o", str(tmp_path / "out.so"), str(source)]
    subprocess.run(command, check=True)
    error = refuse(tmp_path / "out.so")
    assert type(error) is NotAPluginError
    assert message in error.reason


def test_other_processors(go_build: GoBuild) -> None:
    error = refuse(go_build(pure=True, CGO_ENABLED="0", GOARCH="386"))
    assert type(error) is WrongTargetError
    assert error.reason.startswith("wrong ELF class: ELFCLASS32")
    error = refuse(go_build(pure=True, CGO_ENABLED="0", GOARCH="arm64"))
    assert type(error) is WrongTargetError
    assert "AArch64" in error.reason
    for text in ("GOOS=linux", "GOARCH=amd64"):
        assert text in error.reason


@pytest.mark.parametrize(
    ("at", "new", "kind", "message"),
    [
        (0, b"\x7fELG", NotElfError, "invalid ELF header"),
        (4, b"\1", WrongTargetError, "wrong ELF class: ELFCLASS32"),
        (4, b"\7", WrongTargetError, "wrong ELF class: 7"),
        (5, b"\2", WrongTargetError, "ELF file data encoding not little-endian"),
        (6, b"\2", FormatError, "ELF file version ident does not match current one"),
        (7, b"\x09", WrongTargetError, "ELF file OS ABI invalid"),
        (8, b"\1", WrongTargetError, "ELF file ABI version invalid"),
        (12, b"\1", FormatError, "nonzero padding in e_ident"),
        (16, b"\2\0", NotAPluginError, "cannot dynamically load executable"),
        (16, b"\1\0", NotAPluginError, "only ET_DYN and ET_EXEC can be loaded: this is an object"),
        (16, b"\4\0", NotAPluginError, "only ET_DYN and ET_EXEC can be loaded: this is a core"),
        (18, b"\xb7\0", WrongTargetError, "another processor: AArch64"),
        (18, b"\xff\xff", WrongTargetError, "another processor: processor number 65535"),
        (20, b"\2\0\0\0", FormatError, "ELF file version does not match current one"),
        (54, b"\x20\0", FormatError, "ELF file's phentsize not the expected size"),
        (56, b"\0\0", FormatError, "object file has no loadable segments"),
    ],
)
def test_changed_header(
    plugin_path: PluginPath,
    go_version: str,
    tmp_path: Path,
    at: int,
    new: bytes,
    kind: type[OpenError],
    message: str,
) -> None:
    data = bytearray(plugin_path("add", go_version).read_bytes())
    data[at : at + len(new)] = new
    path = tmp_path / "changed.so"
    path.write_bytes(data)
    error = refuse(path)
    assert type(error) is kind
    assert message in error.reason


def test_without_dynamic_section(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    data = bytearray(file.data)
    index = next(i for i, s in enumerate(file.program_headers) if s.type == 2)
    struct.pack_into("<I", data, 64 + 56 * index, 0)
    with pytest.raises(FormatError, match="object file has no dynamic section"):
        check_plugin(ElfFile(bytes(data)))


def test_race_detector(plugin_path: PluginPath) -> None:
    path = plugin_path("add", resolve_version(NEWEST), go_flags=("-race",))
    error = refuse(path)
    assert isinstance(error, UnsupportedBuildError)
    assert (error.setting, error.value) == ("-race", "true")
    assert "without -race" in error.reason


def test_v3_instructions(plugin_path: PluginPath) -> None:
    path = plugin_path("add", resolve_version(NEWEST), env={"GOAMD64": "v3"})
    error = refuse(path)
    assert isinstance(error, UnsupportedBuildError)
    assert (error.setting, error.value) == ("GOAMD64", "v3")
    assert "GOAMD64=v1 or v2" in error.reason
    check_plugin(ElfFile.open(plugin_path("add", resolve_version(NEWEST), env={"GOAMD64": "v2"})))


@pytest.mark.parametrize(
    ("setting", "value", "refused"),
    [
        ("-race", "true", True),
        ("-race", "false", False),
        ("-msan", "true", True),
        ("-asan", "true", True),
        ("GOAMD64", "v1", False),
        ("GOAMD64", "v2", False),
        ("GOAMD64", "v3", True),
        ("GOAMD64", "v4", True),
        ("GOAMD64", "v9", True),
        ("GOARCH", "amd64", False),
    ],
)
def test_settings(setting: str, value: str, refused: bool) -> None:
    info = BuildInfo("go1.27.3", settings={setting: value})
    if refused:
        with pytest.raises(UnsupportedBuildError) as caught:
            check_settings(info)
        assert (caught.value.setting, caught.value.value) == (setting, value)
    else:
        check_settings(info)


def test_another_compiler(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    data = bytes(file.data).replace(b"build\t-compiler=gc\n", b"build\t-compiler=xx\n")
    with pytest.raises(NotAPluginError, match="built with -compiler=xx"):
        check_plugin(ElfFile(data))


def test_without_build_settings_the_module_data_decides(
    plugin_path: PluginPath, go_version: str
) -> None:
    """As rules_go and other build systems leave it, which call compiler and linker themselves."""
    file = ElfFile.open(plugin_path("add", go_version))
    data = bytes(file.data).replace(b"build\t-buildmode=plugin", b"other\t-buildmode=plugin")
    check_plugin(ElfFile(data))
    assert not ElfFile(data).is_go_plugin
