"""What the value layer needs of a booted machine, as protocols.

The machine implements them; nothing here knows how. All addresses are guest virtual addresses,
all sizes are bytes, all integers are little-endian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from typing import Any, NamedTuple, Protocol


class Memory(Protocol):
    """Emulated virtual memory. A range that is not mapped raises, it never reads as zeros."""

    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes | bytearray | memoryview) -> None: ...
    def view(self, address: int, size: int) -> memoryview | None:
        """A writable view of ``size`` bytes, or None where they are not contiguous on the host."""

    @property
    def most(self) -> int:
        """How many bytes there can be at all."""

    def check(self, address: int, size: int) -> None:
        """Raises CorruptDataError unless all of the range could be read."""

    def read_u8(self, address: int) -> int: ...
    def read_u16(self, address: int) -> int: ...
    def read_u32(self, address: int) -> int: ...
    def read_u64(self, address: int) -> int: ...
    def read_i32(self, address: int) -> int: ...
    def write_u8(self, address: int, value: int) -> None: ...
    def write_u32(self, address: int, value: int) -> None: ...
    def write_u64(self, address: int, value: int) -> None: ...


class CallResult(Protocol):
    """What a Go function left behind when it returned.

    ``ints`` are the nine integer registers in the order of the calling convention (RAX, RBX, RCX,
    RDI, RSI, R8, R9, R10, R11), ``floats`` the bit patterns of the low 64 bits of X0-X14, ``stack``
    the bytes of the outgoing-argument area, results included. What the signature does not use is
    undefined.
    """

    @property
    def ints(self) -> Sequence[int]: ...
    @property
    def floats(self) -> Sequence[int]: ...
    @property
    def stack(self) -> bytes: ...


class Travel(NamedTuple):
    """Values that travel in registers, as they lie one behind the other for :mod:`struct`.

    ``registers`` are the number of each in its own sequence, and whether that is the one of floats:
    integers have a word in ``format``, floats two (the second is padding).
    """

    format: str
    registers: tuple[tuple[int, bool], ...]


class DirectCall(Protocol):
    """Calls of one function whose arguments and results are all in registers."""

    def __call__(self, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Pack the values, call, and unpack the results. None, and no call, if the values do not
        fit their format. Raises as :meth:`Guest.call`."""


class Root(Protocol):
    """Keeps a heap object alive; dropping the last Python reference releases it too."""

    @property
    def address(self) -> int: ...
    def release(self) -> None: ...


class IncomingCall(Protocol):
    """A call from Go to Python, by ABIInternal.

    ``ints`` and ``floats`` hold argument registers, to be replaced by results. ``method`` is the
    number of the method that is called, None for a func value. What is in ``kept`` lives until Go
    has the results.
    """

    @property
    def method(self) -> int | None: ...
    @property
    def ints(self) -> list[int]: ...
    @property
    def floats(self) -> list[int]: ...
    @property
    def kept(self) -> list[object]: ...
    def read_stack(self, size: int) -> bytes:
        """The first ``size`` bytes of the caller's outgoing-argument area."""

    def stage_stack(self, offset: int, data: bytes) -> None:
        """Put results at ``offset`` of that area when the call is over."""


class TypeArea(Protocol):
    """Memory for type descriptors and what they refer to; ``text`` is what text offsets count
    from."""

    @property
    def text(self) -> int: ...
    def store(self, data: bytes) -> int:
        """The address of a copy of ``data``, a multiple of 16."""

    def offset(self, address: int) -> int:
        """How a descriptor here refers to a name or type at ``address``."""


class ModuleTypes(NamedTuple):
    """Where one module (``runtime.moduledata``) keeps what type offsets refer to.

    ``types`` to ``etypes`` is the section that holds descriptors and names, ``text`` the base of
    method text offsets. ``typemap`` maps a descriptor's address to that of the equal descriptor
    of an earlier module (``runtime/type.go: typelinksinit``); it is empty in the first module.
    """

    types: int
    etypes: int
    text: int
    typemap: Mapping[int, int]


class TypeSource(Protocol):
    """What reading type metadata needs: enough for a plugin that is mapped but not booted."""

    @property
    def memory(self) -> Memory: ...
    @property
    def go_minor(self) -> tuple[int, int]:
        """The Go version without its patch level, such as ``(1, 27)``."""

    @property
    def experiments(self) -> frozenset[str]:
        """GOEXPERIMENT settings from the build info, such as ``{"noswissmap"}``."""

    def module_of(self, address: int) -> ModuleTypes | None:
        """The module whose types section holds ``address``; None for types made at run time."""

    def call_runtime(self, name: str, *ints: int) -> int:
        """Call ``runtime.NAME`` with integer arguments and return its first integer result."""


class Guest(TypeSource, Protocol):
    """A booted machine: its memory, its Go functions, its allocator."""

    @property
    def state(self) -> str:
        """``running``, ``dead`` or ``closed``."""

    def call(
        self,
        entry: int,
        context: int,
        ints: Sequence[int],
        floats: Sequence[int],
        stack: bytes | bytearray,
        stack_size: int,
    ) -> CallResult:
        """Call Go code by ABIInternal on the caller goroutine.

        ``entry`` is the code address and ``context`` the closure (RDX). ``ints`` are up to nine
        values below 2**64, ``floats`` up to fifteen 64-bit patterns. ``stack`` is put at the start
        of an outgoing-argument area of ``stack_size`` bytes (stack results and spill space
        included). Raises GoPanic, GoExit, GoFatal and the like.
        """

    def call_words(self, entry: int, closure: int, words: Sequence[int]) -> int:
        """:meth:`call` with integers in registers only, for the first integer result."""

    def direct(self, entry: int, closure: int, arguments: Travel, results: Travel) -> DirectCall:
        """Prepare calls of the code at ``entry``; see :class:`DirectCall`."""

    def loop(self, body: bytes) -> int | None:
        """The function that a body of :mod:`emuplugin.cpu.loop_code` makes, to be called with the
        address of its state; None where there is no room for it."""

    def malloc(self, size: int, type_address: int, zero: bool = True) -> int:
        """``runtime.mallocgc``. ``type_address`` 0 means: holds no pointers. May collect."""

    def symbol(self, name: str) -> int | None:
        """The address of a symbol by its linker name, or None where the plugin lacks it."""

    def hold(self, address: int) -> Root:
        """Keep the heap object at ``address`` alive for as long as the root is."""

    @property
    def lock(self) -> RLock:
        """Held by whoever uses the machine: conversions of several steps hold it throughout."""

    def interrupt(self) -> None:
        """End the call that runs in another thread."""

    def func_value(
        self,
        function: Callable[[IncomingCall], None],
        dropped: Callable[[int], None] | None = None,
    ) -> Root:
        """A func value whose calls ``function`` serves; also a receiver for methods whose code is
        one of ``method_entries``. ``dropped`` is called with its address when Go has no more use
        for it."""

    def func_value_again(self, address: int) -> Root | None:
        """Root an earlier func value again; None if Go has dropped it."""

    def is_func_value(self, address: int) -> bool:
        """Whether an earlier func value is still there."""

    @property
    def method_entries(self) -> Sequence[int]:
        """The code of methods that are Python's, by number."""

    @property
    def type_area(self) -> TypeArea:
        """Where types made at run time lie."""

    @property
    def unused_type_area(self) -> range:
        """Where in the type area nothing lies yet."""

    def type_addresses(self) -> Iterable[int]:
        """The type descriptors of all plugins."""
