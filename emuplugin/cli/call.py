"""``emuplugin call``: call an exported function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import click

from emuplugin.cli.quantities import assignment
from emuplugin.cli.sandbox_options import SandboxCommand, SandboxOptions, sandbox_options
from emuplugin.cli.showing import Showing, report_options

_NEGATIVE: Final = re.compile(r"-(\d|\.\d|[Ii]nf)")
# Put before negative numbers while click parses, for which they would be options.
_MARK: Final = "\0"

_EPILOG = """\b
Examples:
  emuplugin call calc.so Add 2 -3
  emuplugin call calc.so Div 7 0                  # exit code 1: an error
  emuplugin call text.so Join -- ", " -a -b       # after --, all is text
  emuplugin call text.so Upper "$(cat notes.txt)"
  emuplugin call bytes.so Reverse @notes.txt      # []byte from a file
  emuplugin call geo.so Scale '{"X": 3, "Y": 4}' 2
  emuplugin call hello.so F --set V=7
  emuplugin call hello.so F --env LANG=C --memory 64MiB --seconds 2
  emuplugin call hello.so F --preset strict --report

\b
Arguments, by Go type:
  integers   42  -7  0x2a  0o52  0b101  1_000  'x' (a rune, with the quotes)
  floats     1.5  -2e9  0x1p-2  inf  nan
  complex    1+2i  -3i
  bool       true  false
  string     the text as it is
  []byte     text, or hex:c0ffee, base64:wP/u, @FILE; text:... if it starts so
  error      its message, or nil
  any        a JSON number, true, "text", null; anything else is a string
  others     JSON: [1, 2]  {"X": 3}; nil

\b
Results are printed as Go writes them, one per line; a last result of type
error is not printed, but reported if it is not nil (exit code 1).

\b
With --json:
  {"results": [3], "types": ["int"], "stdout": "...", "stderr": "...",
   "error": null}
With --report also "report": see docs/report-schema.json.
"results" are there beside a Go error too. NaN and infinities are strings,
[]byte is base64, a complex number is a string, nil is null.
"""


class NumbersAsArguments(SandboxCommand):
    """A command for which ``-3`` is an argument, not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        marked = [
            _MARK + arg if at < end and _NEGATIVE.match(arg) else arg for at, arg in enumerate(args)
        ]
        return super().parse_args(ctx, marked)


def unmark(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """A click callback that takes the marks off again."""
    if isinstance(value, tuple):
        return tuple(unmark(ctx, param, element) for element in value)
    return value.removeprefix(_MARK) if isinstance(value, str) else value


@click.command(
    cls=NumbersAsArguments,
    epilog=_EPILOG,
    short_help="Call an exported function.",
)
@click.argument("plugin")
@click.argument("name")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, callback=unmark)
@click.option(
    "--set",
    "assignments",
    type=assignment,
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a variable of the plugin before the call (repeat).",
)
@click.option("--raw", is_flag=True, help="Write one string or []byte as it is, with no newline.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@report_options()
@sandbox_options
def call(
    plugin: str,
    name: str,
    arguments: tuple[str, ...],
    assignments: tuple[tuple[str, str], ...],
    raw: bool,
    as_json: bool,
    report: bool,
    report_file: Path | None,
    **options: Any,
) -> None:
    """Open PLUGIN, call its function NAME with ARGS and print what it returns.

    What the plugin itself prints passes through.
    """
    from emuplugin.cli.session import open_session

    if raw and as_json:
        raise click.UsageError("--raw and --json exclude each other")
    document: dict[str, Any] = {"results": None, "types": None}
    showing = Showing(as_json, report, report_file)
    with open_session(plugin, SandboxOptions(**options), document, showing) as session:
        for variable, text in assignments:
            session.assign(variable, text)
        results = session.call(name, arguments)
        if raw:
            session.show_raw(results)
        elif not as_json:
            session.show(results)
