"""Stripped plugins, against the symbol table and DWARF of the same plugins with symbols; both are
read by Go's own packages. The figures in docs/inspect.md are of a larger corpus."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.inspection import package_names, score
from benchmarks.inspection_readers import (
    build_readers,
    goresym_reading,
    read_inspection,
    read_truth,
)
from benchmarks.inspection_readings import Reading, Score, Truth
from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.inspection.debug_variables import as_printed
from tests.support.plugins import plugin_path

from .conftest import Inspect

ENDS = [resolve_version(version) for version in (OLDEST, NEWEST)]
CORPUS = ("hello", "generics", "leveldb")


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_readers(tmp_path_factory.mktemp("readers"))


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("name", CORPUS)
def test_nothing_is_missed_and_nothing_wrong(
    name: str, version: str, readers: Path, tmp_path: Path
) -> None:
    scores = score(name, version, readers, tmp_path)["emuplugin"]
    least = {"functions": 2500, "types": 500, "files": 150, "lines": 60_000}
    for quantity, count in least.items():
        found, missed, wrong = scores[quantity]
        assert (missed, wrong) == (0, 0), quantity
        assert found > count, quantity
    # Without DWARF few types of variables are told, but none that are wrong.
    assert scores["variables"].wrong == 0
    assert scores["variables"].found > 10


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("name", ["generics", "yaml", "router"])
def test_types_of_dwarf_are_printed_as_reflection_does(
    inspection: Inspect, name: str, version: str, readers: Path, tmp_path: Path
) -> None:
    """The types of variables are told in this form; here those that have descriptors too."""
    found = inspection(name, version)
    read_truth(readers, Path(found.path), tmp_path / "truth.json")
    types = json.loads((tmp_path / "truth.json").read_bytes())["types"]
    names = {t["name"] for t in types if not re.search(r"go\.shape|^\*?noalg\.|·", t["name"])}
    packages = package_names(found)
    printed = {as_printed(name, packages) for name in names}
    assert len(printed) > 800
    assert printed - {type_.name for type_ in found.types} == set()


def test_debug_gosym_takes_the_wrong_addresses(readers: Path, tmp_path: Path) -> None:
    """What a reader gets that does not relocate: why emuplugin does."""
    scores = score("hello", ENDS[1], readers, tmp_path)["debug/gosym"]
    assert scores["functions"].found == scores["functions"].missed == 0
    assert scores["files"].missed == scores["files"].wrong == 0


# --- the comparison itself ------------------------------------------------------------------------


def test_the_comparison_sees_what_is_missed_and_wrong(
    inspection: Inspect, readers: Path, tmp_path: Path
) -> None:
    version = ENDS[1]
    truth = read_truth(readers, plugin_path("hello", version, trimpath=True), tmp_path / "t.json")
    found = inspection("hello", version, stripped=True)
    reading = read_inspection(found)
    worse = Reading(
        frozenset(
            (n, a + (n == "runtime.mallocgc")) for n, a in reading.functions if n != "fmt.Fprintf"
        ),
        reading.sizes,
        {n: {0} if n == "fmt.pp" else s for n, s in (reading.types or {}).items() if n != "error"},
        (reading.files or frozenset()) - {"fmt/print.go"} | {"nowhere.go"},
        {"fmt.ppFree": "int", "io.EOF": "error"},
        lambda address: None if address % 2 else ("fmt/print.go", 0),
    )
    names = len(truth.functions)
    assert truth.score_functions(reading) == Score(names, 0, 0)
    assert truth.score_functions(worse) == Score(names - 2, 1, 1)
    types, files = truth.score_types(worse), truth.score_files(worse)
    assert types is not None
    assert types.missed == 1
    assert files == Score(len(truth.files) - 1, 1, 1)
    lines = truth.score_lines(worse)
    assert lines is not None
    assert lines.found == 0
    assert lines.missed + lines.wrong == len(truth.lines)
    variables = truth.score_variables(worse, package_names(found))
    assert variables == Score(1, len(truth.variables) - 2, 1)


def test_what_goresym_prints() -> None:
    """The form of its JSON (main.go: ExtractMetadata), with two functions of a plugin."""
    answer = {
        "Version": "1.27.3",
        "Types": [{"VA": 8192, "Str": "*main.T", "CStr": "", "Kind": "Pointer"}],
        "Interfaces": None,
        "Files": ["fmt/print.go"],
        "UserFunctions": [
            {"Start": 4096, "End": 4160, "PackageName": "main", "FullName": "main.F"}
        ],
        "StdFunctions": [
            {"Start": 4160, "End": 4224, "PackageName": "fmt", "FullName": "fmt.Println"}
        ],
    }
    truth = Truth(
        {"main.F": {(4096, 50)}, "fmt.Println": {(4224, 60)}, "fmt.Print": {(4300, 9)}},
        {"*T": {8}, "T": {16}},
        {},
        {4096: ("main.go", 3)},
    )
    reading = goresym_reading(answer)
    assert truth.score_functions(reading) == Score(1, 1, 1)
    assert truth.score_types(reading) == Score(1, 1, 0)
    assert truth.score_files(reading) == Score(0, 1, 1)
    assert truth.score_lines(reading) is None
    empty = goresym_reading({**answer, "UserFunctions": None, "Types": None})
    assert truth.score_functions(empty) == Score(0, 2, 1)
