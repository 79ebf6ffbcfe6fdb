"""Python functions that Go can call: their func values, and their exceptions as Go panics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from struct import pack
from typing import TYPE_CHECKING, NamedTuple

from .errors import EmulationError
from .runtime_shims.callbacks import CallbackFrame
from .runtime_shims.caller import PanicValue
from .runtime_shims.marks import Marks
from .values.handles import HANDLE_SIZE
from .values.kept import KeptObjects
from .values.python_errors import error_text
from .values.type_maker import TypeMaker

if TYPE_CHECKING:
    from .life import Life
    from .values.guest import Root

_KEY = 8  # where a func value holds its number, behind the code's address
# The first number is none that other objects of Go hold by accident.
_FIRST_KEY = 0x456D_7550_6C75_6700
# So many func values are made, where there are no finalizers, before it is looked which are in use.
_MANY = 64
# How many panics are kept in place after they began: their values are looked up at the end, when
# the runtime itself may have replaced them by their text.
_RECENT = 16


@dataclass(slots=True)
class _Entry:
    """A func value: what serves its calls, and what is called when Go has dropped it. ``again``:
    Python has handed it to Go again since the collector was last asked. ``made``: the collector's
    cycle in which it was made, where there are no finalizers."""

    function: Callable[[CallbackFrame], None]
    dropped: Callable[[int], None] | None
    again: bool = False
    made: int = 0


class _Finalizer(NamedTuple):
    """The arguments of ``runtime.SetFinalizer``, but for the object."""

    pointer_type: int
    func_type: int
    value: int


class PythonCalls:
    """The Python functions of one machine that Go holds.

    A finalizer tells when Go has dropped a func value. Plugins that never set one are linked
    without: there the marks of the collector are looked at, when a func value is handed over again
    and when many are new.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._entries: dict[int, _Entry] = {}
        # The keys of those without finalizers, by address.
        self._keys: dict[int, int] = {}
        self._last_key = _FIRST_KEY
        self._many = _MANY
        self._recent: deque[Root] = deque(maxlen=_RECENT)
        #: KeyboardInterrupt or SystemExit that a callback raised: Go code can recover it for a
        #: while, but it ends the outermost call.
        self.unstoppable: BaseException | None = None

    def func_value(
        self,
        function: Callable[[CallbackFrame], None],
        dropped: Callable[[int], None] | None = None,
    ) -> Root:
        """A func value (the address of ``{code, ...}`` on the Go heap) that calls ``function`` with
        the registers and stack of Go's call. ``dropped`` is called with the address when Go has
        dropped it."""
        life = self._life
        finalizer = self._finalizer
        if finalizer is None and len(self._entries) >= self._many:
            self._drop_unmarked()
        address = life.malloc(HANDLE_SIZE, 0)
        entry = _Entry(function, dropped)
        life.memory.write(address, self._image(entry))
        root = life.hold(address)
        if finalizer is None:
            self._remember(address, entry)
        else:
            self._watch(address, finalizer)
        return root

    def func_value_again(self, address: int) -> Root | None:
        """Root the func value at ``address`` again; None if Go has dropped it."""
        key = self._life.memory.read_u64(address + _KEY)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._finalizer is None and not self._marked(address, key):
            return None
        entry.again = True
        return self._life.hold(address)

    def is_func_value(self, address: int) -> bool:
        """Whether what lies where a func value was made still is that one."""
        key = self._keys.get(address)
        return key is None or self._life.memory.read(address, HANDLE_SIZE) == self._words(key)

    @property
    def holds_functions(self) -> bool:
        """Whether Go holds anything of Python's."""
        own = 1 if "_finalizer" in vars(self) and self._finalizer is not None else 0
        return len(self._entries) > own

    def keep(self) -> Callable[[], None]:
        """What Go holds now; what is returned makes that so again, after memory went back."""
        kept = KeptObjects((self,))
        again = [(entry, entry.again) for entry in self._entries.values()]

        def restore() -> None:
            kept.restore()
            for entry, held_again in again:
                entry.again = held_again

        return restore

    def handle(self, frame: CallbackFrame) -> PanicValue | None:
        """Go called one of them. Returns what Go is to panic with if it raised."""
        life = self._life
        key = life.memory.read_u64(frame.value + _KEY)
        try:
            self._entry(key).function(frame)
        except BaseException as error:
            if life.state != "running":
                raise
            if not isinstance(error, Exception):
                self.unstoppable = error
            return self._panic_value(error)
        finally:
            if life.state == "running":
                life.program.roots.collect()
        return None

    def _entry(self, key: int) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            raise EmulationError(
                f"Go called a Python function that it does not hold (number {key:#x})"
            )
        return entry

    def exception(self, panic: PanicValue) -> BaseException | None:
        """The exception that a panic began as, None if it is Go's own."""
        found = self._life.context.python_objects.find(panic.type, panic.data)
        return found if isinstance(found, BaseException) else None

    def panicked(self, headline: str) -> BaseException | None:
        """The exception whose panic the runtime has reported as ``headline``, None for others."""
        objects = self._life.context.python_objects
        for root in reversed(self._recent):
            found = objects.at(root.address)
            if isinstance(found, BaseException) and error_text(found) in headline:
                return found
        return None

    def _panic_value(self, error: BaseException) -> PanicValue:
        type_address, root = self._life.context.python_objects.panic_value(error)
        self._recent.append(root)
        return PanicValue(type_address, root.address)

    def _image(self, entry: _Entry) -> bytes:
        self._last_key += 1
        self._entries[self._last_key] = entry
        return self._words(self._last_key)

    def _words(self, key: int) -> bytes:
        return pack("<QQ", self._life.program.runtime.stubs.callback.entry, key)

    # --- what Go has dropped ----------------------------------------------------------------

    def _watch(self, address: int, finalizer: _Finalizer) -> None:
        """Have the collector tell when nothing in Go refers to ``address`` any more."""
        # runtime/mfinal.go: SetFinalizer(obj any, finalizer any)
        self._life.call_runtime(
            "SetFinalizer", finalizer.pointer_type, address, finalizer.func_type, finalizer.value
        )

    def _finalize(self, frame: CallbackFrame) -> None:
        """Go's finalizer goroutine: nothing refers to the func value that is the argument."""
        address, life = frame.ints[0], self._life
        key = life.memory.read_u64(address + _KEY)
        entry = self._entry(key)
        if entry.again:
            # Or nothing did when the collector looked: it has to look again.
            entry.again = False
            finalizer = self._finalizer
            assert finalizer is not None  # it is what was called
            root = life.hold(address)
            self._watch(address, finalizer)
            root.release()
            return
        self._drop(key, address)

    def _drop(self, key: int, address: int) -> None:
        entry = self._entries.pop(key)
        self._keys.pop(address, None)
        if entry.dropped is not None:
            entry.dropped(address)

    # --- the same without finalizers --------------------------------------------------------

    @property
    def _marks(self) -> Marks:
        return Marks(self._life.program.runtime)

    def _remember(self, address: int, entry: _Entry) -> None:
        """Note what will tell whether Go has dropped the newest func value."""
        earlier = self._keys.get(address)
        if earlier is not None:
            self._drop(earlier, address)
        self._keys[address] = self._last_key
        entry.made = self._marks.cycle

    def _marked(self, address: int, key: int) -> bool:
        """Whether the func value that was made at ``address`` is there: if the collector freed it,
        its memory may be another object's by now."""
        if self._keys.get(address) != key:
            return False
        marks = self._marks
        if self._entries[key].made == marks.cycle:
            return True
        return self.is_func_value(address) and marks.has(address)

    def _drop_unmarked(self) -> None:
        for address, key in list(self._keys.items()):
            if not self._marked(address, key):
                self._drop(key, address)
        self._many = max(_MANY, 2 * len(self._entries))

    @cached_property
    def _finalizer(self) -> _Finalizer | None:
        life = self._life
        if life.symbol("runtime.SetFinalizer") is None:
            return None
        types = TypeMaker(life)
        pointer_type = types.pointer_to_opaque("python.function", HANDLE_SIZE, ())
        value = life.type_area.store(self._image(_Entry(self._finalize, None)))
        return _Finalizer(pointer_type, types.function([pointer_type]), value)
