"""A machine: one emulated process with a Go runtime, and the plugins in it."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, cast

from .errors import BusyError, ClosedError, OpenError, StaleError
from .guest_files import GuestFiles
from .isolation.info import Isolation
from .life import Life
from .runtime_shims.kernel.linux import NSIG
from .runtime_shims.kernel.signals import NUMBERS
from .sandbox import Sandbox

if TYPE_CHECKING:
    from .cpu.memory import Memory
    from .plugin import Plugin
    from .report import Report
    from .runtime_shims.kernel.kernel import Kernel
    from .runtime_shims.kernel.net.datagram_routes import Listening
    from .runtime_shims.program import Program
    from .values import Context

#: Where else than in this process a machine can run.
Isolate = Literal["process"]


class Machine:
    """One emulated process. The first plugin opened in it brings the Go runtime; further ones share
    it, as in a Go program that calls ``plugin.Open`` several times.

    A machine can be used from several Python threads; calls into it happen one after the other.
    Use it as a context manager, or :meth:`close` it, to free its memory at once.

    ``isolate="process"`` runs it in a worker process that the operating system confines; see
    :attr:`isolation` and docs/security.md.
    """

    def __new__(cls, sandbox: Sandbox | None = None, *, isolate: Isolate | None = None) -> Self:
        if isolate is None or cls is not Machine:
            return super().__new__(cls)
        if isolate != "process":
            raise ValueError(f"Machine(isolate={isolate!r}): must be 'process' or None")
        from .isolation.machine import IsolatedMachine

        return cast(Self, super().__new__(IsolatedMachine))

    def __init__(self, sandbox: Sandbox | None = None, *, isolate: Isolate | None = None) -> None:
        self.sandbox = sandbox or Sandbox()
        self._lock = threading.RLock()
        self._plugins: dict[str, Plugin] = {}
        self._failures: dict[str, OpenError] = {}
        self.life = Life(self.sandbox, self._lock)

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
        from .opening import open_in

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
        from .opening import reopen

        with self._lock:
            if self.life.state == "closed":
                self.life.check_alive()
            if self.life.busy:
                raise BusyError("a machine cannot be reset from inside a call into it")
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

    def opened(self, path: str) -> Plugin | None:
        """The plugin opened from a real path."""
        return self._plugins.get(path)

    def failure(self, path: str) -> OpenError | None:
        """What went wrong when a real path was opened, if that is remembered."""
        return self._failures.get(path)

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
