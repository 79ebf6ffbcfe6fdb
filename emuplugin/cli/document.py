"""The JSON that a command prints with ``--json``: one document, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from emuplugin.cli import failures
from emuplugin.errors import EmupluginError

Document = dict[str, Any]


def write(document: Document, *, indent: int | None = None) -> None:
    """Print a document: ASCII only, so that no terminal or locale can spoil it."""
    click.echo(json.dumps(document, indent=indent))


@contextmanager
def json_document(
    enabled: bool, document: Document, *, indent: int | None = None
) -> Iterator[Document]:
    """A document that is printed at the end, with ``"error"`` last: null, or what was raised.

    The command then ends with the error's exit code. Where JSON was not asked for nothing is
    printed and errors pass through.
    """
    if not enabled:
        yield document
        return
    try:
        yield document
    except (EmupluginError, click.ClickException, KeyboardInterrupt) as error:
        facts = failures.as_json(error)
        write({**document, "error": facts}, indent=indent)
        raise click.exceptions.Exit(facts["exit_code"]) from error
    write({**document, "error": None}, indent=indent)
