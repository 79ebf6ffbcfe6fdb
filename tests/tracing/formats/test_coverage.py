"""Coverage of real runs: against Go's own counters, and as other tools read it."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emuplugin import Machine
from emuplugin.build import fetch_toolchain
from emuplugin.errors import ConfigurationError
from emuplugin.tracing import Trace
from emuplugin.tracing.formats import save
from emuplugin.tracing.formats.source_lines import SourceFile, source_files
from tests.support.headless import dom, needs_browser
from tests.support.plugins import SOURCES, plugin_path

FIXTURE = SOURCES / "covered"
PLUGIN, SHAPES = "example.com/covered/plugin.go", "example.com/covered/shapes/shapes.go"


@cache
def traced(go_version: str, inlined: bool = True, blocks: str = "") -> Trace:
    """Run of the fixture, built with -trimpath: the names of files are the same everywhere."""
    flags = () if inlined else ("-gcflags=all=-l",)
    path = plugin_path("covered", go_version, trimpath=True, go_flags=flags)
    with Machine() as machine:
        plugin = machine.open(path)
        with machine.trace(blocks=blocks or True) as trace:
            plugin.lookup("Run")()
    return trace


def files_of(trace: Trace) -> dict[str, SourceFile]:
    return {file.path: file for file in source_files(trace)}


# --- against Go's own counters ------------------------------------------------------------------


@cache
def counted_natively(go_version: str, root: Path) -> dict[str, dict[int, set[int]]]:
    """The counts of the statements on each line, as ``go test -cover`` counts them."""
    folder = root / f"native-{go_version}"
    shutil.copytree(FIXTURE, folder)
    profile = folder / "cover.out"
    result = fetch_toolchain(go_version).go(
        ["test", "-covermode=count", "-coverpkg=./...", f"-coverprofile={profile}", "."],
        folder,
        {"GOWORK": "off"},
    )
    assert result.returncode == 0, result.stdout
    counts: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for text in profile.read_text().splitlines()[1:]:
        name, numbers = text.split(":")
        start, first, end, last, statements, count = map(int, re.findall(r"\d+", numbers))
        source = (folder / name.removeprefix("example.com/covered/")).read_text().splitlines()
        for line in range(start, end + 1 if statements else start):
            content = source[line - 1][: last - 1] if line == end else source[line - 1]
            content = content[first - 1 :] if line == start else content
            # Ranges begin and end with the braces, which are on lines of others.
            if content.strip(" \t{}"):
                counts[name][line].add(count)
    return counts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("covered")


@pytest.mark.parametrize("inlined", [True, False])
def test_the_same_lines_ran_as_natively(go_version: str, inlined: bool, folder: Path) -> None:
    native = counted_natively(go_version, folder)
    files = files_of(traced(go_version, inlined))
    assert set(files) == {PLUGIN, SHAPES}
    compared = 0
    for path, file in files.items():
        for line, count in file.lines.items():
            if line in native[path]:
                ran = any(native[path][line])
                assert (count > 0) == ran, f"{path}:{line}: {count}, natively {native[path][line]}"
                compared += 1
    # What has code here and no counter there: the first lines of functions, closing braces.
    assert compared >= 45


def test_without_inlining_all_statements_are_there(go_version: str, folder: Path) -> None:
    native = counted_natively(go_version, folder)
    files = files_of(traced(go_version, inlined=False))
    text = (FIXTURE / "plugin.go").read_text().splitlines()
    missing = {text[line - 1].strip() for line in set(native[PLUGIN]) - set(files[PLUGIN].lines)}
    # Numbers that are in a register already, and words without a meaning of their own.
    assert missing <= {"steps := 0", "total := 0", "switch {", "default:"}


def test_how_often(go_version: str) -> None:
    file = files_of(traced(go_version, inlined=False))[PLUGIN]
    text = (FIXTURE / "plugin.go").read_text().splitlines()
    counts = {text[line - 1].strip(): count for line, count in file.lines.items()}
    assert counts["return 0, errOdd"] == 1
    assert counts["return n / 2, nil"] == 2
    assert counts['return "negative"'] == 0
    assert counts['return "small"'] == 2
    assert counts["steps++"] == 27
    assert counts["n = small(n, 2)"] == 20
    assert counts["counts[strings.ToLower(word)]++"] == 8
    assert counts["words = append(words, word)"] == 5
    assert counts["results <- i * i"] == 5
    assert counts["total += <-results"] == 5
    functions = {function.name: function.count for function in file.functions}
    assert functions["main.Unused"] == 0
    assert functions["main.Classify"] == 3


@pytest.mark.parametrize("inlined", [True, False])
def test_a_stack_that_grows_is_no_other_call(go_version: str, inlined: bool) -> None:
    flags = () if inlined else ("-gcflags=all=-l",)
    path = plugin_path("covered", go_version, trimpath=True, go_flags=flags)
    with Machine() as machine:
        plugin = machine.open(path)
        with machine.trace(blocks="main.Deep") as trace:
            assert plugin.lookup("Deep")(200) == 201
    assert trace.coverage.functions() == {"main.Deep": 201}
    (lines,) = trace.coverage.lines().values()
    text = (FIXTURE / "plugin.go").read_text().splitlines()
    counts = {text[line - 1].strip(): count for line, count in lines.items()}
    assert counts["func Deep(n int) int {"] == 201
    assert counts["if n == 0 {"] == 201
    assert counts["return int(room[0])"] == 1
    assert counts["return Deep(n-1) + int(room[n%512])"] == 200


def test_inlined_functions_count_where_their_source_is(go_version: str) -> None:
    files = files_of(traced(go_version))
    total = next(f for f in files[SHAPES].functions if f.name == "example.com/covered/shapes.Total")
    assert total.count == 1
    half = next(f for f in files[PLUGIN].functions if f.name == "main.Half")
    assert (half.line, half.count) == (16, 3)
    # In the copy that ran the compiler has merged the returns: nobody can tell their number.
    text = (FIXTURE / "plugin.go").read_text().splitlines()
    returns = [
        line for line, content in enumerate(text, 1) if content.strip() == "return 0, errOdd"
    ]
    assert all(files[PLUGIN].lines.get(line) != 0 for line in returns)


def test_lines_of_the_trace_agree(go_version: str) -> None:
    trace = traced(go_version)
    lines = trace.coverage.lines()
    for path, file in files_of(trace).items():
        assert lines[path] == {line: count for line, count in file.lines.items() if count}
    assert trace.coverage.functions()["main.Run"] >= 1
    assert trace.coverage.functions()["example.com/covered/shapes.Total"] == 1


def test_packages(go_version: str) -> None:
    trace = traced(go_version)
    assert {f.package for f in source_files(trace)} == {"main", "example.com/covered/shapes"}
    for wanted in ("main", "example.com/covered", ["ma*", "no/such"]):
        assert [f.path for f in source_files(trace, wanted)] == [PLUGIN]
    assert [f.path for f in source_files(trace, "*/shapes")] == [SHAPES]
    with pytest.raises(
        ConfigurationError, match=r"nothing of packages other is in the trace; .*main"
    ):
        source_files(trace, "other")


def test_what_nobody_looked_at_is_not_there(go_version: str) -> None:
    trace = traced(go_version, inlined=False, blocks="main.Half")
    (file,) = source_files(trace, "main")
    assert {function.name for function in file.functions} == {"main.Half"}
    every = traced(go_version, blocks="*")
    standard = {f.package for f in source_files(every, standard=True)}
    assert {"main", "fmt", "runtime", "strings"} <= standard
    assert {f.package for f in source_files(every)} == {"main", "example.com/covered/shapes"}
    only = traced(go_version, blocks="strings")
    assert {f.package for f in source_files(only)} == {"strings"}


# --- as other tools read it ---------------------------------------------------------------------

Go = Callable[..., str]


@pytest.fixture
def go(go_version: str, tmp_path: Path) -> Go:
    """Runs go in a copy of the fixture's module, where go finds the sources."""
    shutil.copytree(FIXTURE, tmp_path / "module")

    def run(*arguments: str) -> str:
        result = fetch_toolchain(go_version).go(
            arguments, tmp_path / "module", {"GOWORK": "off", "GOFLAGS": "-mod=mod"}
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    return run


@pytest.mark.parametrize("sources", [True, False])
@pytest.mark.parametrize("mode", ["count", "set"])
def test_go_tool_cover(go_version: str, tmp_path: Path, go: Go, sources: bool, mode: str) -> None:
    path, page = tmp_path / "t.cover", tmp_path / "page.html"
    folders = [FIXTURE] if sources else []
    save(traced(go_version, inlined=False), path, sources=folders, mode=mode)
    assert path.read_text().startswith(f"mode: {mode}\n")
    table = go("tool", "cover", f"-func={path}")
    assert re.search(r"covered/plugin\.go:16:\s+Half\s+100\.0%", table)
    assert re.search(r"covered/plugin\.go:24:\s+Classify\s+[5-8]\d\.\d%", table)
    assert re.search(r"covered/plugin\.go:110:\s+Unused\s+0\.0%", table)
    assert re.search(r"covered/shapes/shapes\.go:33:\s+Total\s+100\.0%", table)
    go("tool", "cover", f"-html={path}", "-o", str(page))
    text = page.read_text()
    times = 1 if mode == "set" else 2
    assert re.search(
        rf'<span class="cov[1-9]" title="{times}">\s*return n / 2, nil\s*</span>', text
    )
    assert re.search(r'<span class="cov0" title="0">\s*return "negative"\s*</span>', text)


def test_columns_are_those_of_the_text(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.cover"
    save(traced(go_version, inlined=False), path, sources=FIXTURE)
    assert f"{PLUGIN}:18.3,18.19 1 1\n" in path.read_text()  # "\t\treturn 0, errOdd"
    save(traced(go_version, inlined=False), path)
    assert f"{PLUGIN}:18.1,19.1 1 1\n" in path.read_text()


def test_a_tracefile(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.lcov"
    trace = traced(go_version)
    save(trace, path)
    records = path.read_text().split("end_of_record\n")
    assert records.pop() == ""
    for record, file in zip(records, source_files(trace), strict=True):
        lines = record.splitlines()
        assert lines[:2] == ["TN:", f"SF:{file.path}"]
        counts = [x[3:].split(",") for x in lines if x.startswith("DA:")]
        found = {int(line): int(count) for line, count in counts}
        assert found == file.lines
        values = dict(x.split(":", 1) for x in lines if x[:3] in ("LF:", "LH:", "FNF", "FNH"))
        assert int(values["LF"]) == len(found)
        assert int(values["LH"]) == sum(1 for count in found.values() if count)
        named = [x.partition(",")[2] for x in lines if x.startswith("FN:")]
        assert len(named) == len(set(named)) == int(values["FNF"])


@pytest.mark.skipif(shutil.which("genhtml") is None, reason="lcov is not installed")
def test_genhtml(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.lcov"
    save(traced(go_version), path)
    text = path.read_text()
    for name in (PLUGIN, SHAPES):
        source = FIXTURE / name.removeprefix("example.com/covered/")
        text = text.replace(f"SF:{name}\n", f"SF:{source}\n")
    path.write_text(text)
    done = subprocess.run(
        ["genhtml", "-o", str(tmp_path / "html"), str(path)],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"lines\.+: [89]\d\.\d%", done.stdout)
    assert "WARNING" not in done.stderr


def test_drcov(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.drcov"
    trace = traced(go_version)
    save(trace, path)
    head, _, table = path.read_bytes().partition(b" bbs\n")
    lines = head.decode().splitlines()
    assert lines[:4] == [
        "DRCOV VERSION: 2",
        "DRCOV FLAVOR: drcov-64",
        "Module Table: version 2, count 1",
        "Columns: id, base, end, entry, path",
    ]
    number, base, end, entry, file = lines[4].split(", ")
    assert (int(number), int(entry, 16), file) == (0, 0, trace.plugins[0])
    assert Path(file).name.startswith("covered-")
    start, stop = int(base, 16), int(end, 16)
    count = int(lines[5].removeprefix("BB Table: "))
    entries = list(struct.iter_unpack("<IHH", table))
    assert len(entries) == count == len(trace.coverage)
    for offset, size, module in entries:
        assert module == 0
        assert size > 0
        assert start + offset + size <= stop
        assert trace.coverage[start + offset].size == size


def test_long_blocks_are_split(go_version: str, tmp_path: Path) -> None:
    from emuplugin.tracing.coverage import Block, Coverage

    trace = traced(go_version)
    module = trace.functions.modules[0]
    long = Trace({})
    long.functions = trace.functions
    blocks = {module.base + 16: Block(150_000, 3), module.end + 5: Block(4, 1)}
    long.coverage = Coverage(blocks, trace.functions)
    save(long, tmp_path / "t.drcov")
    table = (tmp_path / "t.drcov").read_bytes().partition(b" bbs\n")[2]
    entries = list(struct.iter_unpack("<IHH", table))
    assert entries == [(16, 65535, 0), (65551, 65535, 0), (131086, 18930, 0)]


def test_two_plugins_in_one_machine(go_version: str, tmp_path: Path) -> None:
    with Machine() as machine:
        hello = machine.open(plugin_path("hello", go_version, stripped=True))
        covered = machine.open(plugin_path("covered", go_version, stripped=True))
        with machine.trace(blocks="main") as trace:
            hello.lookup("F")()
            covered.lookup("Run")()
    files = {file.path: file for file in source_files(trace, "main")}
    assert set(files) == {"example.com/hello/plugin.go", PLUGIN}
    for path in files:
        assert [f.path for f in source_files(trace, path.rpartition("/")[0])] == [path]
    assert files["example.com/hello/plugin.go"].hit > 0
    save(trace, tmp_path / "t.drcov")
    head, _, table = (tmp_path / "t.drcov").read_bytes().partition(b" bbs\n")
    modules = head.decode().splitlines()[4:6]
    assert [module.rpartition(", ")[2] for module in modules] == list(trace.plugins)
    counts = [0, 0]
    for offset, _, number in struct.iter_unpack("<IHH", table):
        assert trace.functions.modules[number].base + offset in trace.coverage
        counts[number] += 1
    assert counts[1] > counts[0] > 0


# --- the page -----------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page refers to, its data, and the text of its table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.data = ""
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for key in ("src", "href") if (value := given.get(key))]
        self._inside = "data" if given.get("id") == "data" else tag

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif self._inside not in ("script", "style"):
            self.text += f" {data.strip()}"


def test_the_page(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    save(traced(go_version), path, sources=FIXTURE)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert set(page.links) == {"data:,", "#", "#0", "#1"}
    assert "default-src 'none'" in text
    assert not re.search(r"https?://", text.replace(page.data, ""))
    file = files_of(traced(go_version))[PLUGIN]
    assert re.search(rf"{PLUGIN} +{file.hit} +{len(file.lines)} +[78]\d(\.\d)?", page.text)
    assert file.hit < len(file.lines)
    shapes, plugin = json.loads(page.data)["files"]
    assert (shapes["path"], plugin["path"]) == (SHAPES, PLUGIN)
    assert plugin["source"] == (FIXTURE / "plugin.go").read_text().splitlines()
    assert dict(plugin["lines"]) == files_of(traced(go_version))[PLUGIN].lines


def test_without_the_source_there_is_its_machine_code(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    trace = traced(go_version)
    save(trace, path)
    _, plugin = json.loads(Page(path.read_text(encoding="utf-8")).data)["files"]
    assert plugin["source"] is None
    run = next(line for name, line, _ in plugin["functions"] if name == "main.Run")
    base = trace.functions.modules[0].base
    address, instruction, count = plugin["code"][str(run)][0]
    assert count == trace.coverage.counts.at(base + address) >= 1
    assert "rsp" in instruction or "lea" in instruction
    assert any(c == 0 for part in plugin["code"].values() for _, _, c in part)


@needs_browser
def test_the_page_in_a_browser(go_version: str, tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    save(traced(go_version), path, sources=FIXTURE)
    shown = dom(path, "1:110")
    assert re.search(r'<tr class="miss at" id="line-110"><td class="number">110</td>', shown)
    assert re.search(r'<tr class="hit" id="line-118">', shown)
    assert '<span class="k">return</span>' in shown
    assert '<a href="#1" title="example.com/covered/plugin.go" aria-current="page">' in shown
