"""The missing half of the runtime's start.

A plugin has its own copy of the Go runtime, but not the functions that only a host program calls:
``rt0_go``, ``schedinit``, ``mallocinit``, ``gcinit``, ``main`` and what they use. :func:`boot` does
what these would have done, in their order, from outside; everything that the plugin does have is
called. Each step says which function of the runtime it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import pack, pack_into
from time import perf_counter

from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE
from emuplugin.cpu.cpuid import GO_FEATURES

from . import environment
from .gcprog import pointer_mask
from .goruntime import GoRuntime
from .monitor import Monitor
from .stubs import Stubs

#: Where boot keeps what the runtime would have put in its binary or on its first stack: g0,
#: pointer masks, arguments, environment.
BOOT_DATA = 0x2_3000_0000
_BOOT_DATA_SIZE = 1 << 22

_FIXALLOC_CHUNK = 16 << 10  # runtime/mfixalloc.go: _FixAllocChunk
_MAX_UINT64 = (1 << 64) - 1
_MAX_INT64 = (1 << 63) - 1
_DEFAULT_HEAP_MINIMUM = 4 << 20  # runtime/mgcpacer.go: defaultHeapMinimum
_SWEEP_DRAINED_MASK = 1 << 31  # runtime/mgcsweep.go: sweepDrainedMask
_ARENA_HINTS, _USER_ARENA_FROM = 0x80, 0x40  # runtime/malloc.go: mallocinit
_MAX_STACK_SIZE = 1_000_000_000  # runtime/proc.go: main


@dataclass(frozen=True, slots=True)
class BootStep:
    """One step that was done: its name, what of the runtime it stands for, and its seconds. The
    guest had executed ``began`` instructions when it began, and ``instructions`` in it."""

    name: str
    stands_for: str
    seconds: float
    began: int
    instructions: int


class Boot:
    """The state that the steps share. ``g0`` is the goroutine of the first thread's stack."""

    def __init__(self, runtime: GoRuntime, moduledata: int) -> None:
        self.runtime = runtime
        self.layout = runtime.layout
        self.memory = runtime.memory
        self.kernel = runtime.process.kernel
        self.env: Mapping[str, str] = self.kernel.sandbox.env
        self.moduledata = moduledata
        self.g0 = 0
        #: The C function that starts a thread, for plugins with C code; else 0.
        self.thread_start = 0
        self.monitor: Monitor | None = None
        #: Where the next allocation goes.
        self.next = BOOT_DATA
        runtime.process.space.map(BOOT_DATA, _BOOT_DATA_SIZE, PROT_READ | PROT_WRITE, "[boot]")

    # --- what the steps use -----------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """Zeroed memory that lives as long as the machine and that the collector never frees."""
        address = self.next
        self.next += (size + 15) & -16
        if self.next > BOOT_DATA + _BOOT_DATA_SIZE:
            raise MemoryError("boot data is full")
        return address

    def store(self, data: bytes) -> int:
        """A copy of ``data`` in guest memory."""
        address = self.allocate(len(data))
        self.memory.write(address, data)
        return address

    def string(self, text: str) -> tuple[int, int]:
        """A Go string header: address and length."""
        data = text.encode(errors="surrogateescape")
        return self.store(data), len(data)

    def string_slice(self, variable: str, texts: list[str]) -> None:
        """Set a ``[]string`` variable, if anything in the plugin reads it."""
        at = self.runtime.symbol(variable)
        if at is None:
            return
        headers = b"".join(pack("<QQ", *self.string(text)) for text in texts)
        self.memory.write(at, pack("<QQQ", self.store(headers), len(texts), len(texts)))

    def call(self, name: str, *ints: int) -> int:
        """Call a function of the runtime on g0."""
        runtime = self.runtime
        top, entry = runtime.process.stack[1], runtime.function(name)
        result = runtime.call_on(self.g0, top, entry, *ints)
        if runtime.witness is not None:
            runtime.witness.called(name, ints, result)
        return result

    def module_field(self, path: str) -> int:
        return self.runtime.get_at(self.moduledata, "runtime.moduledata", path)


