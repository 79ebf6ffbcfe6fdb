"""The options that say what a plugin may do and use up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from emuplugin.cli.quantities import (
    COUNT,
    FIXED_COUNT,
    MEMORY,
    SIZE,
    TIME,
    UNLIMITED,
    MountOption,
    assignment,
    file,
    grant,
    mount,
    seed,
)

if TYPE_CHECKING:
    from emuplugin.machine import Isolate
    from emuplugin.network import Network
    from emuplugin.sandbox import Clock, Limits, Mount, Sandbox

F = TypeVar("F", bound=Callable[..., Any])

_FINDS: Final = (
    click.option(
        "--sandbox",
        "sandbox_file",
        metavar="FILE",
        help="Take the sandbox from a TOML or JSON file; the options below change it.",
    ),
    click.option(
        "--preset",
        type=click.Choice(("strict", "default", "trusted")),
        metavar="NAME",
        help="Where to start from: strict has small limits, default those for any plugin, trusted "
        "hardly any, with the host's clock and chance. None grants files or network.",
    ),
    click.option(
        "--env",
        type=assignment,
        metavar="NAME=VALUE",
        multiple=True,
        help="Give the plugin an environment variable (repeat). It sees no others.",
    ),
    click.option(
        "--arg",
        "args",
        metavar="TEXT",
        multiple=True,
        help="Add an argument to os.Args (repeat).",
    ),
    click.option(
        "--stdin",
        type=click.File("rb"),
        metavar="FILE",
        help="What the plugin reads as standard input; - for that of this command. "
        "Without it there is nothing to read.",
    ),
    click.option(
        "--mount",
        "mounts",
        type=mount,
        metavar="HOST:GUEST[:MODE]",
        multiple=True,
        help="Show a folder to the plugin (repeat), to read; with the mode write to change it, "
        "with overlay to change it in memory only.",
    ),
    click.option(
        "--file",
        "files",
        type=file,
        metavar="HOST:GUEST",
        multiple=True,
        help="Give the plugin a copy of a file (repeat).",
    ),
    click.option(
        "--network",
        "grants",
        type=grant,
        metavar="GRANT",
        multiple=True,
        help="Open the network (repeat): connect=HOST:PORT, listen=HOST:PORT, "
        "resolve=NAME=ADDRESS. HOST may be *.example.org, 10.0.0.0/8 or *, PORT *.",
    ),
    click.option(
        "--clock",
        type=click.Choice(("virtual", "host")),
        metavar="KIND",
        help="virtual, which starts at the same time in each run, or host.",
    ),
    click.option(
        "--seed",
        type=seed,
        metavar="NUMBER",
        help="Where all randomness comes from: the same seed, the same run. "
        "host: the host's.  [default: 0]",
    ),
    click.option(
        "--cpus",
        type=int,
        metavar="NUMBER",
        help="What runtime.NumCPU tells, 1 to 64.  [default: 1]",
    ),
    click.option(
        "--no-accelerators",
        is_flag=True,
        help="Emulate all of the standard library, SHA-256 too. Results are the same, and later.",
    ),
    click.option(
        "--isolate",
        is_flag=True,
        help="Run the emulator in a process of its own, which the system confines.",
    ),
)
_LIMITS: Final = (
    ("seconds", TIME, "TIME", "Time for opening and each call: 5, 500ms, 2min."),
    ("instructions", COUNT, "NUMBER", "Instructions for opening and each call: 2e9."),
    ("memory", MEMORY, "SIZE", "Memory of the plugin: 256MiB."),
    ("output", SIZE, "SIZE", "What it may print."),
    ("file_bytes", SIZE, "SIZE", "What it may write into files."),
    ("open_files", FIXED_COUNT, "NUMBER", "Files open at once."),
    ("goroutines", COUNT, "NUMBER", "Goroutines at once."),
    ("threads", FIXED_COUNT, "NUMBER", "Threads at once."),
)


#: The options that are limits, as they are written, by their names in ``Limits``.
LIMIT_OPTIONS: Final = {
    # Without the "-bytes" it would be a file to write, in other commands.
    name: "--output-bytes" if name == "output" else f"--{name.replace('_', '-')}"
    for name, *_ in _LIMITS
}


def _param(limit: str) -> str:
    """The parameter of a limit's option."""
    return LIMIT_OPTIONS[limit].lstrip("-").replace("-", "_")


def _limit_options() -> list[Callable[[F], F]]:
    return [
        click.option(LIMIT_OPTIONS[name], _param(name), type=kind, metavar=metavar, help=text)
        for name, kind, metavar, text in _LIMITS
    ]


