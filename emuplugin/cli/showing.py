"""The options of what a command shows beside its results: a JSON document, a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from emuplugin.cli.document import Document
from emuplugin.report import Report

F = TypeVar("F", bound=Callable[..., Any])


def report_options(*, default: bool = False) -> Callable[[F], F]:
    """``--report`` and ``--report-file``; ``default``: whether there is a report without them."""
    flag = click.option(
        "--report/--no-report",
        default=default,
        help="At the end, tell on standard error what the plugin did."
        + ("  [default]" if default else ""),
    )
    target = click.option(
        "--report-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the report to a file, as JSON.",
    )

    def decorate(command: F) -> F:
        return flag(target(command))

    return decorate


@dataclass(frozen=True)
class Showing:
    """What was asked for."""

    as_json: bool = False
    report: bool = False
    report_file: Path | None = None

    def show(self, report: Report) -> None:
        """Print the report as a table, on stderr."""
        self._write(report)
        if self.report:
            from rich.console import Console

            Console(stderr=True).print(report)

    def note(self, report: Report, document: Document) -> None:
        """Make the report part of the document."""
        self._write(report)
        if self.report:
            document["report"] = report.to_dict()

    def _write(self, report: Report) -> None:
        if self.report_file is None:
            return
        try:
            self.report_file.write_text(report.to_json(indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise click.FileError(str(self.report_file), reason) from error
