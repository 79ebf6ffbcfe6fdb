"""Recording: the observers of one trace, put into a machine and taken out again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from emuplugin.cpu.hooks import Hooks
from emuplugin.inspection.packages import OWN, Origins, goroot_of

from .events import Event
from .guest import TracedGuest
from .observer import Observer
from .stacks import Stacks
from .trace import Trace
from .what import What, patterns

if TYPE_CHECKING:
    from emuplugin.life import Life
    from emuplugin.runtime_shims.boot import BootStep
    from emuplugin.runtime_shims.image import Image
    from emuplugin.runtime_shims.process import Process
    from emuplugin.runtime_shims.witness import Witness

    from .formats.json_lines import JsonLinesWriter


class Recorder:
    """The observers of ``what``, and where their events go: into ``trace``, up to ``limit``, to
    ``on_event``, and to ``sink`` as they come.

    It belongs to one life of a machine. Where that has begun already it sees what comes from now
    on; else everything from the first system call of the boot.
    """

    def __init__(
        self,
        trace: Trace,
        what: What,
        limit: int,
        on_event: Callable[[Event], None] | None = None,
        sink: JsonLinesWriter | None = None,
    ) -> None:
        self.trace, self.what = trace, what
        self._limit = limit
        self._on_event, self.sink = on_event, sink
        self._observers: list[Observer] = []
        self._hooks: Hooks | None = None
        self._guest: TracedGuest | None = None
        self._life: Life | None = None
        self._origins: Origins | None = None
        self._began = 0
        self._virtual = True

    # --- what observers use -----------------------------------------------------------------

    @property
    def guest(self) -> TracedGuest:
        """What is traced; only once there is something."""
        assert self._guest is not None
        return self._guest

    def emit(self, event: Event) -> None:
        """One more event."""
        trace = self.trace
        if len(trace.events) >= self._limit:
            trace.dropped += 1
            return
        trace.events.append(event)
        if self.sink is not None:
            self.sink(event)
        if self._on_event is not None:
            try:
                self._on_event(event)
            except BaseException as error:
                self.guest.kernel.standard.error = error  # Python's, to be raised as it is
                raise

    def time(self, executed: int) -> int:
        """Nanoseconds since the trace began, when so many instructions had been executed."""
        kernel = self.guest.kernel
        now = kernel.clock.now
        if self._virtual:
            now -= kernel.instructions - executed
        return now - self._began

    @property
    def thread(self) -> int:
        """The running thread."""
        return self.guest.kernel.threads.current.tid

    def is_own(self, package: str) -> bool:
        """Whether a package is of the plugin's own module."""
        if package == "main":
            return True
        return self._origins is not None and self._origins.origin(package) == OWN

    # --- the life that is traced ------------------------------------------------------------

    def start(self, life: Life) -> None:
        """Begin; the machine's lock is held and nothing runs."""
        self._life = life
        life.recorder = self
        program = life.booted
        if program is not None:
            images = [module.image for module in program.modules]
            self.mapped(program.process, images[0])
            for image in images[1:]:
                self.linked(image)

    def beside(self, witness: Witness | None) -> Witness:
        """Who is to be told how the program starts: this recorder, and ``witness`` as before."""
        return _Start(self, witness)

    def mapped(self, process: Process, image: Image) -> None:
        """The first file lies in memory."""
        guest = self._guest = TracedGuest(process, image)
        self._hooks = Hooks(process.engine)
        self.stacks = Stacks(guest)
        kernel, trace = process.kernel, self.trace
        self._virtual = kernel.clock.virtual
        self._began = kernel.clock.now
        trace.began = trace.ended = kernel.instructions
        trace.go_version = guest.go_version
        info = image.file.build_info
        goroot = goroot_of(
            function.start_file
            for function in guest.modules[0].table
            if function.name.startswith("runtime.")
        )
        self._origins = Origins(info, guest.modules[0].plugin_path, goroot)
        self._observers = observers(self, guest)
        self._note_files()
        self._install()

    def linked(self, image: Image) -> None:
        """One more file lies in memory, and its init functions have not run."""
        if self._hooks is None:
            return
        self._hooks.detach()
        self.guest.add(image)
        self.stacks = Stacks(self.guest)
        self._note_files()
        self._install()

    def stop(self) -> None:
        """The trace is over: because that was asked for, or because its machine's life is."""
        life, self._life = self._life, None
        if life is None:
            return
        life.recorder = None
        if self._hooks is not None and not self.guest.engine.closed:
            trace, kernel = self.trace, self.guest.kernel
            trace.ended = kernel.instructions
            trace.duration = kernel.clock.now - self._began
            for observer in self._observers:
                observer.finish()
            self._hooks.detach()
        if self.sink is not None:
            self.sink.finish(self.trace)
            self.sink.close()

    def _install(self) -> None:
        assert self._hooks is not None
        for observer in self._observers:
            observer.stacks = self.stacks
            observer.install(self._hooks)
        self._hooks.attach()

    def _note_files(self) -> None:
        guest = self.guest
        self.trace.functions = guest.functions
        self.trace.plugins = tuple(module.image.file.path for module in guest.modules)


class _Start:
    """Tells a recorder when there is something to record, and another witness everything."""

    def __init__(self, recorder: Recorder, other: Witness | None) -> None:
        self._recorder, self._other = recorder, other

    def mapped(self, process: Process, image: Image) -> None:
        self._recorder.mapped(process, image)
        if self._other is not None:
            self._other.mapped(process, image)

    def wrote(self, name: str, address: int, size: int, value: int) -> None:
        if self._other is not None:
            self._other.wrote(name, address, size, value)

    def called(self, name: str, arguments: Sequence[int], result: int) -> None:
        if self._other is not None:
            self._other.called(name, arguments, result)

    def stepped(self, step: BootStep) -> None:
        if self._other is not None:
            self._other.stepped(step)


def observers(recorder: Recorder, guest: TracedGuest) -> list[Observer]:
    """Those that are wanted. A module of one that is not is not imported."""
    what = recorder.what
    found: list[Observer] = []
    if what.inits:
        from .inits import Inits

        found.append(Inits(recorder, guest))
    if what.calls:
        from .calls import Calls

        found.append(Calls(recorder, guest, what.calls))
    if what.goroutines:
        from .goroutines import Goroutines

        found.append(Goroutines(recorder, guest))
    if what.panics:
        from .panics import Panics

        found.append(Panics(recorder, guest))
    if what.allocations:
        from .allocations import Allocations

        found.append(Allocations(recorder, guest))
    if what.gc:
        from .collections import Collections

        found.append(Collections(recorder, guest))
    if what.syscalls or what.output:
        from .syscalls import SystemCalls

        found.append(SystemCalls(recorder, guest, what.syscalls, what.output))
    if what.instructions:
        from .instructions import Instructions

        found.append(Instructions(recorder, guest, what.instructions))
    if what.watch:
        from .watch import Watch

        found.append(Watch(recorder, guest, patterns(what.watch)))
    if what.blocks:
        from .blocks import Blocks

        found.append(Blocks(recorder, guest, what.blocks))
    if what.profile:
        from .samples import Samples

        found.append(Samples(recorder, guest, what.profile))
    return found
