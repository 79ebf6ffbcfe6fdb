"""What ``runtime/cgo`` gives the Go runtime in a plugin with C code of its own.

C code runs on the system stack of the thread (``asmcgocall``); threads are then C's to make, so
the hook that makes them is ours.
"""

from __future__ import annotations

from collections.abc import Callable

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SIZE, PROT_READ, PROT_WRITE, NoMemoryError
from emuplugin.elf.file import ElfFile
from emuplugin.errors import GoFatal

from .goruntime import GoRuntime
from .image import TLS_G
from .kernel.memory import MMAP_BASE, MMAP_END
from .kernel.table import Errno
from .kernel.threads import WaitingError
from .libc.call import CCall
from .libc.library import CLibrary

_STACK_SIZE = 1 << 18
_NO_THREAD = "runtime/cgo: pthread_create failed: Resource temporarily unavailable"
# The middle of a page behind the stack: C reads a canary above the thread pointer, g lies below.
_THREAD_POINTER = PAGE_SIZE // 2


def has_c_code(file: ElfFile) -> bool:
    """Whether a plugin calls C functions, of its own or of a package's (``net``, ``os/user``)."""
    return file.symbols.any_name_holds(b"_Cfunc_")


def tell_c_that_go_runs(runtime: GoRuntime, call: Callable[..., object]) -> None:
    """Functions that C calls in Go wait until ``_cgo_notify_runtime_init_done`` was called."""
    notify = runtime.symbol("x_cgo_notify_runtime_init_done")
    if notify is not None and runtime.symbol("runtime.asmcgocall") is not None:
        call("runtime.asmcgocall", notify, 0)


class CThreads:
    """``_cgo_thread_start`` (runtime/cgo/gcc_util.c: x_cgo_thread_start)."""

    def __init__(self, runtime: GoRuntime, library: CLibrary, *, there: bool = False) -> None:
        """``there``: memory that is to come knows of it."""
        self._runtime = runtime
        self._process = runtime.process
        #: Stacks of threads that have ended, and those in use by tid.
        self.free: list[int] = []
        self.stacks: dict[int, int] = {}
        self.start = library.place("_cgo_thread_start", self._start, there=there)
        self._end = library.place("thread exit", self._exit, there=there)

    def _start(self, call: CCall) -> int:
        """struct ThreadStart {g, tls, fn}: a thread that runs ``fn`` on ``g``."""
        runtime, memory, process = self._runtime, self._runtime.memory, self._process
        start = call.word()
        g, function = memory.read_u64(start), memory.read_u64(start + 16)
        low = self.free.pop() if self.free else self._make_stack()
        top = low + _STACK_SIZE
        thread_pointer = top + _THREAD_POINTER
        memory.write_u64(thread_pointer + TLS_G, g)
        # mstart0 takes stack.hi for the size and finds the stack where it runs.
        runtime.set_at(g, "runtime.g", "stack.hi", _STACK_SIZE)
        memory.write_u64(top - 16, self._end)
        try:
            thread = process.kernel.threads.add(
                {reg.RIP: function, reg.RSP: top - 16, reg.FS_BASE: thread_pointer, reg.R14: g}
            )
        except Errno:
            # runtime/cgo/gcc_libinit.c: _cgo_try_pthread_create tries for a while, then aborts.
            raise GoFatal(_NO_THREAD) from None
        self.stacks[thread.tid] = low
        return 0

    def _make_stack(self) -> int:
        space, size = self._process.space, _STACK_SIZE + PAGE_SIZE
        at = space.gap(size, MMAP_BASE, MMAP_END)
        if at is None:
            raise NoMemoryError
        space.map(at, size, PROT_READ | PROT_WRITE, "[thread stack]")
        return at

    def _exit(self, call: CCall) -> None:
        threads = self._process.kernel.threads
        low = self.stacks.pop(threads.current.tid, None)
        if low is not None:
            self.free.append(low)
        try:
            threads.exit_current()
        except WaitingError:
            return  # the next thread goes on
