"""``emuplugin get`` and ``emuplugin set``: exported variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from emuplugin.cli.call import NumbersAsArguments, unmark
from emuplugin.cli.sandbox_options import SandboxCommand, SandboxOptions, sandbox_options
from emuplugin.cli.showing import Showing, report_options

_GET_EPILOG = """\b
Examples:
  emuplugin get hello.so V
  emuplugin get geo.so Words --json

\b
With --json:
  {"name": "V", "type": "int", "value": 0, "stdout": "...", "stderr": "...",
   "error": null}
"""

_SET_EPILOG = """\b
Examples:
  emuplugin set hello.so V 7 --call F
  emuplugin set calc.so Counter 40 --call Next 2   # the 2 is for Next
  emuplugin set calc.so Counter 0x2a               # does the value fit?
  emuplugin call calc.so Next 2 --set Counter=40 --set Severity=-1

\b
With --json, where "results" and "types" are there only with --call:
  {"name": "V", "type": "int", "value": 7, "results": [], "types": [],
   "stdout": "...", "stderr": "...", "error": null}
"value" is what the variable holds at the end, after the call.

VALUE is written like an argument of emuplugin call: see emuplugin call --help.
"""


@click.command(cls=SandboxCommand, epilog=_GET_EPILOG, short_help="Print an exported variable.")
@click.argument("plugin")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@report_options()
@sandbox_options
def get(
    plugin: str,
    name: str,
    as_json: bool,
    report: bool,
    report_file: Path | None,
    **options: Any,
) -> None:
    """Open PLUGIN, which runs its init functions, and print its variable NAME."""
    from emuplugin.cli.session import open_session

    document: dict[str, Any] = {"name": name, "type": None, "value": None}
    showing = Showing(as_json, report, report_file)
    with open_session(plugin, SandboxOptions(**options), document, showing) as session:
        variable = session.variable(name)
        if as_json:
            _note(document, variable)
        else:
            session.show([(variable.value, variable.go_type)])


@click.command(
    "set",
    cls=NumbersAsArguments,
    epilog=_SET_EPILOG,
    short_help="Set an exported variable, then call a function.",
)
@click.argument("plugin")
@click.argument("name")
@click.argument("value", callback=unmark)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, callback=unmark)
@click.option(
    "--call", "function", metavar="NAME", help="Then call this function with ARGS, print results."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@report_options()
@sandbox_options
def set_(
    plugin: str,
    name: str,
    value: str,
    arguments: tuple[str, ...],
    function: str | None,
    as_json: bool,
    report: bool,
    report_file: Path | None,
    **options: Any,
) -> None:
    """Open PLUGIN and set its variable NAME to VALUE.

    The value lasts as long as the plugin is open, which is until this command ends: the file does
    not change. So name a function that uses it, with --call. Without, the variable is printed
    as Go now holds it.
    """
    from emuplugin.cli.session import open_session

    if arguments and function is None:
        raise click.UsageError(
            f"{arguments[0]!r} is an argument for which function? Add --call NAME"
        )
    document: dict[str, Any] = {"name": name, "type": None, "value": None}
    if function is not None:
        document |= {"results": None, "types": None}
    showing = Showing(as_json, report, report_file)
    with open_session(plugin, SandboxOptions(**options), document, showing) as session:
        variable = session.assign(name, value)
        if as_json:
            _note(document, variable)
        if function is not None:
            results = session.call(function, arguments)
        else:
            results = [(variable.value, variable.go_type)]
        if as_json:
            _note(document, variable)
        else:
            session.show(results)


def _note(document: dict[str, Any], variable: Any) -> None:
    """What the variable holds now, for the document."""
    from emuplugin.cli.go_json import to_json

    document["type"] = variable.type
    document["value"] = to_json(variable.value, variable.go_type)