# Variables through which runtime/cgo offers C functions to the runtime (runtime/cgo.go and others).
_CGO_HOOKS = (
    "_cgo_init", "_cgo_thread_start", "_cgo_sys_thread_create", "_cgo_notify_runtime_init_done",
    "_cgo_callers", "_cgo_yield", "_cgo_pthread_key_created", "_cgo_bindm", "_cgo_getstackbound",
    "_cgo_mmap", "_cgo_munmap", "_cgo_sigaction", "_cgo_call_symbolizer_function",
    "_cgo_call_traceback_function", "runtime._cgo_setenv", "runtime._cgo_unsetenv",
    "runtime._cgo_clearenv",
)  # fmt: skip


def boot(state: Boot) -> list[BootStep]:
    """Start the runtime; afterwards the caller goroutine waits at ``runtime.stubs.idle``.

    Raises what the guest runs into, which means a plugin that was tampered with.
    """
    done = []
    kernel, witness = state.kernel, state.runtime.witness
    for step, stands_for in STEPS:
        start, began = perf_counter(), kernel.instructions
        step(state)
        seconds = perf_counter() - start
        done.append(
            BootStep(step.__name__, stands_for, seconds, began, kernel.instructions - began)
        )
        if witness is not None:
            witness.stepped(done[-1])
    return done


def first_stack(boot: Boot) -> None:
    """A g0 with the thread's stack, tied to m0 and to the thread area."""
    runtime, layout = boot.runtime, boot.layout
    low, high = runtime.process.stack
    boot.g0 = g0 = boot.allocate(layout.size("runtime.g"))
    guard = low + 64 * 1024
    for path, value in (
        ("stack.lo", low),
        ("stack.hi", high),
        ("stackguard0", guard),
        ("stackguard1", guard),
        ("m", runtime.address("runtime.m0")),
    ):
        runtime.set_at(g0, "runtime.g", path, value)
    runtime.set("runtime.m0", g0, "g0")
    runtime.set_tls_g(g0)
    # Signal handlers are the runtime's to install: there is no host program that has its own.
    runtime.set_if_present("runtime.islibrary", 0)
    runtime.set_if_present("runtime.iscgo", int(boot.thread_start != 0))
    without_c(boot)


def without_c(boot: Boot) -> None:
    """The runtime asks the kernel itself; C is not involved, but for the C code that a plugin has
    of its own: then threads are made as C makes them."""
    runtime = boot.runtime
    for name in _CGO_HOOKS:
        hook = runtime.symbol(name)
        if hook is not None:
            boot.memory.write_u64(hook, boot.thread_start if name == "_cgo_thread_start" else 0)


def processor(boot: Boot) -> None:
    """CPU features, number of processors, page size, a clock to be read without the kernel."""
    runtime, layout = boot.runtime, boot.layout
    runtime.set("runtime.vdsoClockgettimeSym", runtime.stubs.clock)
    cpus = boot.kernel.sandbox.cpus
    runtime.set_if_present("runtime.ncpu", cpus)
    runtime.set_if_present("runtime.numCPUStartup", cpus)
    runtime.set("runtime.physPageSize", 4096)
    for field in layout.fields("internal/cpu.X86"):
        if field.startswith("Has"):
            runtime.set("internal/cpu.X86", int(field[3:] in GO_FEATURES), field)
    runtime.set_if_present("runtime.x86HasPOPCNT", int("POPCNT" in GO_FEATURES))
    runtime.set_if_present("runtime.x86HasSSE41", int("SSE41" in GO_FEATURES))
    runtime.set_if_present("runtime.x86HasFMA", 0)


def scheduler_variables(boot: Boot) -> None:
    """What schedinit sets before anything runs."""
    runtime, layout = boot.runtime, boot.layout
    runtime.set("runtime.sched", 10000, "maxmcount")
    # Without a time of the last poll findRunnable never polls, and timers never fire.
    runtime.set("runtime.sched", boot.kernel.clock.monotonic(), "lastpoll")
    runtime.set_if_present("runtime.crashFD", _MAX_UINT64)
    if layout.has("runtime.m", "idleNode"):
        _init_list(boot, "runtime.sched", "midle", layout.offset("runtime.m", "idleNode"))


