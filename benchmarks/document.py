"""The tables of a run in a Markdown file: ``python -m benchmarks.document FILE RESULTS.json...``.

What stands in the file between ``<!-- benchmark NAME -->`` and ``<!-- end -->`` is replaced, where
the results have it; ``machine`` and ``goals`` are such names too. Of several results the last one
that has a benchmark counts, so that one can be measured again alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.table import Table

from . import goals
from .parts import PARTS
from .results import Results
from .tables import markdown

_MARK = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def update(path: Path, results: Results) -> None:
    """Replace what is between the marks."""

    def replaced(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        text = section(name, results)
        return match.group() if text is None else f"{start}{text}\n{end}"

    path.write_text(_MARK.sub(replaced, path.read_text(encoding="utf-8")), encoding="utf-8")


def section(name: str, results: Results) -> str | None:
    """The Markdown for one mark; None where nothing of it was measured."""
    if name == "machine":
        lines = [f"- {fact}: {value}" for fact, value in results.facts.items()]
        lines += [f"- not measured: {peer}, {why}" for peer, why in results.missing.items()]
        return "\n".join(lines)
    if name == "goals":
        return _joined(goals.tables(results.groups))
    if name not in results.groups:
        return None
    return _joined(PARTS[name].tables(results.groups[name]))


def _joined(tables: list[Table]) -> str | None:
    return "\n\n".join(map(markdown, tables)) or None


def main() -> int:
    """Update a file."""
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    path, *found = map(Path, sys.argv[1:])
    merged = Results.load(found[0])
    for other in map(Results.load, found[1:]):
        merged.facts = other.facts
        merged.groups.update(other.groups)
        merged.missing.update(other.missing)
    update(path, merged)
    return 0


if __name__ == "__main__":
    sys.exit(main())
