"""How something ended that did not return, and what was printed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from emuplugin.tracing.events import Output

from ..blocks import Block, Code, Listing, say

_MOST_LINES = 200


def ending(error: BaseException, words: str) -> list[Block]:
    """The error in Go's words, with its traceback where there is one."""
    told = str(error.__cause__ if error.__cause__ is not None else error).splitlines()
    first = str(error).partition("\n")[0]
    blocks: list[Block] = [say(words, " ", Code(f"{type(error).__name__}: {first}"), alarm=True)]
    rest = [line.expandtabs(4) for line in told[1:] if line.strip()]
    if rest:
        blocks.append(Listing("Go's own report", tuple(rest[:_MOST_LINES])))
    return blocks


def lines(printed: Sequence[Output]) -> tuple[str, ...]:
    """The lines of some output, in order, those of standard error marked."""
    text = "".join(
        event.text if event.stream == "stdout" else _marked(event.text) for event in printed
    )
    found = text.expandtabs(8).split("\n")
    if found and not found[-1]:
        found.pop()
    if len(found) > _MOST_LINES:
        found = [*found[:_MOST_LINES], f"... and {len(found) - _MOST_LINES:,} more lines"]
    return tuple(found)


def _marked(text: str) -> str:
    return "".join(f"stderr: {line}" for line in text.splitlines(keepends=True))
