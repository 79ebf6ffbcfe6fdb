"""Build info of real plugins, compared with `go version -m`, and its text format."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.build import fetch_toolchain
from emuplugin.elf.buildinfo import BuildInfo, Module, parse_build_info
from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError, UnsupportedGoVersionError
from tests.conftest import PluginPath
from tests.elf.images import patched, without_sections


def as_go_prints_it(info: BuildInfo) -> list[str]:
    """The lines of `go version -m`, without the file's name."""

    def columns(kind: str, module: Module) -> list[str]:
        if module.replace is None:
            return [f"{kind}\t{module.path}\t{module.version}\t{module.sum}"]
        return [f"{kind}\t{module.path}\t{module.version}", *columns("=>", module.replace)]

    lines = [info.go_version, f"path\t{info.path}"]
    if info.main != Module():
        lines += columns("mod", info.main)
    for module in info.deps:
        lines += columns("dep", module)
    for key, value in info.settings.items():
        quoted = f'"{value}"' if set(value) & set(' \t"`') else value
        lines.append(f"build\t{key}={quoted}")
    return [line.rstrip("\t") for line in lines]


@pytest.mark.parametrize("name", ["add", "toml", "unnamed"])
@pytest.mark.parametrize("stripped", [False, True])
def test_it_is_what_go_version_prints(
    plugin_path: PluginPath, go_version: str, name: str, stripped: bool
) -> None:
    path = plugin_path(name, go_version, stripped=stripped)
    output = fetch_toolchain(go_version).go(["version", "-m", str(path)], Path.cwd()).stdout
    first, *rest = output.splitlines()
    expected = [first.split(": ")[1], *(line.strip() for line in rest)]
    info = ElfFile.open(path).build_info
    assert info is not None
    assert as_go_prints_it(info) == expected
    assert info.go_version == f"go{go_version}"
    assert info.minor == go_version.rpartition(".")[0]
    assert info.settings["-buildmode"] == "plugin"
    assert bool(info.deps) == (name == "toml")


def test_it_is_found_without_section_headers(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("toml", go_version, stripped=True))
    bare = ElfFile(without_sections(file))
    assert bare.build_info == file.build_info
    assert bare.is_go_plugin


def test_an_experiment_is_listed(plugin_path: PluginPath) -> None:
    path = plugin_path("add", "1.24.11", env={"GOEXPERIMENT": "noswissmap"})
    info = ElfFile.open(path).build_info
    assert info is not None
    assert info.experiments == ("noswissmap",)
    assert info.minor == "1.24"


@pytest.mark.parametrize(
    ("version", "minor", "experiments"),
    [
        ("go1.21.13", "1.21", ()),
        ("go1.27rc1", "1.27", ()),
        ("go1.24.1 X:noswissmap,synctest", "1.24", ("noswissmap", "synctest")),
        ("devel go1.28-0123abcd Thu Jan 1 00:00:00 1970 +0000", "1.28", ()),
        ("go1.23.4-custom", "1.23", ()),
        ("devel +0123abcd", "", ()),
        ("", "", ()),
    ],
)
def test_versions(version: str, minor: str, experiments: tuple[str, ...]) -> None:
    info = BuildInfo(version)
    assert (info.minor, info.experiments) == (minor, experiments)


def test_text_with_everything_in_it() -> None:
    info = parse_build_info(
        "go1.27.3",
        "path\texample.com/a b/c\n"
        "mod\texample.com\t(devel)\t\n"
        "dep\tone\tv1.0.0\th1:sum=\n"
        "dep\ttwo\tv2.0.0\n"
        "=>\t../local\t(devel)\t\n"
        "future\tsomething new\n"
        'build\t-ldflags="-X \'a=\\"b\\"\' \\u00e9\\n\\x41\\101"\n'
        'build\t"odd key"=`raw \\n value`\n'
        "build\tCGO_CFLAGS=\n"
        "build\tGOFLAGS=a=b=c\n",
    )
    assert info == BuildInfo(
        "go1.27.3",
        "example.com/a b/c",
        Module("example.com", "(devel)"),
        (
            Module("one", "v1.0.0", "h1:sum="),
            Module("two", "v2.0.0", "", Module("../local", "(devel)")),
        ),
        {
            "-ldflags": "-X 'a=\"b\"' é\nAA",
            "odd key": "raw \\n value",
            "CGO_CFLAGS": "",
            "GOFLAGS": "a=b=c",
        },
    )


@pytest.mark.parametrize(
    "line",
    [
        "=>\tpath\tv1\th1:x",
        "mod\tonly",
        "dep\ta\tb\tc\td",
        "build\t",
        "build\tkey",
        "build\t=value",
        'build\t"key=value',
        "build\tkey=`value",
        'build\tkey="value" more',
        'build\tkey="\\U00110000"',
    ],
)
def test_malformed_text(line: str) -> None:
    with pytest.raises(FormatError):
        parse_build_info("go1.27.3", line + "\n")


@pytest.mark.parametrize(
    "length", [b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff\xff\x03", b"\x80" * 12]
)
def test_length_that_leads_out_of_the_section(
    plugin_path: PluginPath, go_version: str, length: bytes
) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    broken = ElfFile(patched(file, (file.sections[".go.buildinfo"].addr + 32, length)))
    with pytest.raises(FormatError):
        _ = broken.build_info


def test_format_before_go_1_18(plugin_path: PluginPath, go_version: str) -> None:
    file = ElfFile.open(plugin_path("add", go_version))
    old = ElfFile(patched(file, (file.sections[".go.buildinfo"].addr + 15, b"\0")))
    with pytest.raises(UnsupportedGoVersionError, match=r"Go 1\.17 or earlier"):
        _ = old.build_info
