"""Every exception that emuplugin raises, in one place.

All of them derive from :class:`EmupluginError`; the facts stand in attributes, the
message is for people. Where Go's own loader has words for a failure the message uses them.
"""

from __future__ import annotations

from collections.abc import Sequence


class EmupluginError(Exception):
    """Base of everything that emuplugin raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from the arguments of __init__, which are not the message here:
        # without this they could be neither copied nor sent to another process.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[EmupluginError], args: tuple[object, ...], facts: dict[str, object]
) -> object:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


# --- opening a file -------------------------------------------------------------------------


class OpenError(EmupluginError):
    """A plugin could not be opened.

    ``path`` is the path as the caller gave it and ``reason`` the loader's reason; the message
    is Go's: ``plugin.Open("NAME"): REASON``. Layers that know no path raise with ``path=""``
    and :func:`emuplugin.open` fills it in.
    """

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f'plugin.Open("{self.path}"): {self.reason}' if self.path else self.reason


class PathError(OpenError):
    """The path is empty, leads nowhere, or leads to something that is not a regular file."""


class FormatError(OpenError):
    """The file is not a well-formed ELF file: a header, table or section is corrupt."""


class TruncatedError(FormatError):
    """The file ends before something that its headers promise."""


class NotElfError(FormatError):
    """The file does not start with the ELF magic number."""


class WrongTargetError(OpenError):
    """An ELF file for another word size, byte order, processor or operating system."""


class UnknownRelocationError(OpenError):
    """A relocation of a kind that no Go plugin is known to have. ``number`` is its ABI number."""

    def __init__(self, reason: str, *, number: int, path: str = "") -> None:
        super().__init__(reason, path=path)
        self.number = number


class NotAPluginError(OpenError):
    """A good ELF file, but not one that ``go build -buildmode=plugin`` made."""


class UnsupportedGoVersionError(OpenError):
    """No struct layouts for the plugin's Go version, and no DWARF to read them from."""

    def __init__(
        self, reason: str, *, version: str = "", known: Sequence[str] = (), path: str = ""
    ) -> None:
        super().__init__(reason, path=path)
        self.version = version
        self.known = tuple(known)


class LayoutError(EmupluginError, LookupError):
    """The Go runtime of this version has no such struct, field, variable or constant, as far as
    its layouts tell."""


class UnsupportedBuildError(OpenError):
    """A build setting that cannot be emulated: ``-race``, ``-msan``, ``-asan``, GOAMD64=v3...

    ``setting`` and ``value`` are as ``go version -m`` prints them.
    """

    def __init__(self, reason: str, *, setting: str, value: str, path: str = "") -> None:
        super().__init__(reason, path=path)
        self.setting = setting
        self.value = value


class AlreadyLoadedError(OpenError):
    """The same plugin (equal plugin path) is in this machine already, under another file name."""


class VersionMismatchError(OpenError):
    """The plugin was built with another version of a package that the machine already holds."""


class InitError(OpenError):
    """A package's init function panicked, exited or failed; the cause is ``__cause__``."""


# --- symbols and values ---------------------------------------------------------------------


class SymbolNotFoundError(EmupluginError, LookupError):
    """``plugin: symbol NAME not found in plugin PLUGINPATH``."""

    def __init__(self, name: str, plugin_path: str) -> None:
        super().__init__(f"plugin: symbol {name} not found in plugin {plugin_path}")
        self.name = name
        self.plugin_path = plugin_path


class UnsupportedTypeError(EmupluginError, TypeError):
    """A Go type that cannot be converted in this direction; ``type`` is its name in Go."""

    def __init__(self, message: str, *, type: str) -> None:
        super().__init__(message)
        self.type = type


class ConversionError(EmupluginError, TypeError):
    """A Python value of the wrong type, or the wrong number of arguments.

    The message names the path to the value and the Go type that is expected there.
    """


class OutOfRangeError(EmupluginError, OverflowError, ValueError):
    """A Python value of the right type that the Go type cannot hold."""


class MethodRemovedError(EmupluginError, AttributeError):
    """A method of a Go type whose code the linker left out, because nothing could call it."""


class ChangedError(EmupluginError, RuntimeError):
    """What a view or an iterator was taken from has changed since, so that going on with it would
    not do what it seems to do. Read it again."""


class CorruptDataError(EmupluginError, ValueError):
    """Go data that cannot be what they say: a pointer that leads nowhere, a string longer than the
    memory, a type that is none. Only code that uses ``unsafe``, races, or means harm makes such.
    What was asked for cannot be had; the plugin stays usable as far as it was."""


class WouldDeadlock(EmupluginError):
    """Python waited for a channel, and no goroutine is left that could end the wait. In Go that is
    a fatal error; here nothing has happened, and the plugin stays usable."""


class ChannelTimeout(EmupluginError, TimeoutError):
    """A channel operation had to wait longer than its timeout."""


class ChannelClosed(EmupluginError, EOFError):
    """The channel to receive from is closed and empty."""


