"""``emuplugin info``: what a plugin is, without running it."""

from __future__ import annotations

import click

from emuplugin.cli.document import json_document

_EPILOG = """\b
Examples:
  emuplugin info hello.so
  emuplugin info hello.so --json | jq -r '.exports[].name'
  emuplugin info hello.so | grep func

\b
With --json:
  {"path": "hello.so", "size": 3348880,
   "refusal": null,            or {"kind", "message"}: why it cannot be opened
   "unreadable": null,         or why what is null below could not be read
   "plugin_path": "example.com/hello", "go_version": "go1.27.3",
   "package": "...", "module": {"path", "version", "sum", "replace"},
   "dependencies": [module, ...], "settings": {"-buildmode": "plugin", ...},
   "exports": [{"name": "F", "kind": "func", "type": "func()"}, ...],
   "init_order": [{"package": "math", "functions": ["math.init"]}, ...],
   "c_imports": ["abort", ...], "c_imports_beyond_cgo": [],
   "libraries": ["libc.so.6"], "sections": [{"name", "address", "size"}, ...],
   "symbol_table": true, "dwarf": true,
   "relocations": {"R_X86_64_64": 6779, ...}, "error": null}
"""


@click.command(epilog=_EPILOG, short_help="Tell what a plugin is, without running it.")
@click.argument("plugin")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def info(plugin: str, as_json: bool) -> None:
    """Tell what the file PLUGIN is: Go version, modules, exports, packages, imports.

    Nothing of it runs. A plugin that cannot be opened (a -race build, say) is described too, and
    why it cannot be opened.
    """
    from emuplugin.cli.report import make_report

    with json_document(as_json, {}, indent=2) as document:
        report = make_report(plugin)
        if as_json:
            document.update(report.as_json())
        else:
            from emuplugin.cli.report_text import lines

            click.echo("\n".join(lines(report)))
