"""The heap, and the collector that looks after it."""

from __future__ import annotations

from struct import pack_into

from .. import environment
from .state import MAX_INT64, MAX_UINT64, Boot

_FIXALLOC_CHUNK = 16 << 10  # runtime/mfixalloc.go: _FixAllocChunk
_DEFAULT_HEAP_MINIMUM = 4 << 20  # runtime/mgcpacer.go: defaultHeapMinimum
_SWEEP_DRAINED_MASK = 1 << 31  # runtime/mgcsweep.go: sweepDrainedMask
_ARENA_HINTS, _USER_ARENA_FROM = 0x80, 0x40  # runtime/malloc.go: mallocinit

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
    runtime.set("runtime.gcController", MAX_INT64, "memoryLimit")


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


def collector(boot: Boot) -> None:
    """``gcinit`` and ``gcControllerState.init``."""
    runtime, layout = boot.runtime, boot.layout
    runtime.set("runtime.sweep", _SWEEP_DRAINED_MASK, "active.state")
    percent = environment.gogc(boot.env)
    minimum = _DEFAULT_HEAP_MINIMUM * percent // 100 if percent >= 0 else MAX_UINT64
    runtime.set("runtime.gcController", minimum, "heapMinimum")
    runtime.set("runtime.gcController", MAX_UINT64, "triggered")
    runtime.set("runtime.gcController", percent, "gcPercent")
    runtime.set("runtime.gcController", environment.gomemlimit(boot.env), "memoryLimit")
    boot.call("runtime.(*gcControllerState).commit", runtime.address("runtime.gcController"), 1)
    runtime.set("runtime.work", 1, "startSema")
    runtime.set("runtime.work", 1, "markDoneSema")
    if layout.has("runtime.workType", "spanSPMCs") and layout.has("runtime.spanSPMC"):
        offset = layout.offset("runtime.spanSPMC", "allnode")
        boot.init_list("runtime.work", "spanSPMCs.list", offset)
    mask = runtime.symbol("runtime.cleanupBlockPtrMask")
    if mask is not None:
        size = layout.size(layout.variable("runtime.cleanupBlockPtrMask"))
        boot.memory.write(mask, b"\xff" * size)