_SANDBOX_PARAMS: Final = frozenset(
    ("sandbox_file", "preset", "env", "args", "stdin", "mounts", "files", "grants", "clock",
     "seed", "cpus", "no_accelerators", "isolate")
)  # fmt: skip


def sandbox_options(command: F) -> F:
    """Give a command the options above; it gets them as keyword arguments."""
    for option in reversed((*_FINDS, *_limit_options())):
        command = option(command)
    return command


class SandboxCommand(click.Command):
    """A command with :func:`sandbox_options`, whose help lists them apart from its own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {
            "Options": [],
            "What the plugin finds": [],
            "What it may use up ('unlimited': no limit)": [],
        }
        own, finds, limits = sections.values()
        limit_params = {_param(name) for name in LIMIT_OPTIONS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            # Arguments are in the usage already; not every version of click leaves them out.
            if record is not None and isinstance(param, click.Option):
                name = param.name or ""
                chosen = finds if name in _SANDBOX_PARAMS else own
                (limits if name in limit_params else chosen).append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=28)


@dataclass(frozen=True)
class SandboxOptions:
    """What was asked for. The attributes are the options; those not given are None or empty."""

    sandbox_file: str | None
    preset: str | None
    env: tuple[tuple[str, str], ...]
    args: tuple[str, ...]
    stdin: IO[bytes] | None
    mounts: tuple[MountOption, ...]
    files: tuple[tuple[str, str], ...]
    grants: tuple[tuple[str, str], ...]
    clock: Clock | None
    seed: int | str | None
    cpus: int | None
    no_accelerators: bool
    isolate: bool
    seconds: float | str | None
    instructions: int | str | None
    memory: int | str | None
    output_bytes: int | str | None
    file_bytes: int | str | None
    open_files: int | str | None
    goroutines: int | str | None
    threads: int | str | None

    def sandbox(
        self, stdout: IO[bytes] | None, stderr: IO[bytes] | None, preset: str = "default"
    ) -> Sandbox:
        """The sandbox, with output that goes to these files, else to where this command's goes.
        ``preset`` is where it starts from unless something else was asked for."""
        try:
            base = self._base(preset)
            return replace(
                base,
                args=("plugin", *self.args) if self.args else base.args,
                env={**base.env, **dict(self.env)},
                stdin=self.stdin or base.stdin,
                stdout=stdout,
                stderr=stderr,
                mounts={**base.mounts, **self._mounts()},
                files={**base.files, **self._files()},
                network=self._network(base.network),
                clock=self.clock or base.clock,
                seed=self._seed(base.seed),
                cpus=self.cpus or base.cpus,
                accelerators=base.accelerators and not self.no_accelerators,
                limits=self._limits(base.limits),
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    @property
    def isolation(self) -> Isolate | None:
        """Where the machine runs."""
        return "process" if self.isolate else None

    def _seed(self, base: int | None) -> int | None:
        if self.seed is None:
            return base
        return self.seed if isinstance(self.seed, int) else None  # the word "host"

    def _base(self, preset: str) -> Sandbox:
        from emuplugin.presets import PRESETS
        from emuplugin.sandbox import Sandbox

        if self.sandbox_file is None:
            return Sandbox(**PRESETS[self.preset or preset])
        if self.preset is not None:
            raise click.UsageError(
                "--preset and --sandbox exclude each other: a sandbox file names its preset itself"
            )
        return Sandbox.load(self.sandbox_file)

    def _limits(self, base: Limits) -> Limits:
        given = {name: getattr(self, _param(name)) for name in LIMIT_OPTIONS}
        changes: dict[str, Any] = {
            name: None if value == UNLIMITED else value
            for name, value in given.items()
            if value is not None
        }
        return replace(base, **changes)

    def _mounts(self) -> dict[str, Mount]:
        from emuplugin.sandbox import Mount

        return {guest: Mount(host, mode) for host, guest, mode in self.mounts}

    def _files(self) -> dict[str, bytes]:
        files = {}
        for host, guest in self.files:
            try:
                files[guest] = Path(host).read_bytes()
            except OSError as error:
                raise click.UsageError(
                    f"--file: {host} cannot be read: {error.strerror or error}"
                ) from error
        return files

    def _network(self, base: Network) -> Network:
        connect = [value for kind, value in self.grants if kind == "connect"]
        listen = [value for kind, value in self.grants if kind == "listen"]
        resolve = dict(value.split("=", 1) for kind, value in self.grants if kind == "resolve")
        return replace(
            base,
            connect=(*base.connect, *connect),
            listen=(*base.listen, *listen),
            resolve={**base.resolve, **resolve},
        )
