"""One plugin opened for one command, and where its output goes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

import click

from emuplugin.cli.arguments import parse_arguments, parse_value
from emuplugin.cli.document import Document, json_document
from emuplugin.cli.failures import NotFoundError
from emuplugin.cli.go_json import to_json
from emuplugin.cli.go_text import to_text
from emuplugin.cli.passthrough import Passthrough
from emuplugin.cli.sandbox_options import SandboxOptions
from emuplugin.cli.showing import Showing
from emuplugin.errors import GoError, SymbolNotFoundError
from emuplugin.machine import Machine
from emuplugin.plugin import Plugin
from emuplugin.values import Function, GoType, Variable


class Session:
    """An open plugin. ``document`` is what ``--json`` will print."""

    def __init__(
        self, plugin: Plugin, document: Document, output: Passthrough | None = None
    ) -> None:
        self.plugin = plugin
        self.document = document
        self._output = output

    def variable(self, name: str) -> Variable:
        """The variable ``name``; NotFoundError, or UsageError for a function."""
        symbol = self._lookup(name)
        if isinstance(symbol, Variable):
            return symbol
        raise click.UsageError(
            f"{name} is a function ({symbol.go_type.signature}), not a variable: use emuplugin call"
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

    def call(self, name: str, texts: Sequence[str]) -> list[tuple[Any, GoType]]:
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

    def show(self, results: Sequence[tuple[Any, GoType]]) -> None:
        """Print values for people, one per line, after what the plugin printed."""
        if results and self._output is not None:
            self._output.end_line()
        for value, go_type in results:
            click.echo(to_text(value, go_type).encode("utf-8", "surrogateescape"))

    def show_raw(self, results: Sequence[tuple[Any, GoType]]) -> None:
        """Print the bytes of one string or []byte, and nothing else."""
        values = [value for value, _ in results]
        if len(values) != 1 or not isinstance(values[0], str | bytes):
            types = ", ".join(go_type.string for _, go_type in results) or "nothing"
            raise click.UsageError(
                f"--raw is for one string or []byte; the function returns {types}"
            )
        text = values[0]
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        click.echo(data, nl=False)

    def _lookup(self, name: str) -> Variable | Function:
        try:
            symbol: Variable | Function = self.plugin.lookup(name)
        except SymbolNotFoundError as error:
            raise NotFoundError(name, error.plugin_path, list(self.plugin.exports)) from None
        return symbol


@contextmanager
def open_session(
    path: str,
    options: SandboxOptions,
    document: Document,
    showing: Showing,
    *,
    preset: str = "default",
) -> Iterator[Session]:
    """Open the plugin at ``path`` in a sandbox of its own, and close it at the end.

    What the plugin prints passes through; with ``--json`` it becomes the document's "stdout" and
    "stderr", because nothing but the document may be printed then. A report is shown, or becomes
    part of the document, however the command ends. ``preset`` is the sandbox to start from.
    """
    if not showing.as_json:
        output = Passthrough()
        sandbox = options.sandbox(cast(IO[bytes], output), None, preset)
        with Machine(sandbox, isolate=options.isolation) as machine:
            try:
                yield Session(machine.open(path), document, output)
            finally:
                if sys.stdout.isatty():  # an error message may follow
                    output.end_line()
                showing.show(machine.report)
        return
    captured = {"stdout": io.BytesIO(), "stderr": io.BytesIO()}
    with json_document(True, document):
        try:
            sandbox = options.sandbox(**captured, preset=preset)
            with Machine(sandbox, isolate=options.isolation) as machine:
                try:
                    yield Session(machine.open(path), document)
                finally:
                    showing.note(machine.report, document)
        finally:
            for name, stream in captured.items():
                document[name] = stream.getvalue().decode("utf-8", "surrogateescape")
