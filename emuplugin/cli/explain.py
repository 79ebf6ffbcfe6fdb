"""``emuplugin explain``: the story of a run, from the file to the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emuplugin.cli.call import NumbersAsArguments, unmark
from emuplugin.cli.sandbox_options import SandboxOptions, sandbox_options
from emuplugin.cli.style import bold, dim, red, width

if TYPE_CHECKING:
    from emuplugin.explaining import Explanation

_EPILOG = """\b
Examples:
  emuplugin explain hello.so
  emuplugin explain hello.so F
  emuplugin explain calc.so Div 7 2 -o div.html
  emuplugin explain calc.so Sum 1 2 3 --into 'main.*' --steps 5000 -o sum.html
  emuplugin explain calc.so Div 7 2 --source . -o div.html

Arguments are written as for emuplugin call. The page is one file that loads
nothing: it can be mailed, printed, and read without a network or scripts.
docs/explain.md shows what is in it.
"""


@click.command(
    cls=NumbersAsArguments,
    epilog=_EPILOG,
    short_help="Tell step by step what opening and calling does.",
)
@click.argument("plugin")
@click.argument("name", required=False)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, callback=unmark)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page for a browser instead of printing.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=2000,
    metavar="NUMBER",
    help="Instructions of the function to show one by one.  [default: 2000]",
)
@click.option(
    "--into",
    metavar="PATTERN",
    multiple=True,
    help="Show those of functions it calls as well, such as 'main.*' (repeat).",
)
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False),
    metavar="FOLDER",
    multiple=True,
    help="Where the Go sources are (repeat).  [default: beside the plugin, and here]",
)
@sandbox_options
def explain(
    plugin: str,
    name: str | None,
    arguments: tuple[str, ...],
    output: Path | None,
    steps: int,
    into: tuple[str, ...],
    source: tuple[str, ...],
    **options: Any,
) -> None:
    """Open PLUGIN, call its function NAME with ARGS, and tell what happened, step by step.

    The file and where it went in memory, relocations, symbols, the start of the Go runtime, init
    functions, the lookup, the call with registers and stack, each instruction, system calls,
    the result. What the plugin prints becomes part of the story.
    """
    from emuplugin.cli.arguments import parse_arguments
    from emuplugin.cli.failures import NotFoundError
    from emuplugin.errors import SymbolNotFoundError
    from emuplugin.explaining.explanation import explain_with
    from emuplugin.values import Function, Variable

    given = SandboxOptions(**options)
    if given.isolate:
        raise click.UsageError(
            "--isolate: a machine in another process cannot be looked into; leave it out"
        )

    def parsed(symbol: Variable | Function) -> list[Any]:
        if isinstance(symbol, Function):
            return parse_arguments(symbol, arguments)
        if arguments:
            raise click.UsageError(
                f"{symbol.name} is a variable of type {symbol.type}: it takes no arguments"
            )
        return []

    try:
        explanation = explain_with(
            plugin, name, parsed, given.sandbox(None, None), steps, into, source or None
        )
    except SymbolNotFoundError as error:
        from emuplugin.inspection import inspect

        exports = [export.name for export in inspect(plugin).exports]
        raise NotFoundError(error.name, error.plugin_path, exports) from None
    if output is None:
        _print(explanation)
    else:
        _write(explanation, output)


def _print(explanation: Explanation) -> None:
    from emuplugin.explaining.to_text import Style, story_lines

    style = Style(strong=bold, weak=dim, alarm=red)
    for line in story_lines(explanation.story, width() or 80, style):
        click.echo(line)


def _write(explanation: Explanation, output: Path) -> None:
    try:
        explanation.save(output)
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from error
    click.echo(f"{output}: {len(explanation.html.encode()):,} bytes", err=True)
