"""``emuplugin run``: open a plugin that nobody knows, and tell what it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from emuplugin.cli.call import NumbersAsArguments, unmark
from emuplugin.cli.sandbox_options import SandboxOptions, sandbox_options
from emuplugin.cli.showing import Showing, report_options

_EPILOG = """\b
Examples:
  emuplugin run hello.so                  # its init functions only
  emuplugin run hello.so F
  emuplugin run calc.so Add 2 3 --report-file did.json --no-report
  emuplugin run text.so Upper gopher --json

\b
ARGS are written as for emuplugin call; exit codes are the same.
With --json the document is that of emuplugin call, and has "report"
(docs/report-schema.json); without NAME "results" and "types" are null.
"""


@click.command(
    cls=NumbersAsArguments, epilog=_EPILOG, short_help="Run a plugin and tell what it did."
)
@click.argument("plugin")
@click.argument("name", required=False)
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, callback=unmark)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@report_options(default=True)
@sandbox_options
def run(
    plugin: str,
    name: str | None,
    arguments: tuple[str, ...],
    as_json: bool,
    report: bool,
    report_file: Path | None,
    **options: Any,
) -> None:
    """Open PLUGIN, which runs its init functions, call its function NAME if there is one, and tell
    what it did: system calls, files, connections, what was refused, what it used up.

    This is emuplugin call for plugins that nobody knows: unless --preset or --sandbox say
    otherwise, the limits are those of the preset strict. The report comes however the run ends.
    """
    from emuplugin.cli.session import open_session

    document: dict[str, Any] = {"results": None, "types": None}
    showing = Showing(as_json, report, report_file)
    with open_session(
        plugin, SandboxOptions(**options), document, showing, preset="strict"
    ) as session:
        if name is not None:
            results = session.call(name, arguments)
            if not as_json:
                session.show(results)