def _init_list(boot: Boot, variable: str, path: str, node_offset: int) -> None:
    """``(*listHeadManual).init``."""
    boot.runtime.set(variable, 1, f"{path}.initialized")
    boot.runtime.set(variable, node_offset, f"{path}.nodeOffset")


def randomness(boot: Boot) -> None:
    """Seeds of the random generator, of the heap's place and of the hash functions."""
    runtime, random = boot.runtime, boot.kernel.random
    if runtime.symbol("runtime.globalRand") is not None:
        boot.memory.write(runtime.field("runtime.globalRand", "state.seed"), random(32))
        runtime.set("runtime.globalRand", 1, "init")
    if runtime.symbol("runtime.fastrandseed") is not None:
        runtime.set("runtime.fastrandseed", int.from_bytes(random(8), "little"))
    if runtime.symbol("runtime.heapRandSeed") is not None:
        runtime.set("runtime.heapRandSeed", int.from_bytes(random(8), "little"))
        runtime.set("runtime.heapRandSeedBitsRemaining", 64)
    prefix = (
        "internal/runtime/maps." if runtime.symbol("internal/runtime/maps.hashkey") else "runtime."
    )
    use_aes = prefix + ("UseAeshash" if prefix != "runtime." else "useAeshash")
    runtime.set_if_present(use_aes, 1)
    for name, size in (("aeskeysched", 128), ("hashkey", 32)):
        at = runtime.symbol(prefix + name)
        if at is not None:
            key = bytearray(random(size))
            if name == "hashkey":
                for index in range(0, size, 8):
                    key[index] |= 1  # these numbers are odd
            boot.memory.write(at, bytes(key))


# Allocators of fixed-size objects in mheap_: field, type, statistic (runtime/mheap.go: init).
_FIXALLOCS = (
    ("spanalloc", "runtime.mspan", "mspan_sys"),
    ("spanSPMCAlloc", "runtime.spanSPMC", "gcMiscSys"),
    ("cachealloc", "runtime.mcache", "mcache_sys"),
    ("specialfinalizeralloc", "runtime.specialfinalizer", "other_sys"),
    ("specialCleanupAlloc", "runtime.specialCleanup", "other_sys"),
    ("specialCheckFinalizerAlloc", "runtime.specialCheckFinalizer", "other_sys"),
    ("specialTinyBlockAlloc", "runtime.specialTinyBlock", "other_sys"),
    ("specialprofilealloc", "runtime.specialprofile", "other_sys"),
    ("specialReachableAlloc", "runtime.specialReachable", "other_sys"),
    ("specialPinCounterAlloc", "runtime.specialPinCounter", "other_sys"),
    ("specialSecretAlloc", "runtime.specialSecret", "other_sys"),
    ("specialWeakHandleAlloc", "runtime.specialWeakHandle", "gcMiscSys"),
    ("specialBubbleAlloc", "runtime.specialBubble", "other_sys"),
    ("arenaHintAlloc", "runtime.arenaHint", "other_sys"),
)


def _init_fixalloc(boot: Boot, at: int, type_name: str, statistic: str) -> None:
    """``(*fixalloc).init``."""
    size = boot.layout.size(type_name)
    values = {
        "size": size,
        "nalloc": _FIXALLOC_CHUNK // size * size,
        "stat": boot.runtime.field("runtime.memstats", statistic),
        "zero": 1,
    }
    for path, value in values.items():
        boot.runtime.set_at(at, "runtime.fixalloc", path, value)


