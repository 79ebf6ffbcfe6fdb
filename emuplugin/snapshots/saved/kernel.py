"""What the kernel remembers: numbers and texts, the report, what was printed; and its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from emuplugin.runtime_shims.kernel.fs.node import Node
from emuplugin.runtime_shims.kernel.kernel import Kernel
from emuplugin.runtime_shims.kernel.record import Bounded, KernelReport
from emuplugin.runtime_shims.kernel.signals import Action

from .objects import Keeper, Maker
from .reasons import looks_at_files
from .threads import load_pending, save_pending
from .tree import Changes, nodes, parts


def save_kernel(kernel: Kernel) -> dict[str, Any]:
    """All but threads and objects."""
    identity = kernel.identity
    return {
        "mmap next": kernel.mmap_next,
        "brk": kernel.brk,
        "niceness": kernel.niceness,
        "identity": [identity.group, identity.session, identity.umask],
        "settings": [*kernel.settings.items()],
        "calls": dict(kernel.calls),
        "refused": dict(kernel.refused),
        "report": [_save_list(entries) for entries in _lists(kernel.report)],
        "resources": [*kernel.resources.values],
        "actions": _save_actions(kernel.signals.actions),
        "pending": save_pending(kernel.signals.shared),
        "output": kernel.standard.written,
        "printed": [(number, data.hex()) for number, data in kernel.standard.printed.parts],
    }


def load_kernel(kernel: Kernel, saved: Mapping[str, Any]) -> None:
    """Let the kernel remember this."""
    kernel.mmap_next, kernel.brk = saved["mmap next"], saved["brk"]
    kernel.niceness, kernel.settings = saved["niceness"], dict(saved["settings"])
    identity = kernel.identity
    identity.group, identity.session, identity.umask = saved["identity"]
    kernel.calls, kernel.refused = Counter(saved["calls"]), Counter(saved["refused"])
    for entries, kept in zip(_lists(kernel.report), saved["report"], strict=True):
        _load_list(entries, kept)
    kernel.resources.values = [(soft, hard) for soft, hard in saved["resources"]]
    kernel.signals.actions = {
        number: Action(*action) for numbers, *action in saved["actions"] for number in numbers
    }
    kernel.signals.shared = load_pending(saved["pending"])
    kernel.standard.written = saved["output"]
    for number, data in saved["printed"]:
        kernel.standard.printed.add(kernel.standard.all[number].number, bytes.fromhex(data))


def _save_actions(actions: Mapping[int, Action]) -> list[list[Any]]:
    """The runtime asks for the same with nearly every signal."""
    numbers: dict[Action, list[int]] = {}
    for number, action in actions.items():
        numbers.setdefault(action, []).append(number)
    return [[same, *action] for action, same in numbers.items()]


def _lists(report: KernelReport) -> tuple[Bounded[Any], ...]:
    return report.refusals, report.files, report.connections, report.processes


def _save_list(entries: Bounded[Any]) -> list[Any]:
    return [[[*entry, count] for entry, count in entries.counts.items()], entries.left_out]


def _load_list(entries: Bounded[Any], saved: list[Any]) -> None:
    counts, entries.left_out = saved
    for *entry, count in counts:
        entries.counts[tuple(entry)] = count


# --- objects ------------------------------------------------------------------------------------


class Objects:
    """The open files of a kernel, the changes of its file tree, and what else refers to those."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._changes = Changes(kernel.tree) if looks_at_files(kernel) else None
        self._names = {id(thing): name for name, thing in _known(kernel).items()}
        if self._changes is not None:
            self._names |= {id(thing): name for name, thing in parts(kernel.tree).items()}
        self.keeper = Keeper(self._name)

    def _name(self, thing: object) -> str | None:
        if isinstance(thing, Node):
            return None if self._changes is None else self._changes.name(thing)
        return self._names.get(id(thing))

    def save(self) -> dict[str, Any]:
        """All that the keeper was asked for, too. Raises UnkeptError."""
        keeper = self.keeper
        known = [(name, keeper.state(thing)) for name, thing in _with_state(self._kernel)]
        changed = {} if self._changes is None else self._changes.describe(keeper)
        return {
            "made": keeper.describe(),
            "known": known,
            "tree": [*changed.items()] if changed or keeper.nodes() else None,
        }


def load_objects(kernel: Kernel, saved: Mapping[str, Any]) -> Maker:
    """Put the objects back; the maker knows them."""
    known, tree = _known(kernel), saved["tree"]
    if tree is not None:
        known |= parts(kernel.tree) | nodes(kernel.tree)
    maker = Maker(known, saved["made"])
    for name, state in (*saved["known"], *(tree or ())):
        maker.change(name, state)
    return maker


def _known(kernel: Kernel) -> dict[str, object]:
    return {"kernel": kernel, **dict(_with_state(kernel))}


def _with_state(kernel: Kernel) -> list[tuple[str, object]]:
    streams = [(f"stream {stream.number}", stream) for stream in kernel.standard.all]
    return [("files", kernel.files), *streams]
