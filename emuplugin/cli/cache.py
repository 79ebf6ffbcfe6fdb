"""``emuplugin cache``: the cache of opened plugins."""

from __future__ import annotations

import time
from datetime import datetime

import click

from emuplugin.cli.document import Document, json_document

_EPILOG = """\b
Examples:
  emuplugin cache
  emuplugin cache list --json
  emuplugin cache clear
  emuplugin cache path
"""
_DAY = 86400


@click.command(epilog=_EPILOG, short_help="Show or clear the cache of opened plugins.")
@click.argument(
    "action", type=click.Choice(("list", "size", "clear", "path")), default="list", metavar="ACTION"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cache(action: str, as_json: bool) -> None:
    """Show or clear the cache of opened plugins.

    A plugin that was opened before, in a sandbox like this, is not booted again: what its machine
    was then lies in a folder of the user's. ACTION is one of:

    \b
    list   the plugins in it, the last used first  [default]
    size   how much room they take
    clear  remove them all
    path   where the folder is

    EMUPLUGIN_CACHE=off in the environment switches it off, EMUPLUGIN_CACHE=FOLDER moves it.
    """
    from emuplugin.cache.listing import listed
    from emuplugin.cache.opening import folder

    where = folder()
    document: Document = {"path": None if where is None else str(where.path)}
    with json_document(as_json, document):
        if where is None:
            if not as_json:
                click.echo("the cache is switched off: EMUPLUGIN_CACHE says so")
            return
        if action == "path":
            _say(as_json, str(where.path))
        elif action == "clear":
            document["removed"] = where.clear()
            _say(as_json, f"removed {_counted(document['removed'])}")
        elif action == "size":
            sizes = [size for _, size, _ in where.entries()]
            document |= {"entries": len(sizes), "bytes": sum(sizes), "limit": where.limit}
            _say(
                as_json,
                f"{_counted(len(sizes))}, {_megabytes(sum(sizes))} of {_megabytes(where.limit)}",
            )
        else:
            found = listed(where)
            document["plugins"] = [entry._asdict() for entry in found]
            for entry in found:
                used = _moment(entry.used)
                _say(as_json, f"{_megabytes(entry.bytes):>9}  {used}  {entry.go:9} {entry.path}")
            if not found:
                _say(as_json, "no plugin was opened yet, or none that can be kept")


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        click.echo(text)


def _counted(number: int) -> str:
    return "1 machine" if number == 1 else f"{number} machines"


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _moment(used: float) -> str:
    form = "%H:%M:%S  " if time.time() - used < _DAY else "%Y-%m-%d"
    return datetime.fromtimestamp(used).strftime(form)
