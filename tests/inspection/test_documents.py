"""The documents: JSON by its schema, the HTML page in a browser, the terminal's pages."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emuplugin.build import NEWEST, resolve_version
from emuplugin.cli import main
from emuplugin.cli.inspect_text import cut, cut_name, listing, table
from emuplugin.inspection import Inspection
from emuplugin.printable import cells
from tests.support.headless import dom, needs_browser
from tests.support.plugins import plugin_path

from .conftest import Inspect

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "inspect-schema.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return document


@pytest.fixture(scope="module")
def newest() -> str:
    return str(plugin_path("inspected", resolve_version(NEWEST), stripped=True))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 0
    return capsys.readouterr().out


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inspected", "yaml", "cgo"])
def test_everything_is_as_the_schema_says(
    inspection: Inspect, schema: dict[str, Any], name: str, go_version: str
) -> None:
    document = json.loads(json.dumps({**inspection(name, go_version).to_dict(), "error": None}))
    jsonschema.validate(document, schema)
    assert set(schema["properties"]) - set(document) == {"function_calls", "disassembly"}
    assert all(document[key] for key in ("functions", "types", "strings", "calls", "variables"))


def test_json_of_the_command(
    capsys: pytest.CaptureFixture[str], schema: dict[str, Any], newest: str
) -> None:
    for arguments in (
        ["--exports"],
        ["--calls", "main.Dial", "--disasm", "main.Dial"],
        ["--imports"],
    ):
        document = json.loads(run(capsys, newest, "--json", *arguments))
        jsonschema.validate(document, schema)
        assert "functions" not in document
    exports = json.loads(run(capsys, newest, "--json", "--exports"))["exports"]
    assert exports[0]["name"] == "Areas"


def test_json_of_a_failure(
    capsys: pytest.CaptureFixture[str], schema: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "text.so"
    path.write_text("no plugin " * 20)
    assert main(["inspect", str(path), "--json"]) != 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema)
    assert document["error"]["kind"] == "NotElfError"


# --- HTML ---------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page refers to, and its data."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.data = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for key in ("src", "href") if (value := given.get(key))]
        self.ids.add(given.get("id") or "")
        self._in_data = given.get("id") == "data"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def test_the_page_is_self_contained(sample: Inspection) -> None:
    text = sample.to_html()
    page = Page()
    page.feed(text)
    assert page.links == ["data:,"]
    assert not re.search(r"https?://(?!www\.w3\.org)", text.replace(page.data, ""))
    assert "default-src 'none'" in text
    assert {"page", "tabs", "search", "data"} <= page.ids
    data = json.loads(page.data)
    assert len(data["functions"]) == len(sample.functions)
    assert data["plugin_path"] == "example.com/inspected"
    assert data["code"]["example.com/inspected.Greet"]


def test_what_a_plugin_holds_cannot_leave_the_data(sample: Inspection) -> None:
    assert "<" not in sample.to_html().partition('id="data">')[2].partition("</script>")[0]


def rendered(page: Path, place: str) -> str:
    """The text that a browser shows at ``#place`` of a page."""
    body = dom(page, place).partition("<main")[2].partition("</main>")[0].replace("<wbr>", "")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


@needs_browser
def test_the_page_in_a_browser(newest: str, tmp_path: Path) -> None:
    from emuplugin.inspection import inspect

    page = tmp_path / "page.html"
    page.write_text(inspect(newest).to_html(), encoding="utf-8")
    overview = rendered(page, "overview")
    assert "network" in overview
    assert "example.com/inspected.connect" in overview
    assert "files/one.txt" in rendered(page, "embedded_files")
    assert "Name string `json:" in rendered(page, "type/" + _number(page, "main.Config"))
    function = rendered(page, "function/example.com%2Finspected.Greet")
    assert "plugin.go" in function
    assert "nobody to greet in this fixture" in function
    assert "shapes.Square" in rendered(page, "interfaces")


def _number(page: Path, name: str) -> str:
    parsed = Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    types = json.loads(parsed.data)["types"]
    return str(next(at for at, type_ in enumerate(types) if type_["name"] == name))


# --- terminal -----------------------------------------------------------------------------------

SECTIONS = (
    "capabilities", "exports", "inits", "packages", "functions", "types", "interfaces", "itabs",
    "variables", "strings", "embedded", "imports",
)  # fmt: skip


def test_overview(capsys: pytest.CaptureFixture[str], newest: str) -> None:
    text = run(capsys, newest)
    assert "Plugin path   example.com/inspected" in text
    assert re.search(r"network +certain +main\.Dial > main\.connect > net\.Dial", text)
    assert re.search(r"Greet +func +\(string\) string", text)
    assert "2 embedded files" in text


