"""``emuplugin inspect``: what a plugin is made of and what it can do, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emuplugin.cli.document import json_document

if TYPE_CHECKING:
    from emuplugin.inspection import Inspection

_EPILOG = """\b
Examples:
  emuplugin inspect hello.so
  emuplugin inspect hello.so --functions
  emuplugin inspect geo.so --types --match Point
  emuplugin inspect hello.so --strings --all | grep Hello
  emuplugin inspect hello.so --calls main.F
  emuplugin inspect hello.so --disasm main.F
  emuplugin inspect hello.so --json --functions | jq '.functions[].name'
  emuplugin inspect hello.so --html hello.html

Without options it prints an overview. Lists leave out the standard library
unless --all asks for it. With --json and no section all sections are printed
but the call graph (--graph). docs/inspect.md explains each section, and
docs/inspect-schema.json is the schema of the document.
"""

#: Options that choose a section, by the name of the section, and their help.
_SECTIONS = {
    "capabilities": "What it can do, with the calls that lead there.",
    "exports": "What plugin.Lookup finds.",
    "inits": "What runs when it is opened, in order.",
    "packages": "Packages and whose they are.",
    "functions": "Functions with file, lines and size.",
    "types": "Types with fields, tags and methods.",
    "interfaces": "Interfaces and who implements them.",
    "itabs": "Which types become which interfaces.",
    "variables": "Package variables and who uses them.",
    "strings": "String literals and who uses them.",
    "embedded": "Files of embed.FS variables.",
    "imports": "What it needs of C libraries.",
}


def _section_options(command: click.Command) -> click.Command:
    for name, text in reversed(_SECTIONS.items()):
        command.params.insert(1, click.Option([f"--{name}"], is_flag=True, help=text))
    return command


def inspect_plugin(
    plugin: str,
    graph: bool,
    calls: str | None,
    disasm: str | None,
    match: str,
    everything: bool,
    as_json: bool,
    html: Path | None,
    **sections: bool,
) -> None:
    """Tell what the file PLUGIN is made of and what it can do. Nothing of it runs."""
    from emuplugin.inspection import inspect

    chosen = [name for name in _SECTIONS if sections[name]]
    with json_document(as_json, {}, indent=None) as document:
        inspection = inspect(plugin)
        if html is not None:
            _write(html, inspection.to_html())
        if as_json:
            from emuplugin.cli.inspect_json import fill

            fill(document, inspection, chosen, graph=graph, calls=calls, disasm=disasm)
        elif chosen or graph or calls or disasm or html is None:
            _show(inspection, chosen, graph, calls, disasm, match, everything)


def _show(
    inspection: Inspection,
    chosen: list[str],
    graph: bool,
    calls: str | None,
    disasm: str | None,
    match: str,
    everything: bool,
) -> None:
    from emuplugin.cli.inspect_code import call_lines, disassembly_lines, graph_lines
    from emuplugin.cli.inspect_overview import overview_lines
    from emuplugin.cli.inspect_sections import Selection, section_lines

    selection = Selection(inspection, match, everything)
    parts = [section_lines(selection, name) for name in chosen]
    if graph:
        parts.append(graph_lines(selection))
    if calls:
        parts.append(call_lines(selection, calls))
    if disasm:
        parts.append(disassembly_lines(inspection, disasm))
    if not parts:
        parts.append(overview_lines(inspection))
    for number, part in enumerate(parts):
        if number:
            click.echo()
        for line in part:
            click.echo(line)


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), error.strerror or str(error)) from error
    click.echo(f"{path}: {len(page.encode()):,} bytes", err=True)


inspect = _section_options(
    click.Command(
        "inspect",
        callback=inspect_plugin,
        help=inspect_plugin.__doc__,
        short_help="Analyse a plugin without running it.",
        epilog=_EPILOG,
        params=[
            click.Argument(["plugin"]),
            click.Option(["--calls"], metavar="FUNCTION", help="Who calls it and whom it calls."),
            click.Option(["--disasm"], metavar="FUNCTION", help="Its code, with source lines."),
            click.Option(["--graph"], is_flag=True, help="The whole call graph."),
            click.Option(
                ["--match"], metavar="TEXT", default="", help="Only what has TEXT in its name."
            ),
            click.Option(["--all", "everything"], is_flag=True, help="The standard library too."),
            click.Option(
                ["--html"],
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Write one self-contained page for a browser.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document."),
        ],
    )
)
