"""One plugin opened for one command, and where its output goes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from emuplugin.cli.arguments import parse_arguments, parse_value
from emuplugin.cli.document import Document, json_document
from emuplugin.cli.failures import NotFoundError
from emuplugin.cli.go_json import to_json
from emuplugin.cli.sandbox_options import SandboxOptions
from emuplugin.errors import GoError, SymbolNotFoundError
from emuplugin.plugin import Plugin
from emuplugin.values import Function, Variable


class Session:
    """An open plugin. ``document`` is what ``--json`` will print."""

    def __init__(self, plugin: Plugin, document: Document) -> None:
        self.plugin = plugin
        self.document = document

    def variable(self, name: str) -> Variable:
        """The variable ``name``; NotFoundError, or UsageError for a function."""
        symbol = self._lookup(name)
        if isinstance(symbol, Variable):
            return symbol
        raise click.UsageError(
            f"{name} is a function ({symbol.signature}), not a variable: use emuplugin call"
        )

    def function(self, name: str) -> Function:
        """The function ``name``; NotFoundError, or UsageError for a variable."""
        symbol = self._lookup(name)
        if isinstance(symbol, Function):
            return symbol
        raise click.UsageError(
            f"{name} is a variable of type {symbol.type}, not a function: use emuplugin get or set"
        )

    def assign(self, name: str, text: str) -> Variable:
        """Set a variable from text on the command line."""
        variable = self.variable(name)
        variable.value = parse_value(name, variable.go_type, text)
        return variable

    def call(self, name: str, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        """Call a function and return its results, each with its Go type; they go to the document
        too. A last result of type error is left out, and raised if it is not nil."""
        function = self.function(name)
        types = list(function.go_type.results)
        values = list(function.results(*parse_arguments(function, texts)))
        error = values.pop() if types and types[-1].is_error else None
        results = list(zip(values, types, strict=False))
        self.document["results"] = [to_json(value, go_type) for value, go_type in results]
        self.document["types"] = [go_type.string for _, go_type in results]
        if isinstance(error, GoError):
            raise error
        return results

    def _lookup(self, name: str) -> Variable | Function:
        try:
            return self.plugin.lookup(name)
        except SymbolNotFoundError as error:
            raise NotFoundError(name, error.plugin_path, list(self.plugin.exports)) from None


@contextmanager
def open_session(
    path: str, options: SandboxOptions, document: Document, *, as_json: bool
) -> Iterator[Session]:
    """Open the plugin at ``path`` in a sandbox of its own, and close it at the end.

    What the plugin prints passes through; with ``as_json`` it becomes the document's "stdout" and
    "stderr", because nothing but the document may be printed then.
    """
    from emuplugin.machine import Machine

    stdout, stderr = (io.BytesIO(), io.BytesIO()) if as_json else (None, None)
    with json_document(as_json, document):
        try:
            with Machine(options.sandbox(stdout, stderr)) as machine:
                yield Session(machine.open(path), document)
        finally:
            for name, stream in (("stdout", stdout), ("stderr", stderr)):
                if stream is not None:
                    document[name] = stream.getvalue().decode("utf-8", "surrogateescape")