@pytest.mark.parametrize("section", SECTIONS)
def test_sections(capsys: pytest.CaptureFixture[str], newest: str, section: str) -> None:
    text = run(capsys, newest, f"--{section}")
    expected = {
        "capabilities": "os/exec.Command",
        "exports": "Areas",
        "inits": "example.com/inspected.init.1",
        "packages": "vendor/golang.org/x/net/dns/dnsmessage",
        "functions": "plugin.go:",
        "types": '`json:"name" yaml:"n"`',
        "interfaces": "shapes.Shape: Area, scale",
        "itabs": "*shapes.Circle",
        "variables": "example.com/inspected.Visible",
        "strings": '"nobody to greet in this fixture"  example.com/inspected.Greet',
        "embedded": "files/sub/two.json",
        "imports": "malloc",
    }
    assert expected[section] in text
    assert "\x1b" not in text


def test_matching(capsys: pytest.CaptureFixture[str], newest: str) -> None:
    assert "(1 of" in run(capsys, newest, "--functions", "--match", "inspected.greet")
    assert "fmt.Println" not in run(capsys, newest, "--functions")
    assert "fmt.(*pp).printArg" in run(
        capsys, newest, "--functions", "--all", "--match", "fmt.(*pp)"
    )


def test_code_pages(capsys: pytest.CaptureFixture[str], newest: str) -> None:
    text = run(capsys, newest, "--calls", "main.connect", "--disasm", "main.connect", "--graph")
    assert re.search(r"is called by \(1\)\n  example.com/inspected.Dial +call", text)
    assert re.search(r"net\.Dial +call", text)
    assert re.search(r"call 0x[0-9a-f]+  # net\.Dial", text)
    assert main(["inspect", newest, "--disasm", "Nope"]) != 0
    assert "symbol Nope not found" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["", *(f"--{section}" for section in SECTIONS)])
def test_nothing_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    newest: str,
    option: str,
) -> None:
    for module in ("inspect_text", "inspect_overview", "inspect_sections", "inspect_code"):
        monkeypatch.setattr(f"emuplugin.cli.{module}.width", lambda: 80)
    text = run(capsys, newest, *filter(None, [option]))
    lines = text.splitlines()
    # The name of the file comes first, whole, however long it is.
    assert [line for line in lines[1:] if cells(line) > 80] == []
    assert lines[-1].strip()
    # A heading without anything below it says how many there are: none.
    headings = [
        a for a, b in zip(lines, [*lines[1:], ""], strict=True) if a[:1].isalpha() and not b
    ]
    assert [heading for heading in headings if heading.endswith(":")] == []


def test_no_section_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin without anything of its own says so."""
    path = str(plugin_path("add", resolve_version(NEWEST), stripped=True))
    text = run(capsys, path, *(f"--{section}" for section in SECTIONS))
    parts = text.rstrip("\n").split("\n\n")
    assert len(parts) == len(SECTIONS) + 1  # the imports page has the relocations too
    assert [part for part in parts if "\n" not in part] == [
        "What it can do: compute and print; no way to anything else was found"
    ]
    assert "Types (0 of" in text
    assert "all of the standard library: --all shows them" in text
    text = run(capsys, path, "--functions", "--match", "Nowhere")
    assert text.splitlines()[1] == "  none has 'nowhere' in its name"


def test_names_are_cut_in_their_paths() -> None:
    name = "github.com/syndtr/goleveldb/leveldb/memdb.(*DB).Delete"
    assert cut_name(name, 60) == name
    assert cut_name(name, 35) == "…leveldb/leveldb/memdb.(*DB).Delete"
    assert cut_name(name, 18) == "memdb.(*DB).Delete"
    assert cut_name(name, 10) == "memdb.(*D…"
    assert {cells(cut_name(name, columns)) for columns in (20, 25, 30)} == {20, 25, 30}


def test_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emuplugin.cli.inspect_text.width", lambda: 24)
    rows = [("a", "long" * 10), ("bb", "short")]
    assert list(table(rows)) == ["  a   longlonglonglonglo…"[:23] + "…", "  bb  short"]
    assert cut("日本語のテキスト", 7) == "日本語…"
    assert list(listing(["one", "two", "three", "fourteen"], 2)) == [
        "  one, two, three,",
        "  fourteen",
    ]
    monkeypatch.setattr("emuplugin.cli.inspect_text.width", lambda: None)
    assert list(table(rows)) == ["  a   " + "long" * 10, "  bb  short"]
    assert list(listing(["one", "two"], 2)) == ["  one", "  two"]
