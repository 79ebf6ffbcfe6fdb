"""A Go program without a main: a process, the plugins in it as modules, and the runtime they share.

:class:`Program` maps and boots the first plugin, adds further ones, runs their inits, and calls
into them. What can end a call comes back as values or as the kernel's exceptions; making them
Python's is the machine's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from struct import pack
from time import perf_counter
from typing import Self

from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.file import ElfFile
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.elf.pclntab import PclnTable
from emuplugin.errors import UnsupportedGoVersionError

from .boot import Boot, BootStep, add_module, boot, chain, module_itabs
from .callbacks import CallbackFrame, Callbacks
from .caller import Caller, Goexit, Panic, PanicValue
from .cgo import CThreads, has_c_code, tell_c_that_go_runs
from .endings import Endings
from .goroutine_limit import GoroutineLimit
from .goruntime import CallResult, GoRuntime
from .image import Image, map_image
from .inits import AllocationCounter, InitTrace, init_tasks
from .interruption import Interruption
from .joining import initialise_newcomers, unify_types
from .layouts import Layout, find_layout
from .libc.library import CLibrary
from .loops import Loops
from .monitor import Monitor
from .patches import KnownTraps
from .preemption import Preemption
from .process import Process
from .roots import Root, Roots
from .runtime_packages import is_of_runtime
from .signalling import Signalling
from .stubs import LOOPS_BASE, STUBS_BASE
from .type_area import TypeArea
from .witness import Witness

Outcome = CallResult | Panic | Goexit


@dataclass(eq=False)
class Module:
    """One plugin as a module of the program."""

    image: Image
    moduledata: int
    runtime: GoRuntime = field(repr=False)
    #: Tells what its inits took, where others saw it.
    told: Callable[[], list[InitTrace]] = field(default=list, repr=False)

    @cached_property
    def init_trace(self) -> list[InitTrace]:
        """What its inits took."""
        return self.told()

    def get(self, path: str) -> int:
        """A field of its ``moduledata``."""
        return self.runtime.get_at(self.moduledata, "runtime.moduledata", path)

    @cached_property
    def plugin_path(self) -> str:
        """``moduledata.pluginpath``."""
        data = self.runtime.memory.read(self.get("pluginpath.str"), self.get("pluginpath.len"))
        return data.decode(errors="surrogateescape")

    @cached_property
    def pclntab(self) -> PclnTable:
        """The function table, in guest addresses."""
        image = self.image
        start = self.get("pcHeader") - image.base
        gofunc = self.get("gofunc") - image.base
        return PclnTable(
            image.file.read_from(start), self.get("text"), image.file.read_from(gofunc)
        )

    def type_descriptors(self) -> Iterator[int]:
        """The addresses of all type descriptors that have a symbol."""
        low, high = self.get("types"), self.get("etypes")
        for symbol in self.image.file.symbols:
            name = symbol.name
            # "type:." are names, equality functions and the like; "type:*" marks the start.
            if not symbol.defined or not name.startswith("type:") or name[5:6] in (".", "*"):
                continue
            address = self.image.base + symbol.value
            if low <= address < high:
                yield address

    @cached_property
    def package_hashes(self) -> tuple[tuple[str, bytes, bytes], ...]:
        """``pkghashes``: package, hash at link time, hash in the running program."""
        memory = self.runtime.memory
        at, found = self.get("pkghashes.array"), []
        for index in range(self.get("pkghashes.len")):
            words = [memory.read_u64(at + 40 * index + 8 * word) for word in range(5)]
            package = memory.read(words[0], words[1]).decode()
            text = memory.read(words[2], words[3])
            running = memory.read(memory.read_u64(words[4]), memory.read_u64(words[4] + 8))
            found.append((package, text, running))
        return tuple(found)


class Program:
    """See the module. ``modules`` are in the order of loading; the first brought the runtime."""

    runtime: GoRuntime
    boot: Boot
    #: Tells the steps of the boot, where others saw it.
    told: Callable[[], list[BootStep]] = list
    c_threads: CThreads | None

    def __init__(self, process: Process, file: ElfFile, witness: Witness | None = None) -> None:
        """Map into an empty process and boot; ``witness`` is told how. Raises OpenError and what
        the guest runs into. Closes the process then; else it is the program's."""
        self.process = process
        try:
            self._start(file, witness)
        except BaseException:
            process.close()
            raise

    def _start(self, file: ElfFile, witness: Witness | None) -> None:
        info = file.build_info
        if info is None:
            raise UnsupportedGoVersionError("the plugin has no Go build info")
        self.build_info = info
        #: The runtime starts to report something fatal: True for a panic in the plugin's goroutine.
        self.on_fatal: Callable[[bool], None] = _ignore
        #: Go calls a func value of :meth:`func_value`.
        self.on_callback: Callable[[CallbackFrame], PanicValue | None] = _no_callback
        process, start = self.process, perf_counter()
        layout = find_layout(info.go_version, file)
        moduledata = find_moduledata(file)
        self.library = CLibrary(process)
        image = map_image(process, file, self.library.resolve, first=True)
        self.timings: dict[str, float] = {"map and relocate": perf_counter() - start}
        if witness is not None:
            witness.mapped(process, image)
        self._assemble(image, moduledata, layout, None)
        self.runtime.place_stubs()
        start = perf_counter()
        if has_c_code(file):
            self.c_threads = CThreads(self.runtime, self.library)
            self.boot.thread_start = self.c_threads.start
        self.runtime.witness = witness
        self.boot_steps = boot(self.boot)
        self.runtime.witness = None
        if self.boot.thread_start:
            tell_c_that_go_runs(self.runtime, self.call_runtime)
        self.timings["boot the runtime"] = perf_counter() - start
        self.roots = Roots(self.runtime, self.boot.store)

    def _assemble(
        self, image: Image, moduledata: int, layout: Layout, traps: KnownTraps | None
    ) -> None:
        """Everything on the host's side, around an image that is mapped; ``traps`` are those that
        memory holds already."""
        kernel = self.process.kernel
        self.c_threads = None
        self.runtime = GoRuntime(self.process, image, layout)
        first = Module(image, image.base + moduledata, self.runtime)
        self.modules = [first]
        self.caller = Caller(self.runtime)
        self.endings = Endings(
            self.caller, self.table_for, lambda panic: self.on_fatal(panic), traps
        )
        self.callbacks = Callbacks(self.caller, lambda frame: self.on_callback(frame))
        self.preemption = Preemption(self.runtime)
        self.interruption = Interruption(self.caller)
        kernel.on_tick = self._tick
        self.signalling = Signalling(self.runtime)
        kernel.awaits_signals = self.signalling.awaited
        kernel.on_sleep = self.interruption.sleeping
        kernel.on_wake = self._wake
        self._goroutines = GoroutineLimit(self.runtime, kernel.sandbox.limits.goroutines)
        kernel.on_growth = self._goroutines.check
        self.boot = Boot(self.runtime, first.moduledata)

    @classmethod
    def assembled(
        cls,
        process: Process,
        info: BuildInfo,
        image: Image,
        moduledata: int,
        names: Sequence[str],
        traps: KnownTraps,
        layout: Layout,
        *,
        c_code: bool,
    ) -> Self:
        """A program in an empty process whose memory is still to come: what the constructor makes,
        without what it does in the guest. ``names`` are those of the C library that the image is
        bound to."""
        program = cls.__new__(cls)
        program.build_info = info
        program.on_fatal, program.on_callback = _ignore, _no_callback
        program.process = process
        program.timings = {}
        program.library = CLibrary(process, names)
        program._assemble(image, moduledata, layout, traps)
        program.boot.monitor = Monitor(program.runtime, there=True)
        if c_code:
            program.c_threads = CThreads(program.runtime, program.library, there=True)
            program.boot.thread_start = program.c_threads.start
        program.roots = Roots(program.runtime, program.boot.store, there=True)
        return program

    @cached_property
    def boot_steps(self) -> list[BootStep]:
        """How the runtime was booted."""
        return self.told()

    def add(self, file: ElfFile) -> Module:
        """Map another plugin into the program. Its inits have not run then."""

        def resolve(name: str) -> int | None:
            # What comes with the file binds to it, all else to the host's C library.
            address = self._defined(name)
            if address is None and file.symbols.find(name) is None:
                address = self.library.resolve(name)
            return address

        image = map_image(self.process, file, resolve, first=False)
        return Module(image, image.base + find_moduledata(file), self.runtime)

    def remove(self, module: Module) -> None:
        """Unmap a plugin that was added and not linked."""
        self.process.space.unmap(module.image.base, module.image.size)

    def link(self, module: Module) -> None:
        """Make an added module part of the program, as ``plugin_lastmoduleinit`` does."""
        runtime, before = self.runtime, list(self.runtime.images)
        add_module(runtime, module.moduledata, self.boot.store)
        unify_types(runtime, module.moduledata, module.image, before)
        initialise_newcomers(self.boot, module.image, before)
        self.endings.watch(module.image.symbol)
        runtime.images.append(module.image)
        self.modules.append(module)
        chain(runtime, module.moduledata)
        listed = [m.moduledata for m in self.modules] + [runtime.stubs.moduledata]
        elements = self.boot.store(b"".join(pack("<Q", address) for address in listed))
        header = self.boot.store(pack("<QQQ", elements, len(listed), len(listed)))
        runtime.set("runtime.modulesSlice", header)
        for itab in module_itabs(runtime, module.moduledata):
            self.call_runtime("runtime.itabAdd", itab)

    def _tick(self) -> None:
        self._goroutines.check()
        self.preemption.tick()

    def _wake(self) -> None:
        if self.interruption.tick():
            self.preemption.tick()

    @cached_property
    def loops(self) -> Loops:
        """Code that calls functions many times."""
        morestack = self.runtime.function("runtime.morestack_noctxt.abi0")
        return Loops(self.process, LOOPS_BASE, morestack)

    @cached_property
    def type_area(self) -> TypeArea:
        """Where types made at run time lie."""
        return TypeArea(self.runtime)

    def table_for(self, pc: int) -> PclnTable | None:
        """The function table of the module that ``pc`` lies in."""
        for module in self.modules:
            if module.image.holds(pc):
                return module.pclntab
        if STUBS_BASE <= pc < self.runtime.stubs.end:
            return self._stub_table
        return None

    @cached_property
    def _stub_table(self) -> PclnTable:
        return PclnTable(self.runtime.stubs.pclntab, STUBS_BASE)

    def symbol(self, name: str) -> int | None:
        """The address of a symbol in whichever module defines it first, ours last."""
        address = self._defined(name)
        return self.runtime.stubs.symbols.get(name) if address is None else address

    def run_inits(self, module: Module) -> Panic | Goexit | None:
        """Run a module's pending init functions, up to the first that does not return: then this is
        how it ended."""
        counter = AllocationCounter(self.runtime, self.caller.g)
        ended: Panic | Goexit | None = None

        def call(entry: int) -> bool:
            nonlocal ended
            outcome = self.call(entry)
            if not isinstance(outcome, CallResult):
                ended = outcome
            return ended is None

        try:
            tasks = [
                (*task.names(module.pclntab), task)
                for task in init_tasks(self.runtime, module.moduledata)
            ]
            tasks.sort(key=lambda entry: not is_of_runtime(entry[0]))
            for package, names, task in tasks:
                before, start = counter.read(), perf_counter()
                began = self.process.kernel.instructions
                if not task.run(self.runtime.memory, call):
                    break
                seconds, after = perf_counter() - start, counter.read()
                module.init_trace.append(
                    InitTrace(
                        package,
                        names,
                        seconds,
                        after[0] - before[0],
                        after[1] - before[1],
                        self.process.kernel.instructions - began,
                    )
                )
        finally:
            counter.stop()
        return ended

    def call(
        self,
        entry: int,
        context: int = 0,
        ints: Sequence[int] = (),
        floats: Sequence[int] = (),
        stack: bytes | bytearray = b"",
        stack_size: int = 0,
    ) -> Outcome:
        """Call Go code on the caller goroutine; see :meth:`Caller.call`."""
        return self.caller.call(entry, context, ints, floats, stack, stack_size)

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int | Panic | Goexit:
        """Call Go code with integers in registers; see :meth:`Caller.call_words`."""
        return self.caller.call_words(entry, closure, words)

    def call_runtime(self, name: str, *ints: int) -> int | Panic | Goexit:
        """Call one of the runtime's functions on the caller goroutine."""
        return self.caller.call_words(self.runtime.function(name), 0, ints)

    def hold(self, address: int) -> Root:
        """Root a heap object."""
        return self.roots.hold(address, self._store_pointer)

    def _store_pointer(self, name: str, *ints: int) -> None:
        # In a callback the arguments of Go's call may have no other root than this one will be:
        # nothing else may run before it is in place.
        if not self.callbacks.call_here(self.runtime.function(name), *ints):
            self.call_runtime(name, *ints)

    def close(self) -> None:
        """Free everything."""
        self.process.close()

    def _defined(self, name: str) -> int | None:
        for module in self.modules:
            address = module.image.symbol(name)
            if address is not None:
                return address
        return None


def _ignore(panic: bool) -> None:
    """Nobody listens yet."""


def _no_callback(frame: CallbackFrame) -> PanicValue | None:
    raise AssertionError(f"a callback {frame.value:#x} that nobody made")


__all__ = ["Module", "Outcome", "Program"]
