"""Runs that are traced: how they come about, and how they are repeated."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import IO, TYPE_CHECKING, Any, cast

from emuplugin.errors import (
    BusyError,
    ConfigurationError,
    GoError,
    GoExit,
    Goexit,
    GoFatal,
    GoPanic,
    InitError,
    LimitExceeded,
)
from emuplugin.network import Network
from emuplugin.sandbox import Sandbox
from emuplugin.values.to_python import to_python

from .events import Event
from .recorder import Recorder
from .trace import Trace
from .what import DEFAULT, What

if TYPE_CHECKING:
    from emuplugin.machine import Machine

#: Events that are kept, unless another number is given.
LIMIT = 1_000_000
_WHAT = frozenset(field.name for field in fields(What))

# What a plugin can do in its run; all else is raised.
_OF_THE_PLUGIN = (InitError, GoError, GoPanic, Goexit, GoExit, GoFatal, LimitExceeded)

OnEvent = Callable[[Event], None] | None


@dataclass(frozen=True)
class Settings:
    """What is observed, and where it goes: see :meth:`emuplugin.Machine.trace`."""

    what: What
    limit: int = LIMIT
    on_event: OnEvent = None
    file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.limit < 1 or isinstance(self.limit, bool):
            raise ValueError(f"limit={self.limit!r}: must be a number of events")
        if self.file is not None:
            from .formats import format_of

            format_of(self.file)  # says so now if there is no such format


def settings(given: dict[str, Any]) -> Settings:
    """Keyword arguments as settings. TypeError for one that there is not."""
    rest = {key: value for key, value in given.items() if key not in _WHAT}
    unknown = sorted(rest.keys() - {"limit", "on_event", "file"})
    if unknown:
        known = ", ".join([*(field.name for field in fields(What)), "limit", "on_event", "file"])
        raise TypeError(f"no observer named {unknown[0]!r}; there are {known}")
    what = What(**{key: value for key, value in given.items() if key in _WHAT})
    return Settings(DEFAULT if what.nothing else what, **rest)


class Run(ABC):
    """One run and how it is observed. Any number of others can follow it with :meth:`again`."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen
        self._recorder: Recorder | None = None
        self._started = False

    def start(self, trace: Trace) -> None:
        """Begin to observe."""
        if self._started:
            raise BusyError("a trace can be started once; make another one")
        self._recorder = self._record(trace)
        self._started = True

    def stop(self) -> None:
        """Observe no longer, and write the file that was asked for."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        machine = self.machine
        with machine._lock:
            if machine.life.busy and machine.life.recorder is recorder:
                self._recorder = recorder
                raise BusyError("a trace cannot end inside a call into its machine")
            recorder.stop()
        file = self.settings.file
        if file is not None and recorder.sink is None:
            recorder.trace.save(file)

    @property
    @abstractmethod
    def machine(self) -> Machine:
        """Where it takes place."""

    @abstractmethod
    def again(self, what: dict[str, Any]) -> Trace:
        """Repeat it and observe ``what``."""

    def _record(self, trace: Trace) -> Recorder:
        chosen, machine = self.settings, self.machine
        with machine._lock:
            life = machine.life
            life.check_alive()
            if life.busy:
                raise BusyError("a trace cannot begin inside a call into its machine")
            if life.recorder is not None:
                raise BusyError("the machine is traced already: one trace at a time")
            sink = None
            if chosen.file is not None:
                from .formats import format_of

                if format_of(chosen.file) == "jsonl":
                    from .formats.json_lines import JsonLinesWriter

                    sink = JsonLinesWriter(chosen.file)
            recorder = Recorder(trace, chosen.what, chosen.limit, chosen.on_event, sink)
            try:
                recorder.start(life)
            except BaseException:
                recorder.stop()
                raise
        return recorder


class MachineRun(Run):
    """What happens in a machine between start and stop."""

    def __init__(self, machine: Machine, chosen: Settings) -> None:
        super().__init__(chosen)
        self._machine = machine

    @property
    def machine(self) -> Machine:
        return self._machine

    def again(self, what: dict[str, Any]) -> Trace:
        raise ConfigurationError(
            "only emuplugin can repeat what it has called itself: use "
            "emuplugin.trace(path, name, *arguments, ...), whose trace has a rerun()"
        )


class CallRun(Run):
    """A plugin is opened and one of its functions is called: see :func:`emuplugin.trace`."""

    def __init__(
        self,
        path: str,
        name: str | None,
        arguments: tuple[Any, ...],
        sandbox: Sandbox,
        chosen: Settings,
    ) -> None:
        super().__init__(chosen)
        from emuplugin.machine import Machine

        self._path, self._name, self._arguments = path, name, arguments
        self._sandbox = sandbox
        self._machine = Machine(sandbox)

    @property
    def machine(self) -> Machine:
        return self._machine

    def take(self) -> Trace:
        """Do it."""
        trace = Trace(self.settings.what.as_dict(), self)
        result: Any = None
        with self._machine as machine:
            with trace:
                try:
                    plugin = machine.open(self._path)
                    if self._name is not None:
                        result = plugin.lookup(self._name)(*self._arguments)
                except _OF_THE_PLUGIN as error:
                    trace.error = error
            if trace.error is None:
                # Copying may call the runtime, which is none of the run's.
                trace.result = to_python(result)
        return trace

    def again(self, what: dict[str, Any]) -> Trace:
        sandbox = self._sandbox
        reason = why_not_again(sandbox)
        if reason:
            raise ConfigurationError(f"this run does not repeat: {reason}")
        nothing = cast(IO[bytes], io.BytesIO())
        quiet = replace(sandbox, stdout=nothing, stderr=cast(IO[bytes], io.BytesIO()))
        run = CallRun(self._path, self._name, self._arguments, quiet, settings(what))
        return run.take()


def why_not_again(sandbox: Sandbox) -> str:
    """What keeps runs in a sandbox from being repeated, "" if nothing does."""
    if sandbox.clock != "virtual":
        return "its clock is the host's; use Sandbox(clock='virtual')"
    if sandbox.seed is None:
        return "its randomness is the host's; use Sandbox(seed=...) with a number"
    if sandbox.stdin is not None:
        return "its standard input has been read; give the text in Sandbox(files=...)"
    if any(mount.mode == "write" for mount in sandbox.mounts.values()):
        return "it may have changed files of the host; mount them with mode='overlay'"
    if sandbox.network != Network():
        return "it may have talked to others over the network"
    return ""


def trace(
    path: str | os.PathLike[str],
    name: str | None = None,
    *arguments: Any,
    sandbox: Sandbox | None = None,
    **what: Any,
) -> Trace:
    """Open a plugin, call its function ``name`` with ``arguments``, and tell what happened: from
    the first system call of the runtime's start on. Without a name it is only opened.

    ``what`` says what is observed, as for :meth:`Machine.trace`; without any of it: system calls,
    calls of functions of the plugin's own packages, goroutines, panics, output. An error of the
    plugin's (a panic, an error result) is not raised, but in the trace's ``error``. Raises
    OpenError and its kinds, SymbolNotFoundError, and what converting arguments raises.
    """
    run = CallRun(os.fspath(path), name, arguments, sandbox or Sandbox(), settings(what))
    return run.take()