def heap(boot: Boot) -> None:
    """The heap: fixed-size allocators, central lists, page allocator, first cache, arena hints."""
    runtime, layout = boot.runtime, boot.layout
    for field, type_name, statistic in _FIXALLOCS:
        # A plugin's own DWARF lacks the types that nothing in it allocates.
        if layout.has("runtime.mheap", field) and layout.has(type_name):
            _init_fixalloc(boot, runtime.field("runtime.mheap_", field), type_name, statistic)
    # The sweeper may look at a span while it is handed out again: it must not be cleared.
    runtime.set("runtime.mheap_", 0, "spanalloc.zero")
    if runtime.symbol("runtime.xRegAlloc") is not None:
        at = runtime.field("runtime.xRegAlloc", "alloc")
        _init_fixalloc(boot, at, "runtime.xRegState", "other_sys")
    first, second = (
        runtime.field("runtime.mheap_", f"central[{index}].mcentral.spanclass") for index in (0, 1)
    )
    for index in range(layout.length("runtime.mheap", "central")):
        boot.memory.write_u8(first + index * (second - first), index)
    boot.call(
        "runtime.(*pageAlloc).init",
        runtime.field("runtime.mheap_", "pages"),
        runtime.field("runtime.mheap_", "lock"),
        runtime.field("runtime.memstats", "gcMiscSys"),
        0,
    )
    runtime.set("runtime.mcache0", boot.call("runtime.allocmcache"))
    _arena_hints(boot)
    runtime.set("runtime.gcController", _MAX_INT64, "memoryLimit")


def _arena_hints(boot: Boot) -> None:
    """Two lists of places for the heap. The hints lie side by side, as ``(*fixalloc).alloc`` hands
    them out of a new chunk: it is called for the first, the others are taken as it would do."""
    runtime, layout = boot.runtime, boot.layout
    allocator = runtime.field("runtime.mheap_", "arenaHintAlloc")
    at, size = boot.call("runtime.(*fixalloc).alloc", allocator), layout.size("runtime.arenaHint")
    addr, following = (layout.offset("runtime.arenaHint", path) for path in ("addr", "next"))
    hints = bytearray(size * _ARENA_HINTS)
    heads = {"arenaHints": 0, "userArena.arenaHints": 0}
    for number, index in enumerate(reversed(range(_ARENA_HINTS))):
        head = "arenaHints" if index < _USER_ARENA_FROM else "userArena.arenaHints"
        pack_into("<Q", hints, number * size + addr, index << 40 | 0xC0 << 32)
        pack_into("<Q", hints, number * size + following, heads[head])
        heads[head] = at + number * size
    boot.memory.write(at, hints)
    for head, hint in heads.items():
        runtime.set("runtime.mheap_", hint, head)
    rest = len(hints) - size
    for path, change in (("chunk", rest), ("nchunk", -rest), ("inuse", rest)):
        value = runtime.get_at(allocator, "runtime.fixalloc", path) + change
        runtime.set_at(allocator, "runtime.fixalloc", path, value)


def first_thread(boot: Boot) -> None:
    """``mcommoninit`` for m0."""
    boot.call("runtime.mcommoninit", boot.runtime.address("runtime.m0"), _MAX_UINT64)


def modules(boot: Boot) -> None:
    """Register the plugin and the stubs as modules of the program."""
    runtime = boot.runtime
    add_module(runtime, boot.moduledata, boot.store)
    stubs: Stubs = runtime.stubs
    chain(runtime, boot.moduledata)
    chain(runtime, stubs.moduledata)
    slice_at = boot.allocate(24)
    elements = boot.store(pack("<QQ", boot.moduledata, stubs.moduledata))
    boot.memory.write(slice_at, pack("<QQQ", elements, 2, 2))
    runtime.set("runtime.modulesSlice", slice_at)


