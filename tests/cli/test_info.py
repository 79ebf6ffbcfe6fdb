"""emuplugin info: what stands in a file, compared with what the opened plugin says."""

from __future__ import annotations

import random
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import emuplugin
from emuplugin.build import NEWEST, PATCHES
from emuplugin.elf.file import ElfFile
from emuplugin.values import Function
from tests.cli.conftest import Cli
from tests.conftest import PluginPath

KEYS = [
    "path", "size", "refusal", "unreadable", "plugin_path", "go_version", "package", "module",
    "dependencies", "settings", "exports", "init_order", "c_imports", "c_imports_beyond_cgo",
    "libraries", "sections", "symbol_table", "dwarf", "relocations", "error",
]  # fmt: skip


@pytest.mark.parametrize("stripped", [False, True], ids=["", "stripped"])
@pytest.mark.parametrize("fixture", ["add", "hello", "composites", "kinds", "yaml", "unnamed"])
def test_agrees_with_the_opened_plugin(
    cli: Cli, go_version: str, plugin_path: PluginPath, fixture: str, stripped: bool
) -> None:
    path = plugin_path(fixture, go_version, stripped=stripped)
    report = cli("info", str(path), "--json").json
    assert list(report) == KEYS
    with emuplugin.Machine() as machine:
        plugin = machine.open(path)
        exports = dict(plugin.exports)
        functions = {name for name in exports if isinstance(plugin.lookup(name), Function)}
        order = [(trace.package, list(trace.functions)) for trace in plugin.init_trace]
        relocations = dict(plugin.relocations)
        info, plugin_name = plugin.build_info, plugin.plugin_path
    assert {export["name"]: export["type"] for export in report["exports"]} == exports
    kinds = {export["name"]: export["kind"] for export in report["exports"]}
    assert {name for name, kind in kinds.items() if kind == "func"} == functions
    told = [(package["package"], package["functions"]) for package in report["init_order"]]
    assert told == [(unquote(package), names) for package, names in order]
    assert report["relocations"] == relocations
    assert report["plugin_path"] == plugin_name
    assert report["go_version"] == info.go_version == f"go{go_version}"
    assert report["settings"] == dict(info.settings)
    assert [module["path"] for module in report["dependencies"]] == [m.path for m in info.deps]
    assert report["refusal"] is None
    assert report["error"] is None
    assert report["size"] == path.stat().st_size
    assert report["symbol_table"] == report["dwarf"] == (not stripped)


def test_c_imports(cli: Cli, go_version: str, plugin_path: PluginPath) -> None:
    def beyond(fixture: str) -> list[str]:
        path = plugin_path(fixture, go_version)
        report = cli("info", str(path), "--json").json
        names: list[str] = report["c_imports_beyond_cgo"]
        assert set(names) < set(report["c_imports"])
        return names

    assert beyond("hello") == []
    assert beyond("cgo") == ["strlen"]
    assert "getaddrinfo" in beyond("stdlib")


def test_sections(cli: Cli, plugins: Path) -> None:
    report = cli("info", "hello.so", "--json").json
    sections = ElfFile.open(plugins / "hello.so").sections
    assert [section["name"] for section in report["sections"]] == [n for n in sections if n]
    text = next(section for section in report["sections"] if section["name"] == ".text")
    assert (text["address"], text["size"]) == (sections[".text"].addr, sections[".text"].size)


def test_for_people(cli: Cli) -> None:
    result = cli("info", "hello.so")
    assert result.code == 0
    assert result.stderr == ""
    text = result.stdout
    assert text.startswith("hello.so\n")
    assert re.search(r"^Opens +yes$", text, re.MULTILINE)
    assert re.search(rf"^Go version +go{re.escape(PATCHES[NEWEST])}$", text, re.MULTILINE)
    assert re.search(r"^Plugin path +example\.com/hello$", text, re.MULTILINE)
    assert re.search(r"^  F  func\(\)$", text, re.MULTILINE)
    assert re.search(r"^  V  var int$", text, re.MULTILINE)
    assert re.search(r"^  \.text +0x[0-9a-f]+ +[\d,]+$", text, re.MULTILINE)
    assert "\x1b" not in text


def test_plugins_that_cannot_be_opened(cli: Cli, go_version: str, plugin_path: PluginPath) -> None:
    path = plugin_path("add", go_version, env={"GOAMD64": "v3"})
    report = cli("info", str(path), "--json")
    assert report.code == 0
    assert report.json["refusal"]["kind"] == "UnsupportedBuildError"
    assert report.json["exports"] == [{"name": "Add", "kind": "func", "type": "func(int, int) int"}]
    assert "no: built with GOAMD64=v3" in cli("info", str(path)).stdout


def test_an_unknown_go_version(
    cli: Cli, go_version: str, plugin_path: PluginPath, tmp_path: Path
) -> None:
    data = plugin_path("hello", go_version, stripped=True).read_bytes()
    minor = go_version.split(".")[1]
    path = tmp_path / "future.so"
    path.write_bytes(data.replace(f"go1.{minor}.".encode(), b"go1.99."))
    report = cli("info", str(path), "--json").json
    assert report["refusal"]["kind"] == "UnsupportedGoVersionError"
    assert "go1.99" in report["unreadable"]
    assert report["exports"] is None
    assert report["relocations"]
    assert report["module"]["path"] == "example.com/hello"
    text = cli("info", str(path)).stdout
    assert "Exports" not in text
    assert "known: releases of go1.21" in text


def test_what_is_no_plugin_at_all(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("#!/bin/sh\n" * 20)
    result = cli("info", str(tmp_path / "text.so"))
    assert result.code == 3
    assert "invalid ELF header" in result.stderr
    document = cli("info", str(tmp_path / "text.so"), "--json").json
    assert list(document) == ["error"]
    assert document["error"]["kind"] == "NotElfError"


def test_corrupt_files_are_no_bug_of_ours(
    cli: Cli, go_version: str, plugin_path: PluginPath, tmp_path: Path
) -> None:
    data = plugin_path("add", go_version, stripped=True).read_bytes()
    sections = ElfFile(data).sections
    damaged = [
        sections[name]
        for name in (".data.rel.ro", ".go.module", ".data", ".rodata", ".gopclntab", ".dynsym")
        if name in sections
    ]
    path = tmp_path / "corrupt.so"
    for seed in range(40):
        draw = random.Random(seed)
        copy = bytearray(data)
        for _ in range(draw.choice([1, 20, 400])):
            section = draw.choice(damaged)
            at = section.offset + 8 * draw.randrange(section.size // 8)
            copy[at : at + 8] = draw.choice([b"\xff" * 8, bytes(8), draw.randbytes(8)])
        path.write_bytes(copy)
        assert cli("info", str(path), *(["--json"] if seed % 2 else [])).code in (0, 3)


def test_names_cannot_control_the_terminal(cli: Cli, plugins: Path, tmp_path: Path) -> None:
    data = (plugins / "hello.so").read_bytes()
    path = tmp_path / "escape.so"
    path.write_bytes(data.replace(b"example.com/hello", b"example\x1b[2J/hello"))
    result = cli("info", str(path))
    assert "\x1b" not in result.stdout
    assert "example\\x1b[2J/hello" in result.stdout
