"""IsolatedMachine: a machine whose emulator runs in a worker process."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final, NoReturn

from emuplugin.elf.file import ElfFile
from emuplugin.errors import (
    BusyError,
    ConfigurationError,
    EmupluginError,
    IsolationError,
    OpenError,
    SnapshotError,
    UnsupportedGoVersionError,
)
from emuplugin.isolation import values
from emuplugin.isolation.connection import MACHINE, Connection
from emuplugin.isolation.files import RemoteFiles
from emuplugin.isolation.info import Isolation
from emuplugin.isolation.plugin import RemotePlugin, make_plugin
from emuplugin.isolation.snapshot import RemoteSnapshot
from emuplugin.isolation.symbols import (
    RemoteFunction,
    RemoteMethod,
    RemoteTypeObject,
    RemoteVariable,
)
from emuplugin.isolation.things import Kind, Op
from emuplugin.machine import Isolate, Machine, signal_number
from emuplugin.opening import real_path
from emuplugin.report import Report
from emuplugin.runtime_shims.layouts.tables import candidates, is_measured
from emuplugin.sandbox import Sandbox

_MAKERS: Final[dict[int, Any]] = {
    Kind.VARIABLE: RemoteVariable,
    Kind.FUNCTION: RemoteFunction,
    Kind.METHOD: RemoteMethod,
    Kind.STRUCT: values.RemoteStruct,
    Kind.ARRAY: values.RemoteArray,
    Kind.SLICE: values.RemoteSlice,
    Kind.MAP: values.RemoteMap,
    Kind.POINTER: values.RemotePointer,
    Kind.INTERFACE: values.RemoteInterface,
    Kind.CHANNEL: values.RemoteChannel,
    Kind.UNSAFE_POINTER: values.RemoteUnsafePointer,
    Kind.TYPE_OBJECT: RemoteTypeObject,
    Kind.PLUGIN: make_plugin,
    Kind.ERROR: values.RemoteError,
    Kind.ITERATOR: values.RemoteIterator,
}


class IsolatedMachine(Machine):
    """``Machine(sandbox, isolate="process")``: see there.

    What differs: each use of a value is a message to the worker and back. Buffers of slices
    (``memoryview``, NumPy) are read-only copies, and the ``[]byte`` that a callback gets is copied
    back when it returns. While a call runs, other threads wait with whatever they ask. There is no
    guest memory in this process: ``memory``, ``program``, ``context`` and ``symbol`` raise
    IsolationError.
    """

    def __init__(
        self,
        sandbox: Sandbox | None = None,
        *,
        isolate: Isolate | None = None,
        cache: bool = True,
    ) -> None:
        self.sandbox = sandbox or Sandbox()
        if self.sandbox.network.handler is not None:
            raise ConfigurationError(
                "a handler in Python and isolate='process' do not go together: the handler's"
                " connections would live in the worker",
                key="network.handler",
            )
        self._opened: dict[str, RemotePlugin] = {}
        self._last_report = Report()
        self._end = Connection(self.sandbox, _MAKERS)

    def __repr__(self) -> str:
        paths = ", ".join(self._opened)
        return f"<Machine in process {self._end.pid}: {self.state}{'; ' + paths if paths else ''}>"

    def __del__(self) -> None:
        if hasattr(self, "_end"):
            self._end.close()

    @property
    def isolation(self) -> Isolation:
        plan: Any = self._end.plan
        return Isolation("process", self._end.pid, **plan)

    @property
    def state(self) -> str:
        return self._end.state

    @property
    def report(self) -> Report:
        if self._end.over:
            return self._last_report
        found: Report = self._ask("report")
        return found

    @property
    def instructions(self) -> int:
        return self.report.instructions

    @property
    def plugins(self) -> tuple[RemotePlugin, ...]:
        return tuple(self._opened.values())

    @property
    def files(self) -> RemoteFiles:
        return RemoteFiles(self._end, MACHINE)

    @property
    def listening(self) -> Any:
        return self._ask("listening")

    def open(self, path: str | os.PathLike[str]) -> RemotePlugin:
        name = os.fspath(path)
        with self._end.lock:
            self._end.check_alive()
            where = real_path(name)
            known = self._opened.get(where)
            if self.state == "dead":
                self._ask("check_alive")
            if known is not None:
                return known
            try:
                file = ElfFile.open(where)
                info = file.build_info
            except OpenError as error:
                error.path = error.path or name
                raise
            dwarf = info is None or not _has_table(info.go_version)
            plugin: RemotePlugin = self._end.ask(
                Op.OPEN, MACHINE, name, where, bytes(file.data), dwarf=dwarf
            )
            plugin.settle(self, where)
            self._opened[where] = plugin
            return plugin

    def reset(self) -> None:
        with self._end.lock:
            self._check_between_calls("reset")
            self._ask("reset")
            for path, plugin in self._opened.items():
                plugin.settle(self, path)

    def snapshot(self) -> RemoteSnapshot:  # type: ignore[override]
        with self._end.lock:
            self._check_between_calls("taken a snapshot of")
            if dropped := RemoteSnapshot.dropped(self._end):
                self._ask("drop_snapshots", dropped)
            number, instructions, memory = self._ask("snapshot")
            return RemoteSnapshot(self._end, number, instructions, memory, dict(self._opened))

    def restore(self, snapshot: Any) -> None:
        with self._end.lock:
            self._check_between_calls("restored")
            if not isinstance(snapshot, RemoteSnapshot) or not snapshot.is_of(self._end):
                raise SnapshotError("the snapshot is of another machine")
            self._ask("restore", snapshot.number)
            self._opened = dict(snapshot.opened)
            for path, plugin in self._opened.items():
                plugin.settle(self, path)

    def clone(self) -> Machine:
        with self._end.lock:
            self._end.check_alive()
            raise RemoteSnapshot.refusal()

    def _check_between_calls(self, done: str) -> None:
        if self._end.busy:
            raise BusyError(f"a machine cannot be {done} from inside a call into it")

    def close(self) -> None:
        with self._end.lock:
            if not self._end.over:
                # Closed machines have a report too.
                with suppress(EmupluginError):
                    self._last_report = self._ask("report")
            self._end.close()

    def interrupt(self) -> None:
        if self._end.busy:
            self._end.interrupt()

    def send_signal(self, signal: str | int) -> None:
        number = signal_number(signal)
        if self._end.busy:
            self._end.send_signal(number)
        else:
            self._ask("send_signal", number)

    def run_goroutines(self, seconds: float | None = None) -> None:
        self._ask("run_goroutines", seconds)

    def _ask(self, name: str, *args: Any) -> Any:
        return self._end.ask(Op.MACHINE, MACHINE, name, *args)

    # --- what is not in this process ----------------------------------------------------------

    @property
    def program(self) -> NoReturn:
        self._elsewhere()

    @property
    def context(self) -> NoReturn:
        self._elsewhere()

    @property
    def memory(self) -> NoReturn:
        self._elsewhere()

    def symbol(self, name: str) -> NoReturn:
        self._elsewhere()

    def trace(self, **what: Any) -> NoReturn:
        self._end.check_alive()
        raise IsolationError(
            "a machine in another process cannot be traced: trace the same calls in a "
            "Machine(sandbox) without isolate"
        )

    def _elsewhere(self) -> NoReturn:
        self._end.check_alive()
        raise IsolationError("this machine is in another process: its memory is not here")


def _has_table(version: str) -> bool:
    """Whether the layouts of a Go version are shipped, so that nobody need read DWARF."""
    try:
        return bool(candidates(version)) and is_measured(version)
    except UnsupportedGoVersionError:
        return False