def add_module(runtime: GoRuntime, moduledata: int, store: Callable[[bytes], int]) -> None:
    """``modulesinit`` for one module: its pointer masks, and its share of what is scanned."""
    memory = runtime.memory

    def field(path: str) -> int:
        return runtime.get_at(moduledata, "runtime.moduledata", path)

    scanned = 0
    for low, high, program, mask in (
        ("data", "edata", "gcdata", "gcdatamask"),
        ("bss", "ebss", "gcbss", "gcbssmask"),
    ):
        size = field(high) - field(low)
        bits = pointer_mask(memory.read_u8, field(program), size // 8)
        runtime.set_at(moduledata, "runtime.moduledata", f"{mask}.n", size // 8)
        runtime.set_at(moduledata, "runtime.moduledata", f"{mask}.bytedata", store(bits))
        scanned += size
    path = "globalsScan"
    runtime.set("runtime.gcController", runtime.get("runtime.gcController", path) + scanned, path)


def chain(runtime: GoRuntime, moduledata: int) -> None:
    """``addmoduledata``: make a module the last of the list that symbols are looked up in."""
    last = runtime.address("runtime.firstmoduledata")
    while following := runtime.get_at(last, "runtime.moduledata", "next"):
        last = following
    runtime.set_at(last, "runtime.moduledata", "next", moduledata)
    # The linker points this variable at the plugin's own module data.
    runtime.memory.write_u64(runtime.address("runtime.lastmoduledatap"), moduledata)


def itabs(boot: Boot) -> None:
    """``itabsinit``: enter the module's itabs into the table."""
    for itab in module_itabs(boot.runtime, boot.moduledata):
        boot.call("runtime.itabAdd", itab)


def module_itabs(runtime: GoRuntime, moduledata: int) -> list[int]:
    """The addresses of a module's itabs."""
    layout, memory = runtime.layout, runtime.memory
    if layout.has("runtime.moduledata", "itablinks"):
        at = runtime.get_at(moduledata, "runtime.moduledata", "itablinks.array")
        count = runtime.get_at(moduledata, "runtime.moduledata", "itablinks.len")
        return [memory.read_u64(at + 8 * index) for index in range(count)]
    # From 1.27 on they lie one behind the other, each with room for its interface's methods.
    at = runtime.get_at(moduledata, "runtime.moduledata", "types")
    at += runtime.get_at(moduledata, "runtime.moduledata", "itaboffset")
    end = at + runtime.get_at(moduledata, "runtime.moduledata", "itabsize")
    functions = layout.offset("internal/abi.ITab", "Fun")
    found = []
    while at < end:
        found.append(at)
        interface = runtime.get_at(at, "internal/abi.ITab", "Inter")
        methods = runtime.get_at(interface, "internal/abi.InterfaceType", "Methods.len")
        at += functions + 8 * max(methods, 1)
    return found


def program_variables(boot: Boot) -> None:
    """Arguments, environment, and the debug variables with their defaults and GODEBUG's values."""
    runtime = boot.runtime
    sandbox = boot.kernel.sandbox
    boot.string_slice("runtime.argslice", list(sandbox.args))
    boot.string_slice("runtime.envs", [f"{name}={value}" for name, value in boot.env.items()])
    settings = {"cgocheck": 1, "invalidptr": 1, "adaptivestackstart": 0, "profstackdepth": 128}
    if runtime.layout.has("runtime.debug", "adaptivestackstart"):
        settings["adaptivestackstart"] = 1
    settings |= environment.godebug(boot.env)
    for name, value in settings.items():
        runtime.set_if_present("runtime.debug", value, name)
    if runtime.symbol("runtime.godebugEnv") is not None:
        header = boot.store(pack("<QQ", *boot.string(boot.env.get("GODEBUG", ""))))
        runtime.set("runtime.godebugEnv", header)
    level = environment.gotraceback(boot.env)
    runtime.set_if_present("runtime.traceback_cache", level)
    runtime.set_if_present("runtime.traceback_env", level)
    # Profiling every 512 KiB of allocation costs, and nobody reads it unless they ask.
    disabled = runtime.symbol("runtime.disableMemoryProfiling")
    if disabled is not None and boot.memory.read_u8(disabled):
        runtime.set("runtime.MemProfileRate", 0)


def collector(boot: Boot) -> None:
    """``gcinit`` and ``gcControllerState.init``."""
    runtime, layout = boot.runtime, boot.layout
    runtime.set("runtime.sweep", _SWEEP_DRAINED_MASK, "active.state")
    percent = environment.gogc(boot.env)
    minimum = _DEFAULT_HEAP_MINIMUM * percent // 100 if percent >= 0 else _MAX_UINT64
    runtime.set("runtime.gcController", minimum, "heapMinimum")
    runtime.set("runtime.gcController", _MAX_UINT64, "triggered")
    runtime.set("runtime.gcController", percent, "gcPercent")
    runtime.set("runtime.gcController", environment.gomemlimit(boot.env), "memoryLimit")
    boot.call("runtime.(*gcControllerState).commit", runtime.address("runtime.gcController"), 1)
    runtime.set("runtime.work", 1, "startSema")
    runtime.set("runtime.work", 1, "markDoneSema")
    if layout.has("runtime.workType", "spanSPMCs") and layout.has("runtime.spanSPMC"):
        offset = layout.offset("runtime.spanSPMC", "allnode")
        _init_list(boot, "runtime.work", "spanSPMCs.list", offset)
    mask = runtime.symbol("runtime.cleanupBlockPtrMask")
    if mask is not None:
        size = layout.size(layout.variable("runtime.cleanupBlockPtrMask"))
        boot.memory.write(mask, b"\xff" * size)


def processors(boot: Boot) -> None:
    """``procresize``: the Ps, as many as GOMAXPROCS says."""
    runtime = boot.runtime
    count = environment.gomaxprocs(boot.env, boot.kernel.sandbox.cpus)
    if "GOMAXPROCS" in boot.env:
        runtime.set_if_present("runtime.sched", 1, "customGOMAXPROCS")
    boot.call("runtime.procresize", count)


def main_variables(boot: Boot) -> None:
    """What ``runtime.main`` sets before it runs init functions."""
    runtime = boot.runtime
    runtime.set("runtime.maxstacksize", _MAX_STACK_SIZE)
    runtime.set_if_present("runtime.maxstackceiling", 2 * _MAX_STACK_SIZE)
    runtime.set("runtime.runtimeInitTime", boot.kernel.clock.monotonic())
    runtime.set_if_present("runtime.mainInitDone", 1)


def monitor(boot: Boot) -> None:
    """The thread of ``sysmon``."""
    boot.monitor = Monitor(boot.runtime)
    value = boot.store(pack("<Q", boot.monitor.entry))
    boot.call("runtime.newm", value, 0, _MAX_UINT64)
    boot.call("runtime.osyield.abi0")


def caller_goroutine(boot: Boot) -> None:
    """A goroutine of the host's, entered through the scheduler (``newproc``, ``mstart``)."""
    runtime = boot.runtime
    stubs = runtime.stubs
    boot.call("runtime.newproc", stubs.idle_value)
    top = runtime.process.stack[1]
    rsp = top - 128
    boot.memory.write_u64(rsp, stubs.calls[0].back)
    runtime.start(runtime.function("runtime.mstart.abi0"), boot.g0, rsp)


def world(boot: Boot) -> None:
    """``gcenable``, and from here on new goroutines may start threads."""
    boot.runtime.set("runtime.mainStarted", 1)
    boot.runtime.set("runtime.memstats", 1, "enablegc")


#: The steps in order, with the functions of the runtime that they stand for.
STEPS: tuple[tuple[Callable[[Boot], None], str], ...] = (
    (first_stack, "rt0_go"),
    (processor, "osinit, cpuinit, vdsoauxv"),
    (scheduler_variables, "schedinit"),
    (randomness, "randinit, alginit"),
    (heap, "mallocinit, (*mheap).init"),
    (first_thread, "mcommoninit"),
    (modules, "modulesinit"),
    (itabs, "itabsinit"),
    (program_variables, "goargs, goenvs, parsedebugvars"),
    (collector, "gcinit"),
    (processors, "procresize"),
    (main_variables, "main"),
    (monitor, "newm(sysmon)"),
    (caller_goroutine, "newproc, mstart"),
    (world, "gcenable"),
)
