"""One emulated process: physical memory, address space, processor and kernel, put together."""

from __future__ import annotations

import sys
from collections.abc import Callable

from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PAGE_SHIFT, PROT_READ, PROT_WRITE, AddressSpace
from emuplugin.cpu.engine import Engine
from emuplugin.cpu.memory import Memory
from emuplugin.cpu.physical import PhysicalMemory
from emuplugin.sandbox import Sandbox

from .kernel.kernel import Kernel

_SYSTEM_PAGE = 0x2_0000_0000
#: Pages for what works while a plugin is mapped.
LOADER_PAGES = 0x2_0001_0000
_THREAD_AREA = 0x2_1000_0000
_STACK = 0x2_2000_0000
STACK_SIZE = 1 << 20
_GO_HEAP = 0xC0 << 32  # where the boot lets it start
# Guest-physical addresses are handed out contiguously; this much more than may be present keeps
# mappings that are hardly touched from being refused. Windows charges a mapping's whole size
# against its commit limit, so there it is no more than may be present.
_SPAN_FACTOR = 1 if sys.platform == "win32" else 16


def make_engine(sandbox: Sandbox) -> Engine:
    """A processor with its memory, as large as the sandbox allows, and nothing in it."""
    physical = PhysicalMemory(sandbox.limits.memory * _SPAN_FACTOR)
    space = AddressSpace(physical, sandbox.limits.memory >> PAGE_SHIFT)
    # The heap grows by pieces, and large slices are to be one buffer for Python.
    space.keep_together(_GO_HEAP, physical.span // 2)
    return Engine(space, _SYSTEM_PAGE, accelerators=sandbox.accelerators)


class Process:
    """An empty process with one thread, a thread area for ``runtime.tlsg`` and a stack."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.engine = make_engine(sandbox)
        self.space = self.engine.space
        self.physical = self.space.physical
        self.memory = Memory(self.space)
        self.kernel = Kernel(self.engine, self.space, sandbox)
        # All below the first plugin (0x4_0000_0000), the stubs at 0x3_0000_0000 too.
        self.kernel.protect(_SYSTEM_PAGE, 2 << 32)
        self.space.map(_THREAD_AREA, 4096, PROT_READ | PROT_WRITE, "[tls]")
        self.thread_pointer = _THREAD_AREA + 0x800
        self.engine.write_register(reg.FS_BASE, self.thread_pointer)
        self.space.map(_STACK, STACK_SIZE, PROT_READ | PROT_WRITE, "[stack]")
        self.stack = (_STACK, _STACK + STACK_SIZE)

    def trap(self, address: int, action: Callable[[], bool]) -> None:
        """Call ``action`` when the guest reaches the ``hlt`` at ``address``; True ends the run."""
        self.engine.traps.add(address)
        self.kernel.traps[address] = action

    def close(self) -> None:
        """Free everything."""
        self.kernel.close()
        self.engine.close()
        self.physical.close()
