"""Explain: run a plugin and tell what happened, step by step."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from emuplugin.sandbox import Sandbox

from .run import STEPS, Arguments, Run
from .story import Story, tell


class Explanation:
    """The story of one run; get one with :func:`emuplugin.explain`. It outlives the machine.

    ``results`` is what the call returned (a last ``error`` included), None where there was none or
    it did not return; then ``error`` is what it, or opening the plugin, ended with.
    ``stdout`` and ``stderr`` are what the plugin printed.
    """

    def __init__(
        self,
        story: Story,
        results: tuple[Any, ...] | None,
        error: BaseException | None,
        stdout: str,
        stderr: str,
    ) -> None:
        self.story = story
        self.results = results
        self.error = error
        self.stdout, self.stderr = stdout, stderr

    def __repr__(self) -> str:
        return f"<Explanation of {self.story.title}: {len(self.story.chapters)} chapters>"

    def __str__(self) -> str:
        return self.text()

    @cached_property
    def html(self) -> str:
        """The story as one page for a browser, which loads nothing."""
        from .to_html import to_html

        return to_html(self.story)

    def text(self, width: int = 80) -> str:
        """The story as plain text, so many columns wide."""
        from .to_text import story_lines

        return "\n".join(story_lines(self.story, width)) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file."""
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        from .to_html import embedded

        return embedded(self.html)


def explain(
    path: str | os.PathLike[str],
    name: str | None = None,
    *args: Any,
    sandbox: Sandbox | None = None,
    steps: int = STEPS,
    into: Sequence[str] = (),
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
) -> Explanation:
    """Open a plugin, look ``name`` up, call it with ``args`` if it is a function, and tell the
    story of that run.

    ``steps``: how many instructions of the function are shown one by one; ``into``: functions
    whose instructions are shown as well, such as ``"main.*"``. ``source``: folders in which the Go
    sources are looked for; by default that of the plugin and the working folder. What the
    plugin prints becomes part of the story, unless the ``sandbox`` says where it goes.

    A panic, an error, or an init function that fails is a story too. Raises OpenError for a file
    that cannot be opened, SymbolNotFoundError, ConversionError.
    """
    return explain_with(path, name, lambda _: args, sandbox, steps, into, source)


def explain_with(
    path: str | os.PathLike[str],
    name: str | None,
    arguments: Arguments,
    sandbox: Sandbox | None,
    steps: int = STEPS,
    into: Sequence[str] = (),
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
) -> Explanation:
    """As :func:`explain`; ``arguments`` makes them, when it sees what ``name`` is."""
    if steps < 1:
        raise ValueError(f"explain(steps={steps}): must be at least 1")
    folders = [source] if isinstance(source, str | os.PathLike) else source
    stdout, stderr = io.BytesIO(), io.BytesIO()
    box = sandbox or Sandbox()
    run = Run(
        os.fspath(path),
        replace(box, stdout=box.stdout or stdout, stderr=box.stderr or stderr),
        steps=steps,
        into=into,
        sources=folders,
    )
    try:
        run.open()
        if name is not None and run.plugin is not None:
            run.call(name, arguments)
        return Explanation(
            tell(run), run.results, run.open_error or run.call_error, _text(stdout), _text(stderr)
        )
    finally:
        run.close()


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "surrogateescape")
