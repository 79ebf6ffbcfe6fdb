"""System calls as a table."""

from __future__ import annotations

from collections.abc import Sequence

from emuplugin.tracing.events import SystemCall

from .blocks import Code, Column, Table, table

MOST = 200
"""System calls that one table shows."""


def system_calls(title: str, made: Sequence[SystemCall], *, fold: bool = False) -> Table:
    """Each with its arguments and what it returned, as ``strace`` writes them."""
    return table(
        title,
        (
            Column("after instruction", right=True, extra=True),
            Column("thread", right=True, extra=True),
            Column("call", head=True),
            Column("returned"),
        ),
        [
            (
                f"{event.instructions:,}",
                str(event.thread),
                Code(f"{event.name}({', '.join(event.arguments)})"),
                Code(returned(event)),
            )
            for event in made
        ],
        most=MOST,
        fold=fold,
    )


def returned(event: SystemCall) -> str:
    """``3``, ``-1 ENOENT``, ``0x7f0000000000``."""
    if event.errno:
        return f"-1 {event.errno}"
    if event.text:
        return event.text
    return f"{event.result:#x}" if event.result > 0xFFFF else str(event.result)