class GoError(EmupluginError):
    """A function's last result was a non-nil ``error``.

    ``message`` is what its ``Error`` method returns, ``type`` its dynamic Go type; ``value`` is the
    Go value itself where there is one, so that the error can be handed back to Go as it is. If it
    wraps an exception of Python's, that is its ``__cause__``. ``index`` tells which call of
    ``Function.map`` or ``array`` it came from.
    """

    index: int | None

    def __init__(self, message: str, type: str = "", *, value: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.value = value
        self.index = None


# --- how a run can end ----------------------------------------------------------------------


class GoPanic(EmupluginError):
    """A panic that nobody recovered, in the called function. The plugin stays usable.

    ``value`` is the panic's value as text, as Go prints it; ``type`` its Go type;
    ``traceback`` the goroutine's traceback at the panic, as the Go runtime prints it;
    ``index`` which call of ``Function.map`` or ``array`` it was.
    """

    index: int | None

    def __init__(self, value: str, type: str, traceback: str = "") -> None:
        super().__init__(f"panic: {value}")
        self.value = value
        self.type = type
        self.traceback = traceback
        self.index = None

    def __str__(self) -> str:
        text = f"panic: {self.value}"
        return f"{text}\n\n{self.traceback}" if self.traceback else text


class Goexit(EmupluginError):
    """The called function ended its goroutine with ``runtime.Goexit`` instead of returning.

    Deferred calls have run; the plugin stays usable. ``traceback`` tells where it was, ``index``
    in which call of ``Function.map`` or ``array``.
    """

    index: int | None

    def __init__(self, traceback: str = "") -> None:
        super().__init__("the function called runtime.Goexit and did not return")
        self.traceback = traceback
        self.index = None


class GoExit(EmupluginError):
    """The plugin called ``os.Exit``. ``code`` is the exit code; the machine is dead."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the plugin called os.Exit({code})")
        self.code = code


class GoFatal(EmupluginError):
    """The Go runtime gave up. ``text`` is what it printed; the machine is dead."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.text = text

    def __str__(self) -> str:
        return self.text or self.message


class GoDeadlock(GoFatal):
    """``fatal error: all goroutines are asleep - deadlock!``"""


class GoroutinePanic(GoFatal):
    """A panic that nobody recovered in a goroutine that the plugin started. If it began as a Python
    exception, that is its ``__cause__``."""


class GoStackOverflow(GoFatal):
    """``fatal error: stack overflow``: a goroutine's stack passed ``runtime/debug.SetMaxStack``."""


class GoOutOfMemory(GoFatal):
    """The Go runtime could not get memory that it asked its (emulated) kernel for."""


class EmulationError(EmupluginError):
    """The emulated processor stopped where nothing expected it: a fault in the guest that the
    Go runtime cannot take, or a bug of ours. ``rip`` is the guest address. The machine is dead."""

    def __init__(self, message: str, *, rip: int = 0) -> None:
        super().__init__(message)
        self.rip = rip


class DeadMachineError(EmupluginError):
    """The machine ended earlier (exit, fatal error, broken limit); the reason is ``__cause__``."""


class ClosedError(EmupluginError):
    """The plugin or its machine was closed."""


class StaleError(ClosedError):
    """A variable, function or value of a state that the machine has left: from before
    :meth:`Machine.reset`, or from after the snapshot that it went back to. Look it up again.
    ``name`` is what it is called in Go, where it has a name; ``restored`` tells the second case."""

    def __init__(self, name: str = "", *, restored: bool = False) -> None:
        subject = name or "this value"
        left = (
            "from after the snapshot that the machine went back to"
            if restored
            else "from before the machine was reset"
        )
        super().__init__(f"{subject} is {left}; look it up again")
        self.name = name
        self.restored = restored


class SnapshotError(EmupluginError):
    """A snapshot cannot be taken, restored or copied: the message says what stands in the way, such
    as a connection to the host, and what to do."""


class BusyError(EmupluginError):
    """What was asked of the machine cannot be done while a call runs in it."""


class LimitExceeded(EmupluginError):
    """A limit of the sandbox was reached. ``limit`` names it, ``allowed`` and ``used`` say how
    much (in the unit of that limit)."""

    def __init__(self, message: str, *, limit: str, allowed: float, used: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed
        self.used = used


class MemoryLimitExceeded(LimitExceeded):
    """The machine's guest memory is used up."""


class TimeLimitExceeded(LimitExceeded):
    """A call ran longer than the sandbox allows."""


class InstructionLimitExceeded(LimitExceeded):
    """A call executed more instructions than the sandbox allows."""


class OutputLimitExceeded(LimitExceeded):
    """The plugin printed more than the sandbox allows."""


class FileSizeLimitExceeded(LimitExceeded):
    """The plugin wrote more into files than the sandbox allows."""


class GoroutineLimitExceeded(LimitExceeded):
    """The plugin has more goroutines than the sandbox allows."""


class IsolationError(EmupluginError):
    """A worker process could not be started, or what was asked cannot be done with a machine in
    another process."""


class WorkerDied(EmupluginError):
    """The worker process of an isolated machine ended, or was ended because it did what no sound
    worker does. ``signal`` is the name of the signal that killed it (empty if none did) and
    ``exit_code`` its exit code (None if it was killed). The machine is dead."""

    def __init__(self, message: str, *, signal: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.signal = signal
        self.exit_code = exit_code


class Interrupted(EmupluginError, KeyboardInterrupt):
    """:meth:`Machine.interrupt`, a cancelled ``call_async`` or, on the command line, Ctrl-C ended a
    running call."""


class ConfigurationError(EmupluginError, ValueError):
    """A description of a sandbox that cannot be understood, or a trace that cannot be made or saved
    as asked. In a sandbox ``key`` is the place, such as ``limits.memory``, and ``path`` the file,
    where it is one."""

    def __init__(self, reason: str, *, key: str = "", path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key
        self.path = path

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.key, self.reason) if part)


# --- building -------------------------------------------------------------------------------


class BuildError(EmupluginError):
    """``go build`` failed. ``output`` is what it printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class ToolchainError(EmupluginError):
    """A Go toolchain or C compiler could not be had."""
