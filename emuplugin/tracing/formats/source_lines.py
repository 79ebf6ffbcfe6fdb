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
    """The code of all opened files, by source."""

    def __init__(self, trace: Trace) -> None:
        self._coverage = trace.coverage
        self._idle: list[tuple[str, Func, ModuleCode]] = []
        self._copies: list[Copy] = []
        #: The package of each folder with source.
        self._packages: dict[str, str] = {}
        self._standard: dict[str, bool] = {}
        self._plugin_paths = {module.plugin_path for module in trace.functions.modules}
        blocks = sorted(trace.coverage)
        for module in trace.functions.modules:
            runtime = (f for f in module.table if f.name.startswith("runtime."))
            goroot = goroot_of(function.start_file for function in runtime)
            for function in module.table:
                package = package_of(module.name(function.name))
                folder = _folder(function.start_file)
                if package and folder is not None:
                    self._packages.setdefault(folder, package)
                at = bisect_left(blocks, function.entry)
                if at < len(blocks) and blocks[at] < function.end:
                    self._copies += copies(function, self._coverage.counts, module.name)
                elif trace.coverage.watched(function.entry):
                    self._idle.append((package, function, module))
            for copy in self._copies:
                for (path, _), count in copy.lines.items():
                    self._note(copy, path, count, module.plugin_path, goroot)

    def _note(
        self, copy: Copy, path: str, count: int, plugin_path: str, goroot: str | None
    ) -> None:
        """Whether a package that ran is Go's own; folders whose functions are all inlined."""
        folder = _folder(path)
        if folder is None:
            return
        package = self._packages.setdefault(folder, package_of(copy.function))
        if count and package not in self._standard:
            self._standard[package] = is_standard(package, path, plugin_path, goroot)

    @property
    def ran(self) -> list[str]:
        """The packages in which something ran."""
        return list(self._standard)

    def chosen(self, patterns: Sequence[str] | None, standard: bool) -> frozenset[str]:
        """The packages to show."""
        if patterns:
            every = frozenset(self._packages.values())
            return frozenset(name for name in every if self._fits(name, patterns))
        own = [package for package, is_go in self._standard.items() if not is_go]
        return frozenset(own if own and not standard else self._standard)

    def _fits(self, package: str, patterns: Sequence[str]) -> bool:
        names = [package, *(self._plugin_paths if package == "main" else ())]
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    def files(self, packages: frozenset[str]) -> list[SourceFile]:
        """The files of these packages, those with lines that have code."""
        found: dict[str, SourceFile] = {}
        by_name: dict[str, list[Copy]] = defaultdict(list)
        for copy in self._copies:
            by_name[copy.name].append(copy)
        for package, function, module in self._idle:
            if package in packages:
                for copy in copies(function, self._coverage.counts, module.name):
                    by_name[copy.name].append(copy)
        for same in by_name.values():
            self._add(found, same, packages)
        for file in found.values():
            file.lines = dict(sorted(file.lines.items()))
            file.functions.sort(key=lambda function: (function.line, function.name))
        return [file for _, file in sorted(found.items()) if file.lines]

    def _add(
        self, found: dict[str, SourceFile], same: list[Copy], packages: frozenset[str]
    ) -> None:
        """Add the lines of a function, of which these are the copies."""
        ran = [copy for copy in same if copy.ran]
        for copy in ran or same:
            for (path, line), count in copy.lines.items():
                folder = _folder(path)
                if folder is not None and self._packages.get(folder) in packages:
                    file = found.setdefault(path, SourceFile(path, self._packages[folder]))
                    file.lines[line] = file.lines.get(line, 0) + count
        first = (ran or same)[0]
        path = next(iter(first.lines), ("", 0))[0]
        if path in found:
            line = first.start_line or min(line for file, line in first.lines if file == path)
            entered = sum(copy.entered for copy in same)
            found[path].functions.append(SourceFunction(first.name, line, entered))


def _folder(path: str) -> str | None:
    """The folder of a source file; None for what is none, as ``<autogenerated>``."""
    return path.rpartition("/")[0] if path.endswith(_SOURCES) else None
