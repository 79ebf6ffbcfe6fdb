"""The Go runtime inside a plugin, as the host sees it: variables, fields, functions, goroutines.

Names are the linker's (``runtime.mheap_``, ``runtime.(*pageAlloc).init``), offsets come from the
version's :class:`~emuplugin.runtime_shims.layouts.Layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from emuplugin.cpu import registers as reg
from emuplugin.errors import FormatError

from .image import TLS_G, Image
from .layouts import Layout
from .process import Process
from .stubs import CallStub, Targets, stubs
from .witness import Witness

#: Integer argument registers of ABIInternal, in order (cmd/compile/abi-internal.md).
INTEGER_REGISTERS = (
    reg.RAX, reg.RBX, reg.RCX, reg.RDI, reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11,
)  # fmt: skip
FLOAT_REGISTERS = reg.XMM[:15]


class CallResult(NamedTuple):
    """What a Go function left: nine integer registers, the low halves of X0-X14 as bit patterns,
    and the bytes of the outgoing-argument area."""

    ints: tuple[int, ...]
    floats: tuple[int, ...]
    stack: bytes


class GoRuntime:
    """The runtime of the first plugin of a machine, which all plugins in it share."""

    def __init__(self, process: Process, image: Image, layout: Layout) -> None:
        self.process, self.layout = process, layout
        #: Is told what is set below, while the runtime boots.
        self.witness: Witness | None = None
        #: The images whose symbols are the runtime's: whoever came first defines.
        self.images: list[Image] = [image]
        self.memory = process.memory
        #: To be put into memory by whoever begins a program.
        self.stubs = stubs(clock=process.kernel.clock.in_guest)
        engine = process.engine
        # RDX is the closure, R14 is g, X15 is zero by convention.
        self._entry = engine.batch(*INTEGER_REGISTERS, reg.RDX, reg.R14, reg.RSP, reg.RBP)
        self._floats_in = engine.batch(wide=reg.XMM)
        self._ints_out = engine.batch(*INTEGER_REGISTERS)
        self._floats_out = engine.batch(wide=FLOAT_REGISTERS)
        self._thread_pointer = engine.batch(reg.FS_BASE)

    def place_stubs(self) -> None:
        """Put the stubs into memory."""
        clock = self.process.kernel.clock
        targets = Targets(
            self.function("runtime.morestack_noctxt.abi0"),
            self.function("runtime.ready"),
            self.function("runtime.newproc"),
            clock.offset if clock.in_guest else 0,
        )
        self.stubs.place(self.process.space, self.memory, self.layout, targets)

    # --- names and fields -------------------------------------------------------------------

    def symbol(self, name: str) -> int | None:
        """The address of a symbol, None where all plugins of the machine lack it."""
        for image in self.images:
            address = image.symbol(name)
            if address is not None:
                return address
        return None

    def address(self, name: str) -> int:
        """The address of a symbol that every plugin has."""
        address = self.symbol(name)
        if address is None:
            raise FormatError(f"the plugin has no symbol {name}; was it changed after linking?")
        return address

    function = address

    def field(self, variable: str, path: str) -> int:
        """The address of a field of a package-level variable."""
        return self.address(variable) + self.layout.offset(self.layout.variable(variable), path)

    def has_field(self, variable: str, path: str) -> bool:
        """Whether this version's variable has that field."""
        return (
            self.symbol(variable) is not None
            and self.layout.has_variable(variable)
            and self.layout.has(self.layout.variable(variable), path)
        )

    def set(self, variable: str, value: int, path: str = "") -> None:
        """Write an integer to a variable or to one of its fields, as wide as it is."""
        type_name = self.layout.variable(variable)
        field = self.layout.field(type_name, path)
        at = self.address(variable) + field.offset
        self.memory.write(at, (value & ((1 << 8 * field.size) - 1)).to_bytes(field.size, "little"))
        if self.witness is not None:
            self.witness.wrote(_joined(variable, path), at, field.size, value)

    def set_if_present(self, variable: str, value: int, path: str = "") -> None:
        """Like :meth:`set`; nothing where this version has no such variable or field."""
        if self.has_field(variable, path):
            self.set(variable, value, path)

    def get(self, variable: str, path: str = "") -> int:
        """Read an unsigned integer variable or field."""
        field = self.layout.field(self.layout.variable(variable), path)
        data = self.memory.read(self.address(variable) + field.offset, field.size)
        return int.from_bytes(data, "little")

    def get_at(self, base: int, type_name: str, path: str) -> int:
        """Read an unsigned integer field of the struct at ``base``."""
        field = self.layout.field(type_name, path)
        return int.from_bytes(self.memory.read(base + field.offset, field.size), "little")

    def set_at(self, base: int, type_name: str, path: str, value: int) -> None:
        """Write an integer field of the struct at ``base``."""
        field = self.layout.field(type_name, path)
        data = (value & ((1 << 8 * field.size) - 1)).to_bytes(field.size, "little")
        self.memory.write(base + field.offset, data)
        if self.witness is not None:
            self.witness.wrote(f"({type_name}).{path}", base + field.offset, field.size, value)

    # --- goroutines -------------------------------------------------------------------------

    @property
    def g(self) -> int:
        """The goroutine that the current thread runs: what ``runtime.tlsg`` holds. (R14 holds it
        too, but not behind functions of the old calling convention.)"""
        thread_pointer: int = self._thread_pointer.load()[0]
        return self.memory.read_u64(thread_pointer + TLS_G)

    def set_tls_g(self, g: int) -> None:
        """What ``runtime.tlsg`` holds on the first thread."""
        self.memory.write_u64(self.process.thread_pointer + TLS_G, g)

    # --- calling ----------------------------------------------------------------------------

    def start(
        self, entry: int, g: int, rsp: int, ints: Sequence[int] = (), closure: int = 0
    ) -> None:
        """Enter Go code at ``entry`` on goroutine ``g`` and run until a trap ends it.

        The return address must be at ``rsp`` already. Integer arguments only.
        """
        values = self._entry.values
        for index in range(9):
            values[index] = ints[index] if index < len(ints) else 0
        values[9], values[10], values[11], values[12] = closure, g, rsp, 0
        self._entry.store()
        floats = self._floats_in
        floats.values[30] = floats.values[31] = 0  # X15
        floats.store()
        self.process.kernel.run(entry)

    def call_on(self, g: int, top: int, entry: int, *ints: int) -> int:
        """Call a Go function on ``g`` with the stack below ``top``; return RAX.

        For the runtime's own functions on g0, where nothing unwinds the stack.
        """
        frame: CallStub = self.stubs.calls[0]
        rsp = top - 8 - frame.frame - 8
        self.memory.write_u64(rsp, frame.back)
        self.start(entry, g, rsp, ints)
        return self.result()

    def result(self) -> int:
        """The first integer result."""
        value: int = self._ints_out.load()[0]
        return value

    def results(self) -> tuple[int, ...]:
        """All nine integer registers."""
        return tuple(self._ints_out.load())

    def float_results(self) -> tuple[int, ...]:
        """The low halves of X0-X14."""
        return tuple(self._floats_out.load()[::2])

    def set_floats(self, floats: Sequence[int]) -> None:
        """What X0 and up hold when the next call starts."""
        values = self._floats_in.values
        for index, value in enumerate(floats):
            values[2 * index] = value


def _joined(variable: str, path: str) -> str:
    return f"{variable}.{path}" if path else variable
