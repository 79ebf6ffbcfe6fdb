"""What a machine has done so far: a snapshot that can be looked at, compared and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .runtime_shims.kernel.kernel import Kernel

#: Of the JSON; it grows when something that was there goes or changes its meaning.
VERSION: Final = 1
_PAGE: Final = 4096
_STARTS_AT: Final = 1_000_000_000  # what the clock shows when a machine starts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the plugin asked for and did not get: ``name`` is the system call (or
    ``syscall NUMBER`` if there is none), ``detail`` what it was about."""

    name: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file of the guest, by path, and what was done: ``access`` is ``read``, ``write``,
    ``create``, ``remove``, ``list``, ``stat``, or ``missing``: it was asked for, and is not
    there."""

    path: str
    access: str
    count: int


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """``kind`` is such as ``tcp connect``, ``outcome`` such as ``granted`` or ``refused``."""

    kind: str
    address: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class ProcessAttempt:
    """A process that was to be started, or something that only processes do."""

    name: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a machine has done since it began (or since its reset).

    ``syscalls``: how often each system call was made, by name. ``refused``, ``files``,
    ``connections``, ``processes``: what was asked for, each with a count, in the order of the
    first time. Each list has at most 10,000 entries; ``left_out`` says how many more times there
    was something else, by list.

    ``output_bytes``: written to standard output and error. ``host_seconds``: of the host, in
    opening and calls. ``virtual_seconds``: that passed on the machine's clock.
    ``instructions``: of the guest. ``memory_bytes`` and ``memory_peak_bytes``: guest memory that
    is present, and the most that was.
    """

    syscalls: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    files: tuple[FileUse, ...] = ()
    connections: tuple[ConnectionAttempt, ...] = ()
    processes: tuple[ProcessAttempt, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    output_bytes: int = 0
    host_seconds: float = 0.0
    virtual_seconds: float = 0.0
    instructions: int = 0
    memory_bytes: int = 0
    memory_peak_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The report as lists, dicts, texts and numbers."""
        document = asdict(self)
        for name in ("refused", "files", "connections", "processes"):
            document[name] = list(document[name])
        return {"version": VERSION, **document}

    def to_json(self, *, indent: int | None = None) -> str:
        """The report as JSON; docs/report-schema.json describes it."""
        return json.dumps(self.to_dict(), indent=indent)

    def _repr_html_(self) -> str:
        from .explaining.notebook import report_html

        return report_html(self)

    def __rich__(self) -> Any:
        """As a table, for rich's ``print``."""
        from .report_table import table

        return table(self)


def take(kernel: Kernel, host_seconds: float) -> Report:
    """The report of a machine as it is now."""
    record = kernel.report
    # Lists first: a call in another thread may add to what is looked at.
    refusals, files = list(record.refusals.counts.items()), list(record.files.counts.items())
    connections = list(record.connections.counts.items())
    processes = list(record.processes.counts.items())
    left_out = {
        "refused": record.refusals.left_out,
        "files": record.files.left_out,
        "connections": record.connections.left_out,
        "processes": record.processes.left_out,
    }
    return Report(
        syscalls=dict(sorted(kernel.calls.items())),
        refused=tuple(Refusal(*key, count) for key, count in refusals),
        files=tuple(FileUse(*key, count) for key, count in files),
        connections=tuple(ConnectionAttempt(*key, count) for key, count in connections),
        processes=tuple(ProcessAttempt(*key, count) for key, count in processes),
        left_out={name: count for name, count in left_out.items() if count},
        output_bytes=kernel.standard.written,
        host_seconds=host_seconds,
        virtual_seconds=(kernel.clock.now - _STARTS_AT) / 1e9,
        instructions=kernel.instructions,
        memory_bytes=kernel.space.present_pages * _PAGE,
        memory_peak_bytes=kernel.space.peak_pages * _PAGE,
    )
