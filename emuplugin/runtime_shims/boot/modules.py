"""The modules of the program: what is known of the code and data in it."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

from ..gcprog import pointer_mask
from ..goruntime import GoRuntime
from ..stubs import Stubs
from .state import Boot


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
