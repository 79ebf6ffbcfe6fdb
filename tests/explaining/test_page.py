"""The page as a document: it stands alone, is well-formed, and holds what a plugin says as text."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emuplugin.explaining import Explanation, explain
from emuplugin.pages import page
from tests.support.plugins import plugin_path

from .conftest import Tell, stepper

VOID = {"meta", "link", "input", "br", "img"}


class Document(HTMLParser):
    """Elements that were opened and closed, ids, links, and text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.labels: list[str] = []
        self.text = ""
        self.data = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] += 1
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [value for key in ("src", "href", "action") if (value := given.get(key))]
        self.handlers += [name for name in given if name.startswith("on")]
        self.labels += [given["aria-labelledby"] or ""] if "aria-labelledby" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data = self.data or data
        elif not self.open or self.open[-1] != "style":
            self.text += data


@pytest.fixture(params=[False, True], ids=["symbols", "stripped"])
def story(request: pytest.FixtureRequest, told: Tell, go_version: str) -> Explanation:
    return told("explained", go_version, "Say", "x", stripped=request.param)


def test_it_is_well_formed(story: Explanation) -> None:
    document = Document(story.html)
    assert document.wrong == []
    assert document.open == []
    assert len(set(document.ids)) == len(document.ids)
    assert set(document.labels) <= set(document.ids)
    assert document.tags["h1"] == 1
    assert document.tags["main"] == 1
    assert document.tags["section"] == len(story.story.chapters)


def test_it_stands_alone(story: Explanation) -> None:
    document = Document(story.html)
    anchors = {f"#{name}" for name in document.ids}
    assert set(document.links) <= {"data:,", *anchors}
    assert document.handlers == []
    assert "default-src 'none'" in story.html
    assert not re.search(r"https?://", story.html)


def test_it_is_readable_without_scripts(story: Explanation) -> None:
    """All of the story is in the elements themselves, the steps too."""
    text = Document(story.html).text
    for chapter in story.story.chapters:
        assert chapter.title in text
    shown = stepper(story)
    for line in shown.code:
        assert line.text in text
    assert f"All steps as a table ({len(shown.steps)})" in text
    assert "runtime.procresize" in text
    assert "write(1<stdout>" in text
    assert '<div class="controls" hidden>' in story.html
    assert '<details class="all-steps" open>' in story.html


def test_the_data_are_those_of_the_steps(story: Explanation) -> None:
    data = json.loads(Document(story.html).data)["stepper"]
    shown = stepper(story)
    assert len(data["steps"]) == len(shown.steps)
    for step, (code, changed, memory, between, note) in zip(
        shown.steps, data["steps"], strict=True
    ):
        assert code == step.code
        assert [(name, int(value, 16)) for name, value in changed] == list(step.changed)
        assert len(memory) == len(step.memory)
        assert (between, note) == (step.between, step.note)


HOSTILE = (
    '<script>document.title="owned"</script>',
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{data}}{{script}}</title>",
    "line\nfeed \x1b[31m red \x00 \u202e turned \u2028 \udc80",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(text: str, go_version: str) -> None:
    story = explain(plugin_path("explained", go_version), "Bad", text)
    document = Document(story.html)
    assert document.wrong == []
    assert document.handlers == []
    assert document.tags["script"] == 2
    assert not {"img", "svg"} & set(document.tags)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", story.html)
    story.html.encode("utf-8")
    if text.isprintable():
        assert text in document.text  # as text


def test_hostile_names(told: Tell, go_version: str) -> None:
    """Struct tags and the names of source files are whatever a plugin's author wants."""
    for call in ("Elsewhere", "Tagged"):
        story = told("explained", go_version, call)
        document = Document(story.html)
        assert document.wrong == []
        assert document.handlers == []
        assert document.tags["script"] == 2
        assert "img" not in document.tags
    assert (
        "onerror=document.title" in Document(told("explained", go_version, "Elsewhere").html).text
    )
    assert "</script><script>document.title" in document.text


def test_hostile_symbols(go_version: str, tmp_path: Path) -> None:
    """A symbol that nobody defines may have any name: its hash is not looked at."""
    data = plugin_path("explained", go_version).read_bytes()
    name = b"pthread_mutex_unlock"
    hostile = b"<img/onerror=alert()"
    assert len(name) == len(hostile)
    assert data.count(b"\0" + name + b"\0") >= 1
    path = tmp_path / "<b>bold&.so"
    path.write_bytes(data.replace(b"\0" + name + b"\0", b"\0" + hostile + b"\0"))
    story = explain(path)
    document = Document(story.html)
    assert document.wrong == []
    assert hostile.decode() in document.text
    assert "<b>bold&.so" in document.text
    assert not {"img", "b"} & set(document.tags)


def test_steps_that_are_not_printed(told: Tell, go_version: str) -> None:
    html = told("explained", go_version, "Sum", 1000, steps=500).html
    assert "The first 200 of 500 steps." in html
    assert html.count('<tr class="late">') == 300


def test_a_page_says_what_its_template_lacks() -> None:
    with pytest.raises(AssertionError, match="no place for nothing"):
        page("emuplugin.explaining", "explain", title="", data=None, parts={"nothing": ""})


def test_saving(story: Explanation, tmp_path: Path) -> None:
    story.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == story.html
