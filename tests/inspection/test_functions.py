"""Functions, compared with Go's symbol table, its disassembler and the sources."""

from __future__ import annotations

import random
import re

import pytest

from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.inspection import Inspection
from emuplugin.inspection.functions import ASSEMBLY, GENERATED, GO, C

from .conftest import Inspect, go_tool, nm

ENDS = [resolve_version(version) for version in (OLDEST, NEWEST)]
CORPUS = ("hello", "router", "database", "yaml", "toml", "logger", "kinds_matrix", "stdlib")


@pytest.mark.parametrize("name", CORPUS)
def test_all_functions_are_found(inspection: Inspect, name: str, go_version: str) -> None:
    """Of Go's functions none is missed, none is invented; names and sizes are right."""
    if name != "hello" and go_version not in ENDS:
        pytest.skip("the large plugins are compared for the oldest and the newest Go")
    found = inspection(name, go_version)
    truth: dict[int, tuple[int, set[str]]] = {}
    for address, size, code, symbol in nm(go_version, found.path):
        if code in "Tt":
            truth.setdefault(address, (size, set()))[1].add(_plain(symbol))
    functions = {f.address: f for f in found.functions if f.language != C}
    go_text = {address for address in truth if found._module.text <= address < found._module.etext}
    # The linker's marks for the ends of the text are symbols too.
    marks = {"runtime.text", "runtime.etext", "go:textfipsstart", "go:textfipsend"}
    missed = {address for address in go_text - set(functions) if truth[address][1] - marks}
    assert not missed
    assert not set(functions) - go_text
    wrong = [
        f.name
        for f in functions.values()
        # The symbols of type functions are shortened to a hash.
        if not f.name.startswith("type:.") and f.name not in truth[f.address][1]
    ]
    assert wrong == []
    sizes = [f.name for f in functions.values() if truth[f.address][0] not in (f.size, 0)]
    assert sizes == []


def _plain(symbol: str) -> str:
    return symbol.removeprefix("local.").removesuffix(".abi0")


@pytest.mark.parametrize("name", ["hello", "yaml", "router"])
def test_stripping_changes_nothing(inspection: Inspect, name: str, go_version: str) -> None:
    kept = inspection(name, go_version).functions
    stripped = inspection(name, go_version, stripped=True).functions
    assert [f.name for f in kept if f.language != C] == [
        f.name for f in stripped if f.language != C
    ]
    assert [f.size for f in kept if f.language != C] == [
        f.size for f in stripped if f.language != C
    ]
    # -trimpath leaves GOROOT and the module cache out of the paths.
    assert not [f.file for f in stripped if f.file.startswith("/")]


LINE = re.compile(r"^  (\S+):(\d+)\t+0x([0-9a-f]+)\t+[0-9a-f]+\t+(.*)$", re.M)


@pytest.mark.parametrize("pattern", [r"^fmt\.\(\*pp\)\.printValue$", r"^example.com/hello\.F$"])
def test_lines_are_those_of_objdump(inspection: Inspect, pattern: str, go_version: str) -> None:
    found = inspection("hello", go_version)
    text = go_tool(go_version, ("tool", "objdump", "-s", pattern, found.path))
    lines = [(m[1], int(m[2]), int(m[3], 16)) for m in LINE.finditer(text)]
    assert len(lines) > 20
    function = next(f for f in found.functions if f.address == lines[0][2])
    assert function.end == next(f.end for f in found.functions if f.address <= lines[-1][2] < f.end)
    for file, line, address in lines:
        path, number = function.position(address)
        assert (path.rpartition("/")[2], number) == (file, line), hex(address)


def test_kinds_of_functions(sample: Inspection) -> None:
    language = {f.name: f.language for f in sample.functions}
    assert language["example.com/inspected.Greet"] == GO
    assert language["example.com/inspected.add"] == ASSEMBLY
    assert language["example.com/inspected.(*Celsius).String"] == GENERATED
    assert language["crosscall2"] == ASSEMBLY
    assert C in language.values()


def test_files_lines_and_sizes(sample: Inspection) -> None:
    function = sample.function("main.Greet")
    assert function.file.endswith("plugin.go")
    assert function.package == "example.com/inspected"
    text = _source("plugin.go")
    first = text.index("func Greet(name string) string {") + 1
    assert function.line == first
    assert function.end_line == first + 4
    add = sample.function("add")
    assert add.file.endswith("add_amd64.s")
    assert add.line == _source("add_amd64.s").index("TEXT ·add(SB), NOSPLIT, $0-24") + 2


def _source(name: str) -> list[str]:
    from tests.support.plugins import SOURCES

    return (SOURCES / "inspected" / name).read_text(encoding="utf-8").splitlines()


def test_inlined_calls(sample: Inspection) -> None:
    total = sample.function("main.Total")
    names = {call.function: call.line for call in total.inlined}
    assert names["example.com/inspected.(*Counter).Add"] == 1 + next(
        at for at, line in enumerate(_source("plugin.go")) if "counter.Add(" in line
    )
    assert total.inlined_names == set(names)


def test_functions_by_name(sample: Inspection) -> None:
    wanted = sample.function("example.com/inspected.Dial")
    assert sample.function("main.Dial") is wanted
    assert sample.function("Dial") is wanted
    with pytest.raises(
        LookupError, match=r"symbol Nope not found in plugin example\.com/inspected"
    ):
        sample.function("Nope")


def test_dots_in_paths(inspection: Inspect, go_version: str) -> None:
    found = inspection("yaml", go_version)
    function = found.function("gopkg.in/yaml.v3.Marshal")
    assert function.name == "gopkg.in/yaml%2ev3.Marshal"
    assert function.package == "gopkg.in/yaml.v3"


def test_end_lines_lie_in_the_function(sample: Inspection) -> None:
    """The last line never reaches into the next function of the file."""
    draw = random.Random(3)
    by_file: dict[str, list[int]] = {}
    functions = [
        f
        for f in sample.functions
        if f.language == GO and f.line and not re.search(r"\.func\d|wrap\d|-range", f.name)
    ]
    for function in functions:
        by_file.setdefault(function.file, []).append(function.line)
    for lines in by_file.values():
        lines.sort()
    for function in draw.sample(functions, 400):
        later = [line for line in by_file[function.file] if line > function.line]
        assert function.line <= function.end_line
        if later:
            assert function.end_line < later[0], function.name
