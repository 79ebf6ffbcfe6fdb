"""A machine: one emulated process with a Go runtime, and the plugins in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack, cast

from .cache.opening import Kept
from .errors import BusyError, ClosedError, OpenError, SnapshotError, StaleError
from .guest_files import GuestFiles
from .isolation.info import Isolation
from .life import Life
from .opening import open_in, reopen
from .plugin import Plugin
from .runtime_shims.kernel.linux import NSIG
from .runtime_shims.kernel.signals import NUMBERS
from .sandbox import Sandbox
from .snapshots.snapshot import Snapshot

if TYPE_CHECKING:
    from .cpu.memory import Memory
    from .report import Report
    from .runtime_shims.kernel.kernel import Kernel
    from .runtime_shims.kernel.net.datagram_routes import Listening
    from .runtime_shims.process import Process
    from .runtime_shims.program import Program
    from .tracing.trace import Trace
    from .tracing.what import Observed
    from .values import Context

#: Where else than in this process a machine can run.
Isolate = Literal["process"]


class Machine:
    """One emulated process. The first plugin opened in it brings the Go runtime; further ones share
    it, as in a Go program that calls ``plugin.Open`` several times.

    A machine can be used from several Python threads; calls into it happen one after the other.
    Use it as a context manager, or :meth:`close` it, to free its memory at once.

    ``isolate="process"`` runs it in a worker process that the operating system confines; see
    :attr:`isolation` and docs/security.md. With ``cache=False`` it neither opens plugins from the
    cache on disk nor puts any there; see docs/snapshots.md.
    """

    def __new__(
        cls,
        sandbox: Sandbox | None = None,
        *,
        isolate: Isolate | None = None,
        cache: bool = True,
    ) -> Self:
        if isolate is None or cls is not Machine:
            return super().__new__(cls)
        if isolate != "process":
            raise ValueError(f"Machine(isolate={isolate!r}): must be 'process' or None")
        from .isolation.machine import IsolatedMachine

        return cast(Self, super().__new__(IsolatedMachine))

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        *,
        isolate: Isolate | None = None,
        cache: bool = True,
    ) -> None:
        self.sandbox = sandbox or Sandbox()
        self._cache = cache
        # What the first plugin was opened from, if that was the cache.
        self._kept: Kept | None = None
        self._lock = threading.RLock()
        self._plugins: dict[str, Plugin] = {}
        self._failures: dict[str, OpenError] = {}
        self.life = Life(self.sandbox, self._lock)
        # What it was when its plugins had been opened for the second time.
        self._base: Snapshot | None = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        paths = ", ".join(plugin.path for plugin in self._plugins.values())
        return f"<Machine: {self.state}{'; ' + paths if paths else ''}>"

    @property
    def state(self) -> str:
        """``empty``, ``running``, ``dead`` or ``closed``."""
        return self.life.state

    @property
    def isolation(self) -> Isolation:
        """What keeps the machine apart from this process, beside the emulation itself."""
        return Isolation()

    @property
    def report(self) -> Report:
        """What the machine has done since it began, or since its reset: a snapshot. It can be had
        of dead and closed machines too."""
        return self.life.report

    @property
    def instructions(self) -> int:
        """How many instructions the guest has executed since the machine began."""
        return self.life.instructions

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins opened in this machine, in order."""
        return tuple(self._plugins.values())

    @property
    def files(self) -> GuestFiles:
        """The files that the plugins see, from when the first of them was opened (for those that
        must be there before see ``Sandbox.files``): ``machine.files["/tmp/out"].read_bytes()``.

        A machine that is dead still has them, until it is closed.
        """
        return GuestFiles(self._lock, self._kernel)

    @property
    def listening(self) -> tuple[Listening, ...]:
        """The listeners of the plugins that ``Network(listen=...)`` has let through to the host,
        with the address that each got there. It can be asked for during a call."""
        program = self.life.booted
        return () if program is None else tuple(program.process.kernel.network.listening)

    def _kernel(self) -> Kernel:
        program = self.life.booted
        if program is None:
            if self.life.state == "closed":
                raise ClosedError("the machine was closed, and its files are gone")
            raise ClosedError("nothing was opened in this machine yet, so it has no files")
        return program.process.kernel

    def open(self, path: str | os.PathLike[str]) -> Plugin:
        """Open a Go plugin, as ``plugin.Open``: map it, boot the runtime if it is the first, run
        its init functions. Opening the same file again returns the same plugin.

        Raises OpenError and its kinds for files that cannot be opened, InitError (with the cause)
        when an init function fails; a failure is remembered and raised again.
        """
        with self._lock:
            self.life.check_alive()
            return open_in(self, os.fspath(path))

    def reset(self) -> None:
        """Make the machine as new: memory, files, clock, seed and limits start again, and the same
        plugins are opened in it, from what was read of their files. It need not be dead.

        The plugins stay the same objects. Variables, functions and values of before are of no
        more use: they raise StaleError. What went to standard output and what was read from
        standard input stays written and read. If an init function fails now, InitError is raised
        and the machine is dead. Raises BusyError from inside a call.
        """
        with self._lock:
            self._check_between_calls("reset")
            base, self._base = self._base, None
            if base is not None and base.is_of(self.life) and base.plugins == self.plugins:
                self._restore_for_all(base, StaleError)
                self._base = base
                self._print_again()
                return
            self.life.end(StaleError)
            self.life = Life(self.sandbox, self._lock)
            self._failures.clear()
            try:
                for plugin in self._plugins.values():
                    reopen(self, plugin)
            except BaseException as error:
                # Also where the runtime lives: some of the plugins are not in it.
                self.life.death = error
                raise
            printed = self.life.program.process.kernel.standard.printed if self._plugins else None
            if self.sandbox.repeats and printed is not None and printed.complete:
                with suppress(SnapshotError):  # then the next reset begins from the files, too
                    self._base = Snapshot(self, self.life)

    def snapshot(self) -> Snapshot:
        """The state of the machine now, to :meth:`restore`, or to make other machines of:
        ``snapshot.clone()``.

        Raises SnapshotError if something outside is part of the state (a connection to the host, an
        open file of a mount), BusyError from inside a call, DeadMachineError, and ClosedError of a
        machine that is empty or closed.
        """
        with self._lock:
            self.life.check_alive()
            self._check_between_calls("taken a snapshot of")
            return Snapshot(self, self.life)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this machine: memory, threads, files, clock, randomness and
        limits are what they were then. It may be dead.

        Variables, functions and values of before the snapshot go on working; later values raise
        StaleError. What went out stays out: output, changes of mounted folders, what was sent.
        Raises SnapshotError for a snapshot of another machine, or of before a reset that began
        from the files; BusyError from inside a call.
        """
        with self._lock:
            self._check_between_calls("restored")
            if not isinstance(snapshot, Snapshot) or not snapshot.is_of(self.life):
                raise SnapshotError(
                    "the snapshot is of another machine, or of before this one was reset;"
                    " snapshot.clone() makes a machine of it"
                )
            if snapshot.is_of_life(self.life):
                self._restore(snapshot)
            else:
                self._restore_for_all(snapshot, lambda: StaleError(restored=True))

    def clone(self) -> Machine:
        """Another machine in the state of this one, with memory, files and a clock of its own:
        ``machine.snapshot().clone()``, which see."""
        return self.snapshot().clone()

    def _check_between_calls(self, done: str) -> None:
        if self.life.state == "closed":
            self.life.check_alive()
        if self.life.busy:
            raise BusyError(f"a machine cannot be {done} from inside a call into it")

    def _restore(self, snapshot: Snapshot) -> None:
        """Bring the life and the plugins back."""
        for plugin in self.plugins:
            if plugin not in snapshot.plugins:
                plugin.expire()
        try:
            snapshot.restore_life(self.life)
        except BaseException as error:
            self.life.death = error  # it is neither here nor there
            raise
        self._plugins = {plugin.path: plugin for plugin in snapshot.plugins}
        self._failures = dict(snapshot.failures)

    def _restore_for_all(self, snapshot: Snapshot, over: Callable[[], StaleError]) -> None:
        """The same, and everything that was had of the machine before is gone."""
        program = self.life.leave(over)
        assert program is not None
        self.life = Life(self.sandbox, self._lock)
        self.life.adopt(program)
        self._restore(snapshot)
        for plugin in self.plugins:
            plugin.begin_anew()

    def move_in(self, program: Program, snapshot: Snapshot) -> None:
        """Begin with a copy of the program of ``snapshot``."""
        self.life.adopt(program)
        self.life.host_seconds = snapshot.host_seconds
        for old, module in zip(snapshot.plugins, program.modules, strict=True):
            plugin = Plugin(self, module, old.path, old.table)
            plugin.timings = dict(old.timings)
            self._plugins[old.path] = plugin
        self._failures = dict(snapshot.failures)

    def close(self) -> None:
        """Free everything. Plugins, symbols and values of this machine say so when used."""
        with self._lock:
            if self.life.state != "closed":
                self.life.end(lambda: ClosedError("the plugin's machine was closed"))

    def interrupt(self) -> None:
        """End the call that runs in another thread: it raises Interrupted there.

        The function that it called panics at the place where it is and its deferred calls run, so
        that the plugin can be used further. If it waits, or gets nowhere within a tenth of a
        second, the machine is dead. The same happens on Ctrl-C, with KeyboardInterrupt.
        """
        self.life.interrupt()

    def send_signal(self, signal: str | int) -> None:
        """Send the plugin's process a signal from outside: ``"SIGINT"``, or a Linux number.

        Any Python thread may call it. A running call takes it at once, also if it waits; between
        calls its handler runs now, and goroutines that were waiting for it (``os/signal.Notify``)
        go on in the next call or :meth:`run_goroutines`. A signal that ends the process leaves the
        machine dead: the running call, or the next use, raises that.
        """
        self.life.send_signal(signal_number(signal))

    def run_goroutines(self, seconds: float | None = None) -> None:
        """Let the plugin's goroutines run, which otherwise they do during calls only.

        With ``seconds`` for that long by the machine's clock: timers that end until then go off.
        Otherwise until all of them wait for something, and no time passes.
        """
        with self._lock:
            scheduling = self.context.scheduling
            if seconds is not None:
                scheduling.wait(lambda: False, seconds)
                return
            while scheduling.run_others():
                pass

    def trace(self, **what: Unpack[Observed]) -> Trace:
        """Observe what happens in the machine, while the trace is used in a ``with`` block:
        ``with machine.trace(calls="main.*") as t: ...``. It may begin before a plugin is opened.

        ``syscalls``, ``goroutines``, ``allocations``, ``gc``, ``panics``, ``inits``, ``output``:
        True. ``calls`` and ``blocks``: True for the functions of the plugin's own packages, or
        patterns such as ``"main.*"``. ``instructions``: patterns of functions. ``watch``: names of
        variables. ``profile``: a stack for each so many instructions. Without any of these:
        ``syscalls``, ``calls``, ``goroutines``, ``panics``, ``output``.

        ``limit``: how many events are kept. ``on_event`` is called with each, while the guest
        stands still, and must leave the machine alone. ``file``: where to save the trace;
        docs/trace.md has the formats. Nothing is slower when no trace is taken, and of a filter's
        functions only these are.
        """
        from .tracing.runs import MachineRun, settings
        from .tracing.trace import Trace

        chosen = settings(dict(what))
        return Trace(chosen.what.as_dict(), MachineRun(self, chosen))

    # --- inside -----------------------------------------------------------------------------

    @property
    def program(self) -> Program:
        """The running program; raises when the machine is dead, closed or empty."""
        return self.life.program

    @property
    def context(self) -> Context:
        """What all values of this machine share."""
        return self.life.context

    @property
    def memory(self) -> Memory:
        """Guest memory."""
        return self.life.memory

    def symbol(self, name: str) -> int | None:
        """The guest address of a linker symbol."""
        return self.life.symbol(name)

    @property
    def uses_cache(self) -> bool:
        """Whether the plugin that is opened next may come from the cache, and go there: the first
        one, if nobody wants to see how it starts."""
        life = self.life
        return (
            self._cache
            and life.state == "empty"
            and life.witness is None
            and life.recorder is None
            and self.sandbox.repeats
        )

    def resume(self, kept: Kept, process: Process) -> bool:
        """Go on in an empty process where a machine of the cache has opened its plugin. What the
        inits had printed is printed again. False if that cannot be; the process is closed then."""
        start = perf_counter()
        self._kept = kept
        program = kept.program(process)
        if program is None:
            return False
        self.life.adopt(program)
        self.life.host_seconds += perf_counter() - start
        self._print_again()
        return True

    def resume_again(self) -> bool:
        """Go on there once more."""
        process = None if self._kept is None else self.life.first_process()
        return self._kept is not None and process is not None and self.resume(self._kept, process)

    def _print_again(self) -> None:
        """What the inits had printed belongs to each time that they seem to run."""
        kernel = self.life.program.process.kernel
        self.life.guarded(lambda: kernel.standard.print_again(kernel))

    def opened(self, path: str) -> Plugin | None:
        """The plugin opened from a real path."""
        return self._plugins.get(path)

    def failure(self, path: str) -> OpenError | None:
        """What went wrong when a real path was opened, if that is remembered."""
        return self._failures.get(path)

    @property
    def failures(self) -> dict[str, OpenError]:
        """What is remembered of files that could not be opened, by real path."""
        return dict(self._failures)

    def remember(self, path: str, plugin: Plugin) -> None:
        self._plugins[path] = plugin

    def remember_failure(self, path: str, failure: OpenError) -> None:
        self._failures[path] = failure


def signal_number(signal: str | int) -> int:
    """The number of a signal of Linux by its name. ValueError where there is none."""
    number = NUMBERS.get(signal, 0) if isinstance(signal, str) else signal
    if not 1 <= number <= NSIG:
        names = ", ".join(NUMBERS)
        raise ValueError(f"{signal!r} is no signal of Linux: 1 to {NSIG}, {names}")
    return number
