"""What to observe: the observers of a trace and their filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypedDict

from emuplugin.inspection.names import package_of

if TYPE_CHECKING:
    import os

    from .events import Event

#: Which functions: True for all of the plugin's own packages, or patterns of names such as
#: ``main.*``, ``net/http.(*Server).*``, ``encoding/json``; ``*`` for all, ``own`` as True.
Pattern = bool | str | Sequence[str]


@dataclass(frozen=True)
class What:
    """The observers that are on; see :meth:`emuplugin.Machine.trace`."""

    syscalls: bool = False
    calls: Pattern = False
    goroutines: bool = False
    allocations: bool = False
    gc: bool = False
    panics: bool = False
    inits: bool = False
    instructions: Pattern = False
    watch: str | Sequence[str] = ()
    blocks: Pattern = False
    profile: int = 0
    output: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.profile, bool) or self.profile < 0:
            raise ValueError(f"profile={self.profile!r}: must be a number of instructions")
        if self.instructions is True:
            raise ValueError(
                "instructions=True: name the functions, such as instructions='main.Add'; "
                "each of their instructions becomes an event"
            )

    @property
    def nothing(self) -> bool:
        """Whether no observer is on."""
        return not any(getattr(self, field.name) for field in fields(self))

    def as_dict(self) -> dict[str, Any]:
        """Those that are on."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value}


class Observed(TypedDict, total=False):
    """The keyword arguments of :meth:`emuplugin.Machine.trace`."""

    syscalls: bool
    calls: Pattern
    goroutines: bool
    allocations: bool
    gc: bool
    panics: bool
    inits: bool
    instructions: Pattern
    watch: str | Sequence[str]
    blocks: Pattern
    profile: int
    output: bool
    limit: int
    on_event: Callable[[Event], None] | None
    file: str | os.PathLike[str] | None


#: What :func:`emuplugin.trace` and the command line observe when nothing is said.
DEFAULT = What(syscalls=True, calls=True, goroutines=True, panics=True, output=True)


def patterns(pattern: Pattern | Iterable[str]) -> tuple[str, ...]:
    """The patterns of a filter; empty for a bool."""
    if isinstance(pattern, bool):
        return ()
    return (pattern,) if isinstance(pattern, str) else tuple(pattern)


def matcher(pattern: Pattern, own: Callable[[str], bool]) -> Callable[[str], bool]:
    """Whether a function's name, as the source has it, is meant. ``own`` tells whether a package is
    one of the plugin's own.

    A pattern without a function means the whole package: ``encoding/json``. Only ``*`` and ``?``
    stand for something else: ``[`` is in the names of generic functions.
    """
    given = ("own",) if pattern is True else patterns(pattern)
    wanted = [text.replace("[", "[[]") for text in given if text != "own"]

    def fits(name: str) -> bool:
        package = package_of(name)
        if "own" in given and own(package) and not name.startswith(("type:", "go:")):
            return True
        return any(fnmatchcase(name, text) or package == text for text in wanted)

    return fits
