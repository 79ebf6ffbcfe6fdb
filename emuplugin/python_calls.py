"""Python functions that Go can call: their func values, and their exceptions as Go panics."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from struct import pack
from typing import TYPE_CHECKING

from .runtime_shims.callbacks import CallbackFrame
from .runtime_shims.caller import PanicValue
from .values.heap import Allocations

if TYPE_CHECKING:
    from .machine import Machine
    from .runtime_shims.roots import Root

#: How many exceptions that travel through Go as panics are remembered; older ones have become
#: part of some Go value that nobody panicked on with.
_REMEMBERED = 256


class PythonCalls:
    """The Python functions of one machine. They live as long as the machine: Go does not say when
    it has dropped a func value."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._functions: dict[int, Callable[[CallbackFrame], None]] = {}
        # By the address of the panic's data: the exception, and what keeps the data in place.
        self._exceptions: OrderedDict[int, tuple[BaseException, Root]] = OrderedDict()

    def func_value(self, function: Callable[[CallbackFrame], None]) -> Root:
        """A func value (the address of ``{code, ...}`` on the Go heap) that calls ``function`` with
        the registers and stack of Go's call."""
        machine = self._machine
        key = len(self._functions) + 1
        address = machine.malloc(16, 0)
        code = machine.program.runtime.stubs.callback.entry
        machine.memory.write(address, pack("<QQ", code, key))
        self._functions[key] = function
        return machine.hold(address)

    def handle(self, frame: CallbackFrame) -> PanicValue | None:
        """Go called one of them. Returns what Go is to panic with if it raised."""
        key = self._machine.memory.read_u64(frame.value + 8)
        try:
            self._functions[key](frame)
        except Exception as error:
            if self._machine.state != "running":
                raise
            return self._panic_value(error)
        return None

    def exception(self, data: int) -> BaseException | None:
        """The exception that became the panic with this data word."""
        found = self._exceptions.pop(data, None)
        return None if found is None else found[0]

    def _panic_value(self, error: Exception) -> PanicValue:
        """An ``error`` of Go's that carries the exception's text."""
        machine = self._machine
        summary = f"{type(error).__name__}: {error}".encode(errors="surrogateescape")
        # errors.errorString if the plugin has it: what errors.New returns. It is a pointer type, so
        # the data word is the string header's address in both cases.
        type_address = machine.symbol("type:*errors.errorString")
        element = machine.symbol("type:errors.errorString")
        if not type_address or not element:
            type_address = element = machine.symbol("type:runtime.plainError")
        assert type_address is not None
        assert element is not None
        with Allocations(machine) as allocations:
            text = allocations.bytes(summary)
            allocations.protect()
            header = machine.malloc(16, element)
            machine.memory.write(header, pack("<QQ", text, len(summary)))
            self._exceptions[header] = (error, machine.hold(header))
        while len(self._exceptions) > _REMEMBERED:
            self._exceptions.popitem(last=False)
        return PanicValue(type_address, header)
