"""What the pages take from the code is up to date, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import emuplugin

from .blocks import PAGES, ROOT
from .generated import PART_NAMES, error_classes, own_attributes, parts_of, render

DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert render(text) == text, "run: python -m tests.docs.generated"


def test_a_page_that_is_not_up_to_date_is_noticed() -> None:
    page = "<!-- generated: goamd64 -->\nGOAMD64 may be v5.\n<!-- end -->\n"
    assert "v1 or v2" in render(page)


def test_every_part_stands_in_one_page() -> None:
    found = [name for page in PAGES for name in parts_of(page.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(PART_NAMES)


def test_every_public_name_is_documented() -> None:
    text = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("api.md", "errors.md"))
    missing = [name for name in emuplugin.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []


def test_every_exception_has_its_row() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.M))
    classes = {kind.__name__: kind for kind in error_classes()}
    assert sorted(rows) == sorted(classes)
    for name, kind in classes.items():
        when, attributes, advice = (cell.strip() for cell in rows[name].split("|"))
        assert when, name
        assert advice, name
        assert re.findall(r"`(\w+)`", attributes) == own_attributes(kind), name
