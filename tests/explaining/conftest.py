"""Stories of the fixtures' plugins, each run once."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import pytest

from emuplugin.explaining import Explanation, explain
from emuplugin.explaining.blocks import Block, Stepper, Table
from tests.support.plugins import SOURCES
from tests.support.plugins import plugin_path as build_fixture

from .browser import browser  # noqa: F401  (a fixture)


class Tell(Protocol):
    """The type of the fixture ``told``."""

    def __call__(
        self,
        name: str,
        go_version: str,
        call: str | None = ...,
        *args: Any,
        stripped: bool = ...,
        steps: int = ...,
        into: tuple[str, ...] = ...,
    ) -> Explanation: ...


@cache
def _told(
    name: str,
    go_version: str,
    call: str | None,
    args: tuple[Any, ...],
    stripped: bool,
    steps: int,
    into: tuple[str, ...],
) -> Explanation:
    path = build_fixture(name, go_version, stripped=stripped)
    thawed = [list(arg) if isinstance(arg, tuple) else arg for arg in args]
    return explain(path, call, *thawed, steps=steps, into=into, source=SOURCES)


@pytest.fixture(scope="session")
def told() -> Tell:
    """``told("explained", go_version, "Sum", 5)``; lists are given as tuples."""

    def tell(
        name: str,
        go_version: str,
        call: str | None = None,
        *args: Any,
        stripped: bool = False,
        steps: int = 2000,
        into: tuple[str, ...] = (),
    ) -> Explanation:
        return _told(name, go_version, call, args, stripped, steps, into)

    return tell


def blocks(explanation: Explanation, chapter: str) -> tuple[Block, ...]:
    """The blocks of a chapter."""
    return next(c for c in explanation.story.chapters if c.name == chapter).blocks


def table(explanation: Explanation, chapter: str, title: str) -> Table:
    """A table by the start of its title."""
    return next(
        block
        for block in blocks(explanation, chapter)
        if isinstance(block, Table) and block.title.startswith(title)
    )


def column(table: Table, name: str) -> list[str]:
    """The texts in a column."""
    index = next(i for i, column in enumerate(table.columns) if column.name == name)
    return [str(row[index]) for row in table.rows]


def facts(explanation: Explanation, chapter: str) -> dict[str, str]:
    """All facts of a chapter."""
    from emuplugin.explaining.blocks import Facts

    return {
        term: str(value)
        for block in blocks(explanation, chapter)
        if isinstance(block, Facts)
        for term, value in block.rows
    }


def stepper(explanation: Explanation) -> Stepper:
    """The stepper."""
    return next(block for block in blocks(explanation, "steps") if isinstance(block, Stepper))
