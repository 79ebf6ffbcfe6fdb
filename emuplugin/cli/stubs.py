"""``emuplugin stubs``: Python type stubs for what a plugin exports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from emuplugin.cli.sandbox_options import SandboxCommand, SandboxOptions, sandbox_options

_EPILOG = """\b
Examples:
  emuplugin stubs geo.so -o geo.pyi
  emuplugin stubs hello.so | grep Literal

\b
In a program, for type checkers only:
  from typing import TYPE_CHECKING, cast
  if TYPE_CHECKING:
      import geo
  plugin = cast("geo.Plugin", emuplugin.open("geo.so"))
  plugin.lookup("Origin").value.X       # an int, says mypy
"""


@click.command(
    cls=SandboxCommand, epilog=_EPILOG, short_help="Write Python type stubs of the exports."
)
@click.argument("plugin")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, NAME.pyi.  [default: standard output]",
)
@sandbox_options
def stubs(plugin: str, output: Path | None, **options: Any) -> None:
    """Write Python type stubs of what PLUGIN exports, for mypy and for editors.

    They come from the plugin's own type metadata, stripped or not. To read it, PLUGIN is opened,
    which runs its init functions; what those print goes to standard error.
    """
    from emuplugin.machine import Machine
    from emuplugin.stubs import write_stubs

    sandbox = SandboxOptions(**options).sandbox(sys.stderr.buffer, None)
    with Machine(sandbox) as machine:
        opened = machine.open(plugin)
        text, count = write_stubs(opened), len(opened.exports)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from error
    names = "1 name" if count == 1 else f"{count} names"
    click.echo(f"{output}: {names}, {len(text.splitlines())} lines", err=True)
