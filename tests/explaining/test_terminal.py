"""``emuplugin explain`` in a terminal: the story as text, or a page in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.build import NEWEST, resolve_version
from emuplugin.cli import main
from emuplugin.cli.exit_codes import ExitCode
from emuplugin.explaining.to_text import Style, story_lines, wrapped
from emuplugin.printable import cells, cut
from tests.support.plugins import SOURCES, plugin_path

from .conftest import Tell


@pytest.fixture(scope="module")
def plugin() -> str:
    return str(plugin_path("explained", resolve_version(NEWEST)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    return capsys.readouterr().out


def test_the_story(capsys: pytest.CaptureFixture[str], plugin: str) -> None:
    text = run(capsys, plugin, "Sum", "5", "--source", str(SOURCES))
    for title in (
        "1. The file and where it went",
        "2. Relocations",
        "3. Symbols",
        "4. The Go runtime boots",
        "5. Init functions",
        "6. The lookup",
        "7. The call",
        "8. Step by step",
        "9. The result",
    ):
        assert title in text
    assert text.startswith("Sum(5)\n")
    assert "total += i" in text
    assert "1  int      RAX           10" in text
    assert "\x1b" not in text


CALLS = ((), ("Visits",), ("Say", "日本語 x"), ("Bad", "no"), ("Deep", "9"))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider(told: Tell, go_version: str, call: tuple[str, ...], width: int) -> None:
    args = [int(arg) if arg.isdigit() else arg for arg in call[1:]]
    story = told("explained", go_version, *call[:1], *args)
    wide = [line for line in story.text(width).splitlines() if cells(line) > width]
    assert wide == []
    assert not any(line != line.rstrip() for line in story.text(width).splitlines())


def test_colours(told: Tell, go_version: str) -> None:
    """What is set apart is set apart as a whole, and nothing else changes."""
    story = told("explained", go_version, "Bad", "no").story
    style = Style(*(lambda text, mark=mark: f"<{mark}{text}>" for mark in "swa"))
    coloured = list(story_lines(story, 80, style))
    assert coloured[0] == '<sBad("no")>'
    assert any(line.startswith("<aIt did not return") for line in coloured)
    without = [line.replace("<s", "").replace("<w", "").replace("<a", "") for line in coloured]
    plain = list(story_lines(story, 80))
    assert len(without) == len(plain)
    assert sum("<w" in line for line in coloured) > 50


def test_a_page(capsys: pytest.CaptureFixture[str], plugin: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run(capsys, plugin, "Say", "hello", "-o", str(page)) == ""
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<title>Say(&quot;hello&quot;): what happened</title>" in text
    assert main(["explain", plugin, "-o", str(tmp_path / "none" / "page.html")]) != 0
    assert "page.html" in capsys.readouterr().err


def test_options(capsys: pytest.CaptureFixture[str], plugin: str) -> None:
    text = run(capsys, plugin, "Sum", "1000", "--steps", "30", "--seed", "7")
    assert "These are the first 30 steps" in text
    text = run(capsys, plugin, "Say", "x", "--into", "fmt.Fprintln", "--source", str(SOURCES))
    assert "of main.Say" in text
    text = run(capsys, plugin, "Divide", "-6", "3")
    assert "Divide(-6, 3)" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["Nothing"], ExitCode.NO_SYMBOL, "Sum"),
        (["Sum"], ExitCode.USAGE, "takes 1 argument"),
        (["Sum", "x"], ExitCode.USAGE, "is no int"),
        (["Visits", "1"], ExitCode.USAGE, "is a variable of type int"),
        (["Sum", "1", "--isolate"], ExitCode.USAGE, "cannot be looked into"),
        (["Sum", "1", "--steps", "0"], ExitCode.USAGE, "steps"),
    ],
)
def test_mistakes(
    capsys: pytest.CaptureFixture[str],
    plugin: str,
    arguments: list[str],
    code: ExitCode,
    words: str,
) -> None:
    assert main(["explain", plugin, *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_file_that_is_no_plugin(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("no plugin " * 20)
    assert main(["explain", str(path)]) == ExitCode.CANNOT_OPEN
    assert "not an ELF file" in capsys.readouterr().err


def test_wrapping() -> None:
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]
    assert wrapped("see " + "b" * 25, 20) == ["see " + "b" * 16, "b" * 9]
    assert wrapped("日本語の テキスト", 8) == ["日本語の", "テキスト"]
    assert wrapped("", 8) == []


def test_cutting() -> None:
    assert cut("日本語のテキスト", 7) == "日本語…"
    assert cut("a\x1b[31mb\n", 40) == "a\\x1b[31mb\\n"
