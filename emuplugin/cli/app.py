"""The program: its commands, and what becomes of errors that nobody else handles."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from emuplugin import __version__
from emuplugin.cli import document, exit_codes, failures
from emuplugin.cli.build import build
from emuplugin.cli.cache import cache
from emuplugin.cli.call import call
from emuplugin.cli.demo import demo
from emuplugin.cli.exit_codes import ExitCode
from emuplugin.cli.explain import explain
from emuplugin.cli.info import info
from emuplugin.cli.inspect import inspect
from emuplugin.cli.run import run
from emuplugin.cli.stubs import stubs
from emuplugin.cli.trace import trace
from emuplugin.cli.variables import get, set_
from emuplugin.errors import EmupluginError

_EPILOG = f"""\b
Examples:
  emuplugin demo
  emuplugin build ./greeter -o greeter.so
  emuplugin info greeter.so
  emuplugin call greeter.so Greet World

\b
Exit codes:
{exit_codes.table()}

With --json a command prints one JSON document, also when it fails: "error" in it
is null, or has "kind", "message", "exit_code" and the facts of that kind of error.
"""


class _Commands(click.Group):
    """Lists the commands in the order in which people need them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands,
    commands={
        "demo": demo,
        "build": build,
        "info": info,
        "inspect": inspect,
        "call": call,
        "run": run,
        "get": get,
        "set": set_,
        "explain": explain,
        "trace": trace,
        "stubs": stubs,
        "cache": cache,
    },
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="emuplugin")
def app() -> None:
    """Open Go plugins (go build -buildmode=plugin, linux/amd64) on any machine.

    A plugin runs in an emulator with a Go runtime of its own. It sees no files, variables, clock or
    network of this machine but what the options grant.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not app.main(), which has answers of its own to Ctrl-C and to readers that leave.
        with app.make_context("emuplugin", given) as context:
            app.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        if _wants_json(given):
            document.write({"error": failures.as_json(error)})
        else:
            failures.show_usage(error)
        return ExitCode.USAGE
    except EmupluginError as error:
        if _wants_json(given):
            document.write({"error": failures.as_json(error)})
        elif isinstance(error, KeyboardInterrupt):
            failures.show_interrupt()
        else:
            failures.show(error)
        return exit_codes.exit_code(error)
    except KeyboardInterrupt:
        failures.show_interrupt()
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Who reads our output has had enough. Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except Exception:
        traceback.print_exc()
        click.echo("emuplugin: this is a bug in emuplugin; please report it", err=True)
        return ExitCode.BUG
    return ExitCode.OK


def _wants_json(arguments: Sequence[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
