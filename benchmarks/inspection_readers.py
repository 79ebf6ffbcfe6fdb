"""Who reads plugins: Go's own packages (go_readers/), GoReSym where it is installed, emuplugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emuplugin.build import NEWEST, fetch_toolchain
from emuplugin.errors import BuildError
from emuplugin.inspection import Inspection
from emuplugin.inspection.functions import C

from .inspection_readings import Reading, Truth, is_named, short

_SOURCE = Path(__file__).parent / "go_readers"

# --- Go's standard library ------------------------------------------------------------------------


def build_readers(folder: Path) -> Path:
    """The program ``go_readers``, built in ``folder`` by the newest Go."""
    output = folder / "go_readers"
    env = {"GOWORK": "off", "CGO_ENABLED": "0"}
    result = fetch_toolchain(NEWEST).go(["build", "-o", str(output), "."], _SOURCE, env)
    if result.returncode != 0:
        raise BuildError(f"go_readers does not build:\n{result.stdout}", result.stdout)
    return output


def read_truth(readers: Path, plugin: Path, output: Path) -> Truth:
    """The truth of a plugin with symbols. ``output`` is where it is also written as JSON."""
    with output.open("wb") as stream:
        subprocess.run([readers, "truth", plugin], stdout=stream, check=True)
    answer = json.loads(output.read_bytes())
    functions: dict[str, set[tuple[int, int]]] = {}
    for function in answer["functions"]:
        if is_named(function["name"]):
            place = function["address"], function["size"]
            functions.setdefault(function["name"], set()).add(place)
    types: dict[str, set[int]] = {}
    for type_ in answer["types"]:
        if "go.shape." not in type_["name"] and not type_["name"].startswith("noalg."):
            types.setdefault(short(type_["name"]), set()).add(type_["size"])
    variables = {each["name"]: each["type"] for each in answer["variables"]}
    return Truth(functions, types, variables, _lines(answer))


def read_gosym(readers: Path, plugin: Path, truth: Path) -> Reading | None:
    """What debug/gosym reads, with lines where the truth (its JSON) has some; None where it finds
    no table."""
    done = subprocess.run([readers, "gosym", plugin, truth], capture_output=True, check=False)
    if done.returncode != 0:
        return None
    answer = json.loads(done.stdout)
    return Reading(
        frozenset((function["name"], function["address"]) for function in answer["functions"]),
        files=frozenset(answer["files"]),
        position=_lines(answer).get,
    )


def _lines(answer: Mapping[str, Any]) -> dict[int, tuple[str, int]]:
    files = answer["files"]
    found = {address: (files[file], line) for address, file, line in answer["rows"]}
    return {address: place for address, place in found.items() if place[0]}


# --- GoReSym --------------------------------------------------------------------------------------


def find_goresym() -> str | None:
    """The program GoReSym: what the variable GORESYM names, or one on the PATH."""
    return os.environ.get("GORESYM") or shutil.which("GoReSym")


def read_goresym(program: str, plugin: Path) -> Reading | None:
    """What GoReSym reads: all functions (-d), types (-t) and paths (-p). None where it gives up."""
    done = subprocess.run(
        [program, "-d", "-t", "-p", str(plugin)], capture_output=True, check=False, timeout=600
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return None
    return goresym_reading(answer) if "error" not in answer else None


def goresym_reading(answer: Mapping[str, Any]) -> Reading:
    """The JSON that GoReSym prints (its main.go: ExtractMetadata). It tells no sizes of types, no
    lines and no variables; a function ends where the next begins. Lists may be null."""
    functions = [*(answer["UserFunctions"] or ()), *(answer["StdFunctions"] or ())]
    return Reading(
        frozenset((function["FullName"], function["Start"]) for function in functions),
        types={short(type_["Str"]): None for type_ in answer["Types"] or ()},
        files=frozenset(answer["Files"] or ()),
    )


# --- emuplugin ------------------------------------------------------------------------------------


def read_inspection(inspection: Inspection) -> Reading:
    """What ``emuplugin.inspect`` reads."""
    functions = [function for function in inspection.functions if function.language != C]
    sizes: dict[str, set[int]] = {}
    for function in functions:
        sizes.setdefault(function.name, set()).add(function.size)
    types: dict[str, set[int]] = {}
    for type_ in inspection.types:
        types.setdefault(short(type_.name), set()).add(type_.size)
    starts = [function.address for function in functions]
    tables: dict[int, tuple[_Steps, _Steps]] = {}

    def position(address: int) -> tuple[str, int] | None:
        at = bisect_right(starts, address) - 1
        if at < 0:
            return None
        if at not in tables:
            function = functions[at]
            tables[at] = _Steps(function.file_ranges()), _Steps(function.line_ranges())
        files, lines = tables[at]
        return files.at(address), lines.at(address)

    return Reading(
        frozenset((function.name, function.address) for function in functions),
        sizes,
        types,
        frozenset(file for function in functions for _, _, file in function.file_ranges()),
        {variable.name: variable.type for variable in inspection.variables},
        position,
    )


class _Steps:
    """Values of stretches of code."""

    def __init__(self, ranges: Iterable[tuple[int, int, Any]]) -> None:
        self._ranges = sorted(ranges)
        self._starts = [start for start, _, _ in self._ranges]

    def at(self, address: int) -> Any:
        index = bisect_right(self._starts, address) - 1
        inside = index >= 0 and address < self._ranges[index][1]
        return self._ranges[index][2] if inside else None
