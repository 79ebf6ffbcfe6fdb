"""What the steps of the boot share."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import NamedTuple

from emuplugin.cpu.address_space import PROT_READ, PROT_WRITE

from ..goruntime import GoRuntime
from ..monitor import Monitor

#: Where boot keeps what the runtime would have put in its binary or on its first stack: g0,
#: pointer masks, arguments, environment.
BOOT_DATA = 0x2_3000_0000
_BOOT_DATA_SIZE = 1 << 22
#: Some integers at their ends, as the runtime's variables hold them.
MAX_UINT64 = (1 << 64) - 1
MAX_INT64 = (1 << 63) - 1


class BootStep(NamedTuple):
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

    def init_list(self, variable: str, path: str, node_offset: int) -> None:
        """``(*listHeadManual).init``."""
        self.runtime.set(variable, 1, f"{path}.initialized")
        self.runtime.set(variable, node_offset, f"{path}.nodeOffset")
