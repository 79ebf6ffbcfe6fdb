"""The story: a run told in chapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .blocks import Chapter
from .chapters import boot, call, file, inits, lookup, relocations, result, steps, symbols

if TYPE_CHECKING:
    from .run import Run


@dataclass(frozen=True, slots=True)
class Story:
    """``title`` names the run, ``facts`` are what is in its head: short texts."""

    title: str
    plugin: str
    facts: tuple[str, ...]
    chapters: tuple[Chapter, ...]


def tell(run: Run) -> Story:
    """The story of a run that is over, while its machine still exists."""
    chapters = [
        file.chapter(run),
        relocations.chapter(run),
        symbols.chapter(run),
        boot.chapter(run),
        inits.chapter(run),
    ]
    if run.plugin is not None:
        later = (
            lookup.chapter(run),
            call.chapter(run),
            steps.chapter(run),
            result.deeds(run),
            result.chapter(run),
        )
        chapters += [chapter for chapter in later if chapter is not None]
    info = run.file.build_info
    assert info is not None  # a file without is refused
    report = run.report
    facts = (
        info.go_version,
        f"{report.instructions:,} instructions",
        f"{sum(report.syscalls.values()):,} system calls",
    )
    return Story(_title(run), run.path, facts, tuple(chapters))


def _title(run: Run) -> str:
    if run.open_error is not None:
        return "A plugin that could not be opened"
    if run.function is not None:
        return run.call_text
    return run.name or "Opening a plugin"
