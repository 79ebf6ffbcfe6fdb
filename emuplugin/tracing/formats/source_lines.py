"""Lines of source by file: which have code, and how often they ran. What lcov, cover profiles and
the source view are made of.

A line has run as often as its code: the sum over the copies that the compiler made of it (by
inlining, and of generic functions), and in each copy the most that any of its instructions did.
Lines without instructions of their own are not there: comments and declarations, but also what the
compiler has merged or removed, or, in functions that nothing calls, the linker. Neither are lines
that have instructions in some copy only that never ran, while another copy did: whether these
lines ran nobody can tell.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from emuplugin.elf.pclntab import Func
from emuplugin.errors import ConfigurationError
from emuplugin.inspection.names import package_of
from emuplugin.inspection.packages import goroot_of
from emuplugin.tracing.copies import Copy, copies

from .standard import is_standard

if TYPE_CHECKING:
    from emuplugin.tracing.functions import ModuleCode
    from emuplugin.tracing.trace import Trace

_SOURCES: Final = (".go", ".s")


@dataclass
class SourceFunction:
    """A function: the line it begins on, and how often it was entered, inlined or not."""

    name: str
    line: int
    count: int


@dataclass
class SourceFile:
    """A file as the compiler named it, and its lines: how often each ran, 0 for those that have
    code which did not. ``functions`` begin in it, in order."""

    path: str
    package: str
    lines: dict[int, int] = field(default_factory=dict)
    functions: list[SourceFunction] = field(default_factory=list)

    @property
    def hit(self) -> int:
        """How many lines ran."""
        return sum(1 for count in self.lines.values() if count)

    @property
    def share(self) -> float:
        """The part of the lines that ran, 0 to 1."""
        return self.hit / len(self.lines) if self.lines else 0.0


# --- all of a trace -----------------------------------------------------------------------------


def source_files(
    trace: Trace, packages: str | Sequence[str] | None = None, standard: bool = False
) -> list[SourceFile]:
    """The source files that a trace with ``blocks`` tells of, by name.

    ``packages`` are patterns (``example.com/*``) of the packages to show; the plugin's own is
    "main", and goes by its path as well. Without them it is every package in which something ran;
    those of the standard library only if ``standard`` says so, or if nothing else ran. Raises
    :class:`ConfigurationError` where the trace has no blocks, or no package fits.
    """
    if not trace.coverage:
        raise ConfigurationError("the trace has no blocks: trace with blocks=True")
    patterns = (packages,) if isinstance(packages, str) else packages
    code = _Code(trace)
    files = code.files(code.chosen(patterns, standard))
    if not files:
        wanted = f"packages {', '.join(patterns)}" if patterns else "a package with source"
        ran = ", ".join(sorted(code.ran)[:20]) or "none"
        raise ConfigurationError(f"nothing of {wanted} is in the trace; packages that ran: {ran}")
    return files


class _Code:
    """The code of all opened files, by source. A folder holds the source of one package."""

    def __init__(self, trace: Trace) -> None:
        self._coverage = trace.coverage
        self._idle: list[tuple[Func, ModuleCode]] = []
        self._copies: list[Copy] = []
        #: The names of the package in each folder: the path of a plugin's own is another.
        self._names: dict[str, tuple[str, ...]] = {}
        #: The folders of which something ran, and whether they are the standard library's.
        self._ran: dict[str, bool] = {}
        blocks = sorted(trace.coverage)
        for module in trace.functions.modules:
            known = len(self._copies)
            for function in module.table:
                self._name(_folder(function.start_file), module.name(function.name), module)
                at = bisect_left(blocks, function.entry)
                if at < len(blocks) and blocks[at] < function.end:
                    self._copies += copies(function, self._coverage.counts, module.name)
                elif trace.coverage.watched(function.entry):
                    self._idle.append((function, module))
            runtime = (f for f in module.table if f.name.startswith("runtime."))
            goroot = goroot_of(function.start_file for function in runtime)
            for copy in self._copies[known:]:
                for (path, _), count in copy.lines.items():
                    folder = _folder(path)
                    # All functions of a package may have been inlined.
                    self._name(folder, copy.function, module)
                    if count and folder is not None and folder not in self._ran:
                        package = self._names.get(folder, ("",))[0]
                        path_of = module.plugin_path
                        self._ran[folder] = is_standard(package, path, path_of, goroot)

    def _name(self, folder: str | None, function: str, module: ModuleCode) -> None:
        if folder is not None and folder not in self._names:
            package = package_of(function)
            if package:
                more = (module.plugin_path,) if package == "main" else ()
                self._names[folder] = (package, *more)

    @property
    def ran(self) -> set[str]:
        """The packages in which something ran."""
        return {self._names[folder][0] for folder in self._ran if folder in self._names}

    def chosen(self, patterns: Sequence[str] | None, standard: bool) -> frozenset[str]:
        """The folders of the packages to show."""
        if patterns:
            return frozenset(
                folder
                for folder, names in self._names.items()
                if any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
            )
        own = [folder for folder, is_go in self._ran.items() if not is_go]
        return frozenset(own if own and not standard else self._ran)

    def files(self, folders: frozenset[str]) -> list[SourceFile]:
        """The files in these folders, those with lines that have code."""
        found: dict[str, SourceFile] = {}
        same: dict[tuple[str, str], list[Copy]] = defaultdict(list)
        every = list(self._copies)
        for function, module in self._idle:
            if _folder(function.start_file) in folders:
                every += copies(function, self._coverage.counts, module.name)
        for copy in every:
            # Two plugins may have functions of the same name.
            path = next(iter(copy.lines), ("", 0))[0]
            same[copy.name, path].append(copy)
        for (_, path), group in same.items():
            self._add(found, path, group, folders)
        for file in found.values():
            file.lines = dict(sorted(file.lines.items()))
            file.functions.sort(key=lambda function: (function.line, function.name))
        return [file for _, file in sorted(found.items()) if file.lines]

    def _add(
        self, found: dict[str, SourceFile], path: str, same: list[Copy], folders: frozenset[str]
    ) -> None:
        """Add the lines of a function that begins in a file, of which these are the copies."""
        ran = [copy for copy in same if copy.ran]
        for copy in ran or same:
            for (place, line), count in copy.lines.items():
                folder = _folder(place)
                if folder in folders:
                    package = self._names.get(folder or "", ("",))[0]
                    file = found.setdefault(place, SourceFile(place, package))
                    file.lines[line] = file.lines.get(line, 0) + count
        if path in found:
            first = (ran or same)[0]
            line = first.start_line or min(line for place, line in first.lines if place == path)
            entered = sum(copy.entered for copy in same)
            found[path].functions.append(SourceFunction(first.name, line, entered))


def _folder(path: str) -> str | None:
    """The folder of a source file; None for what is none, as ``<autogenerated>``."""
    return path.rpartition("/")[0] if path.endswith(_SOURCES) else None
