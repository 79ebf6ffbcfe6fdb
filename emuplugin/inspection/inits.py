"""Package initialisation: which packages have some, in which order, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from emuplugin.errors import FormatError
from emuplugin.inspection.module import Module
from emuplugin.runtime_shims.runtime_packages import is_of_runtime

_MAX_FUNCTIONS: Final = 1 << 16


@dataclass(frozen=True)
class InitFunction:
    """A function that runs when the plugin is opened: ``pkg.init`` gives variables their first
    values, ``pkg.init.0`` and on are the ``func init()`` of the source. ``calls`` names the
    functions that it calls directly, in the order of the code."""

    name: str
    address: int
    calls: tuple[str, ...]


@dataclass(frozen=True)
class PackageInit:
    """A package's initialisation."""

    package: str
    functions: tuple[InitFunction, ...]


def init_tasks(module: Module) -> Iterator[tuple[int, ...]]:
    """The entries of the functions of each task, in the linker's order.

    ``moduledata.inittasks`` (Go 1.21) points to {state, nfns uint32, fns [nfns]uintptr}
    (``runtime/proc.go: doInit1``).
    """
    for address in module.slice("inittasks", 8).cast("Q"):
        count = module.image.read_u32(address + 4)
        if count > _MAX_FUNCTIONS:
            raise FormatError(f"an init task of {count} functions")
        yield tuple(module.image.words(address + 8, count))


def package_inits(
    module: Module,
    name_at: Callable[[int], str],
    package_at: Callable[[int], str],
    calls_of: Callable[[int], Sequence[str]],
) -> list[PackageInit]:
    """The initialisation in the order in which it runs: the runtime and what is below it first,
    as in ``runtime.main``, then all others as listed."""
    found = []
    for entries in init_tasks(module):
        functions = tuple(
            InitFunction(name_at(entry), entry, tuple(calls_of(entry))) for entry in entries
        )
        if functions:
            found.append(PackageInit(package_at(entries[0]), functions))
    return sorted(found, key=lambda init: not is_of_runtime(init.package))
