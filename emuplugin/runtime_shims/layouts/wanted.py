"""What the layouts hold: the roots. What these structs contain by value comes with them.

Generous on purpose: a table costs a millisecond to load, whatever of it is used. Names that only
some versions have are simply absent from the others' tables.
"""

from __future__ import annotations

#: Packages whose variables (all of them) and constants (see ``CONSTANTS``) the tables hold.
PACKAGES = frozenset(
    {
        "runtime",
        "internal/abi",
        "internal/chacha8rand",
        "internal/cpu",
        "internal/runtime/atomic",
        "internal/runtime/cgroup",
        "internal/runtime/exithook",
        "internal/runtime/gc",
        "internal/runtime/maps",
        "internal/runtime/sys",
        "runtime/cgo",
        "runtime/internal/atomic",
        "runtime/internal/sys",
    }
)


def _qualified(package: str, names: str) -> frozenset[str]:
    return frozenset(f"{package}.{name}" for name in names.split())


_SCHEDULER = _qualified(
    "runtime",
    """
    g m p schedt mOS mPadded mWeakPointer mWaitList gobuf gsignalStack stack stackpoolItem
    stackLarge stkframe sudog waitq hchan scase runtimeSelect semaRoot semTable notifyList mutex
    rwmutex note lockRankStruct forcegcstate sysmontick pMask gQueue gList guintptr muintptr
    puintptr libcall perThreadSyscallArgs xRegs xRegState xRegPerG xRegPerP wakeableSleep worldStop
    suspendGState limiterEvent timer timers timerWhen timeTimer pollDesc pollCache listHeadManual
    listNodeManual synctestBubble synctestGroup specialBubble coro randomOrder randomEnum ticksType
    cgothreadstart cgoCallers profBuf cpuProfile goroutineProfileStateHolder profAtomic initTask
    tracestat heldLockInfo syscallingThread ancestorInfo
    """,
)

_PANICS = _qualified(
    "runtime",
    """
    _panic _defer savedOpenDeferState funcval funcinl bitvector stackmap stackObjectRecord
    errorString plainError errorAddressString inlineFrame boundsError TypeAssertionError
    PanicNilError unwinder inlineUnwinder
    """,
)

_MEMORY = _qualified(
    "runtime",
    """
    mheap mcentral mcache mspan mSpanList mSpanStateBox fixalloc mlink gclink gclinkptr
    stackfreelist persistentAlloc linearAlloc notInHeap heapArena arenaHint pageAlloc pageCache
    pallocData pallocBits pageBits addrRange addrRanges offAddr atomicOffAddr spanSet spanSetBlock
    spanSetBlockHeader spanSetBlockAlloc atomicHeadTailIndex atomicSpanSetSpinePointer
    spanSetSpinePointer atomicMSpanPointer markBits gcBits gcBitsArena scavengeIndex scavChunkData
    atomicScavChunkData scavengerState special specialfinalizer specialCleanup specialCheckFinalizer
    specialTinyBlock specialWeakHandle specialprofile specialReachable specialPinCounter
    specialSecret specialsIter immortalWeakHandleMap immortalWeakHandle pinner pinnerBits pinState
    Pinner mstats MemStats sysMemStat heapStatsDelta consistentHeapStats cpuStats metricData
    """,
)

_COLLECTOR = _qualified(
    "runtime",
    """
    workType gcControllerState gcCPULimiterState gcTrigger gcWork gcBgMarkWorkerNode
    gcBgMarkWorkerNodePadded workbuf workbufhdr wbBuf sweepdata activeSweep sweepLocker sweepLocked
    piController spanQueue spanSPMC spanInlineMarkBits sizeClassScanStats checkmarksMap finBlock
    finblock finalizer Cleanup liveUserArenaChunk cleanupBlock cleanupBlockHeader cleanupFn
    cleanupQueue stackScanState stackWorkBuf stackObjectBuf lfnode lfstack typePointers
    """,
)

_MODULES = _qualified(
    "runtime",
    """
    moduledata modulehash functab findfuncbucket textsect ptabEntry pcHeader _func funcInfo
    itabTableType srcFunc pcvalueCache pcvalueCacheEnt inlinedCall itab bucket memRecord
    memRecordCycle blockRecord mLockProfile mProfCycleHolder Func Frame Frames godebugInc dbgVar
    """,
)

_VALUES = _qualified(
    "runtime",
    """
    eface iface slice notInHeapSlice stringStruct hmap bmap mapextra hiter
    """,
)

_SIGNALS = _qualified(
    "runtime",
    """
    sigctxt sigactiont siginfo siginfoFields stackt sigset sigTabT sigevent itimerval itimerspec
    timespec timeval vdsoSymbolKey
    """,
)

_TRACING = _qualified(
    "runtime",
    """
    traceBuf traceBufHeader traceBufPtr traceBufQueue traceMap traceMapNode traceStackTable
    traceStack traceWriter traceEventWriter traceStringTable traceTypeTable traceRegionAlloc
    traceRegionAllocBlock traceAdvancerState gTraceState mTraceState pTraceState
    traceSchedResourceState traceLocker dlogPerM
    """,
)

_TYPES = (
    _qualified(
        "internal/abi",
        """
        Type FuncType MapType SwissMapType PtrType SliceType ArrayType ChanType StructType
        StructField InterfaceType Imethod Method UncommonType Name ITab FuncFlag TypeAssert
        TypeAssertCache TypeAssertCacheEntry InterfaceSwitch InterfaceSwitchCache
        InterfaceSwitchCacheEntry RegArgs IntArgRegBitmap EmptyInterface NonEmptyInterface
        """,
    )
    | _qualified("internal/runtime/maps", "Map Iter table groupReference groupsReference")
    | _qualified("internal/chacha8rand", "State")
    | _qualified("reflect", "Value rtype")
    | _qualified("time", "Time Location Timer Ticker")
)

#: Structs, and other named types, to look for.
STRUCTS = frozenset(
    _SCHEDULER | _PANICS | _MEMORY | _COLLECTOR | _MODULES | _VALUES | _SIGNALS | _TRACING | _TYPES
)

#: Integer constants, as patterns of :mod:`fnmatch`.
CONSTANTS = (
    "internal/abi.FuncID*",
    "internal/abi.Kind*",
    "internal/abi.OldMap*",
    "internal/abi.SwissMap*",
    "internal/abi.Map*",
    "internal/abi.TFlag*",
    "internal/runtime/gc.*",
    "internal/runtime/maps.*",
    "runtime._*",
    "runtime.arena*",
    "runtime.debug*",
    "runtime.default*",
    "runtime.gc*",
    "runtime.heap*",
    "runtime.hash*",
    "runtime.itabInitSize",
    "runtime.mSpan*",
    "runtime.max*",
    "runtime.min*",
    "runtime.mutex_*",
    "runtime.num*",
    "runtime.osRelaxMinNS",
    "runtime.page*",
    "runtime.palloc*",
    "runtime.preempt*",
    "runtime.semTabSize",
    "runtime.sig*",
    "runtime.spanSet*",
    "runtime.stack*",
    "runtime.summary*",
    "runtime.sweep*",
    "runtime.taggedPointer*",
    "runtime.throwType*",
    "runtime.tlsSlots",
    "runtime.trace*",
    "runtime.waitReason*",
    "runtime.wbBufEntries",
)
