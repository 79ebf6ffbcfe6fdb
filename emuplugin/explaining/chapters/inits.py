"""The init functions, in the order in which they ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emuplugin.tracing.events import Output, SystemCall

from ..blocks import (
    Block,
    Chapter,
    Code,
    Column,
    Listing,
    Share,
    count,
    duration,
    say,
    size,
    table,
)
from ..calls_table import system_calls
from .ending import ending, lines

if TYPE_CHECKING:
    from ..run import Run


def chapter(run: Run) -> Chapter:
    """Packages with what initialising each took; what they printed and asked of the kernel."""
    traces = run.init_trace
    total = sum(trace.instructions for trace in traces)
    began = run.booted_at
    after = [event for event in run.opening if event.instructions > began]
    made = [event for event in after if isinstance(event, SystemCall)]
    printed = [event for event in after if isinstance(event, Output)]
    blocks: list[Block] = [
        say(
            "`plugin.Open` runs the init functions of all packages that are new to the program: "
            "`pkg.init` gives variables their first values, `pkg.init.0` and on are the `func "
            "init()` of the source. `moduledata.inittasks` lists them; the linker has sorted them, "
            "a package after all that it imports. `main.main` is never called."
        )
    ]
    if traces:
        blocks.append(
            table(
                "Packages in order",
                (
                    Column("#", right=True),
                    Column("package", head=True),
                    Column("functions", extra=True),
                    Column("instructions", right=True),
                    Column("allocations", right=True),
                    Column("bytes", right=True),
                    Column("time", right=True),
                ),
                [
                    (
                        str(number),
                        Code(trace.package),
                        Code(_short(trace.functions, trace.package)),
                        Share(
                            f"{trace.instructions:,}", trace.instructions / total if total else 0
                        ),
                        f"{trace.allocations:,}",
                        f"{trace.bytes:,}",
                        duration(trace.seconds),
                    )
                    for number, trace in enumerate(traces, 1)
                ],
            )
        )
        blocks.append(
            say(
                "Allocations are counted by the runtime itself, as with GODEBUG=inittrace=1; it "
                "does not count those of its own packages.",
                note=True,
            )
        )
    else:
        blocks.append(say("None of its packages has any."))
    if run.open_error is not None:
        blocks += ending(run.open_error, "Then opening failed:")
    if printed:
        blocks.append(Listing("What they printed", lines(printed)))
    if made:
        blocks.append(system_calls("System calls of the init functions", made, fold=True))
    summary = f"{count(len(traces), 'package')}, {total:,} instructions, "
    heap = sum(trace.bytes for trace in traces)
    summary += f"{size(heap)} allocated, {duration(sum(trace.seconds for trace in traces))}"
    if run.open_error is not None:
        summary += "; then it failed"
    return Chapter("inits", "Init functions", summary, tuple(blocks))


def _short(functions: tuple[str, ...], package: str) -> str:
    """``init, init.0`` for those of one package."""
    names = [name[name.rfind(".init") + 1 :] if ".init" in name else name for name in functions]
    return ", ".join(names[:6]) + (f", and {len(names) - 6} more" if len(names) > 6 else "")
