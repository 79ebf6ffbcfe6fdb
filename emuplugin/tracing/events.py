"""What a trace consists of: events, in the order in which they happened, and aggregates.

Every event says when it happened, by the guest's clock and by instructions, and on which thread
and goroutine. All of them are immutable, and made of nothing but numbers, strings and tuples, so
they outlive the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple


class Frame(NamedTuple):
    """A place in the code: ``pc`` is the guest address, and ``file`` and ``line`` are as the
    compiler saw them ("" and 0 where there are none)."""

    function: str
    file: str
    line: int
    pc: int


#: Frames from the innermost outwards.
Stack = tuple[Frame, ...]


class Argument(NamedTuple):
    """A parameter or result: ``name`` is "" where unknown; ``type`` is in Go's syntax, and "" where
    only the machine word is known; ``text`` is how it is shown."""

    name: str
    type: str
    text: str


class RegisterChange(NamedTuple):
    """A register that an instruction has changed."""

    name: str
    old: int
    new: int


class Access(NamedTuple):
    """A memory access of an instruction: ``value`` is what was read or written, as an unsigned
    little-endian number of ``size`` bytes."""

    kind: Literal["read", "write"]
    address: int
    size: int
    value: int


@dataclass(frozen=True, slots=True)
class Event:
    """``time``: nanoseconds of the guest's clock since the trace began. ``instructions``: how many
    the machine has executed since it began, exact where the host counts them. ``thread``: the
    thread's number (Go's M runs on it), 0 if there is none. ``goroutine``: its number, 0 on a
    scheduler's stack."""

    time: int
    instructions: int
    thread: int
    goroutine: int
    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class SystemCall(Event):
    """A system call that has ended; ``time`` and ``instructions`` are those of its beginning.

    ``arguments`` are decoded, ``result`` is what the call returned (negative on errors) and
    ``errno`` the name of the error or "". ``duration`` is in nanoseconds of the guest's clock.
    ``blocked`` says that the thread had to wait, ``restarted`` that it went on waiting when a
    signal had been handled.
    """

    kind: ClassVar[str] = "syscall"
    name: str
    arguments: tuple[str, ...]
    result: int
    errno: str
    duration: int
    blocked: bool = False
    restarted: bool = False
    #: The result as shown: decoded where it means something.
    text: str = ""


@dataclass(frozen=True, slots=True)
class Call(Event):
    """A function was entered. ``depth``: traced calls that this one is inside of, on its goroutine.
    ``caller`` is where it was called from, None for the first function of a goroutine."""

    kind: ClassVar[str] = "call"
    function: str
    file: str
    line: int
    pc: int
    depth: int
    arguments: tuple[Argument, ...]
    caller: Frame | None


@dataclass(frozen=True, slots=True)
class Return(Event):
    """A function has ended. ``spent``: instructions of its goroutine between call and return, with
    those of the functions that it called. ``by_panic``: it has not returned by itself but was
    unwound by a panic or runtime.Goexit; its results are those that its caller gets."""

    kind: ClassVar[str] = "return"
    function: str
    depth: int
    results: tuple[Argument, ...]
    spent: int
    by_panic: bool = False


@dataclass(frozen=True, slots=True)
class GoroutineCreated(Event):
    """A ``go`` statement made goroutine ``id``, which begins with ``function``."""

    kind: ClassVar[str] = "goroutine created"
    id: int
    function: str
    parent: int
    at: Frame


@dataclass(frozen=True, slots=True)
class GoroutineRuns(Event):
    """The goroutine of the event runs from now on, on the thread of the event."""

    kind: ClassVar[str] = "goroutine runs"


@dataclass(frozen=True, slots=True)
class GoroutineWaits(Event):
    """The goroutine of the event stops running. ``reason``: Go's words for what it waits for, or
    "preempted" and "yield" where it could go on."""

    kind: ClassVar[str] = "goroutine waits"
    reason: str
    at: Frame


@dataclass(frozen=True, slots=True)
class GoroutineReady(Event):
    """Goroutine ``id`` need not wait any longer; ``by``: the goroutine that made it so, or 0."""

    kind: ClassVar[str] = "goroutine ready"
    id: int
    by: int


@dataclass(frozen=True, slots=True)
class GoroutineEnds(Event):
    """The goroutine of the event has ended."""

    kind: ClassVar[str] = "goroutine ends"


@dataclass(frozen=True, slots=True)
class Allocation(Event):
    """Memory came from the Go heap: ``size`` as asked for, in bytes; ``type`` in Go's syntax, ""
    for memory without one; ``address``: where it is."""

    kind: ClassVar[str] = "allocation"
    size: int
    type: str
    address: int
    stack: Stack


@dataclass(frozen=True, slots=True)
class GCCycle(Event):
    """The garbage collector has begun or ended cycle number ``cycle``. ``heap``: bytes of objects:
    at the start all that were made and not swept (live or not), at the end those marked as live.
    """

    kind: ClassVar[str] = "gc"
    cycle: int
    phase: Literal["start", "end"]
    heap: int


@dataclass(frozen=True, slots=True)
class Panicked(Event):
    """A panic began. ``value``: what Go prints of it. ``goexit``: it is runtime.Goexit instead."""

    kind: ClassVar[str] = "panic"
    value: str
    stack: Stack
    goexit: bool = False


@dataclass(frozen=True, slots=True)
class Recovered(Event):
    """A deferred call has recovered from a panic with that value; ``function`` returns to its
    caller."""

    kind: ClassVar[str] = "recovered"
    value: str
    function: str


@dataclass(frozen=True, slots=True)
class InitBegins(Event):
    """The initialisation of a package begins. ``functions``: what is called for it, in order."""

    kind: ClassVar[str] = "init begins"
    package: str
    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InitEnds(Event):
    """The initialisation of a package has ended, after ``spent`` instructions."""

    kind: ClassVar[str] = "init ends"
    package: str
    spent: int


@dataclass(frozen=True, slots=True)
class Instruction(Event):
    """One instruction was executed. ``registers``: those that it changed. ``memory``: what it read
    and wrote, in order."""

    kind: ClassVar[str] = "instruction"
    pc: int
    text: str
    function: str
    registers: tuple[RegisterChange, ...]
    memory: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Watched(Event):
    """A watched variable was read or written: ``size`` bytes at ``address``. ``old`` and ``new``:
    the whole variable before and after, as Go text; the same for reads."""

    kind: ClassVar[str] = "watch"
    variable: str
    access: Literal["read", "write"]
    address: int
    size: int
    old: str
    new: str
    at: Frame


@dataclass(frozen=True, slots=True)
class Output(Event):
    """The plugin wrote to a standard stream. Bytes that are not UTF-8 become surrogates."""

    kind: ClassVar[str] = "output"
    stream: Literal["stdout", "stderr"]
    text: str


class Sample(NamedTuple):
    """What ran when another ``profile=N`` instructions had been executed, the ``instructions``-th
    of them being the last."""

    stack: Stack
    instructions: int
    goroutine: int


#: All kinds of events by their name.
KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        SystemCall,
        Call,
        Return,
        GoroutineCreated,
        GoroutineRuns,
        GoroutineWaits,
        GoroutineReady,
        GoroutineEnds,
        Allocation,
        GCCycle,
        Panicked,
        Recovered,
        InitBegins,
        InitEnds,
        Instruction,
        Watched,
        Output,
    )
}
