"""What the runtime finds out about its surroundings: thread, processor, arguments, chance."""

from __future__ import annotations

from struct import pack

from emuplugin.cpu.cpuid import GO_FEATURES

from .. import environment
from .state import Boot

# Variables through which runtime/cgo offers C functions to the runtime (runtime/cgo.go and others).
_CGO_HOOKS = (
    "_cgo_init", "_cgo_thread_start", "_cgo_sys_thread_create", "_cgo_notify_runtime_init_done",
    "_cgo_callers", "_cgo_yield", "_cgo_pthread_key_created", "_cgo_bindm", "_cgo_getstackbound",
    "_cgo_mmap", "_cgo_munmap", "_cgo_sigaction", "_cgo_call_symbolizer_function",
    "_cgo_call_traceback_function", "runtime._cgo_setenv", "runtime._cgo_unsetenv",
    "runtime._cgo_clearenv",
)  # fmt: skip


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
