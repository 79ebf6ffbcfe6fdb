"""Packages: which there are, and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.inspection.functions import Function

OWN: Final = "own"
STANDARD: Final = "standard"
THIRD_PARTY: Final = "third-party"

_UNNAMED: Final = "plugin/unnamed-"


#: Not packages: what the compiler calls the shapes of type arguments.
NOT_PACKAGES: Final = frozenset({"", "go.shape", "go"})


@dataclass(frozen=True)
class Package:
    """A package of the plugin.

    ``origin`` is ``own`` (of the main module), ``standard`` or ``third-party``; ``module`` and
    ``version`` name the module that it comes from, where the build info tells. ``functions`` is
    their number, ``size`` that of their code in bytes.
    """

    path: str
    origin: str
    module: str
    version: str
    functions: int
    size: int


class Origins:
    """Tells whose a package is.

    The modules of the build info come first, the longest path that fits. What belongs to none of
    them is of the standard library if its source lies in GOROOT, as that of the runtime does, or,
    where ``-trimpath`` hides that, if the path's first element has no dot: cmd/go keeps
    such paths for the standard library, and import paths of modules elsewhere begin with a domain.
    """

    def __init__(self, info: BuildInfo | None, plugin_path: str, goroot: str | None) -> None:
        self._plugin_path = plugin_path
        self._main = "" if info is None else info.main.path
        self._path = "" if info is None else info.path
        self._modules = {} if info is None else {module.path: module for module in info.deps}
        self._goroot = goroot
        self._known: dict[str, str] = {}

    def origin(self, package: str, file: str = "") -> str:
        """``own``, ``standard`` or ``third-party``; ``file`` is a source file of the package."""
        found = self._known.get(package)
        if found is None:
            found = self._known[package] = self._find(package, file)
        return found

    def _find(self, package: str, file: str) -> str:
        if package in NOT_PACKAGES:
            return STANDARD
        if self._is_own(package):
            return OWN
        if self.module(package) is not None:
            return THIRD_PARTY
        if self._goroot and file.startswith("/"):
            return STANDARD if file.startswith(self._goroot) else THIRD_PARTY
        return THIRD_PARTY if "." in package.partition("/")[0] else STANDARD

    def _is_own(self, package: str) -> bool:
        if package in ("main", self._plugin_path, self._path) or package.startswith(_UNNAMED):
            return True
        return (
            bool(self._main) and _is_below(package, self._main) and (self.module(package) is None)
        )

    def module(self, package: str) -> Module | None:
        """The dependency that a package comes from, None for the main module's and others."""
        path = package
        while path:
            if path == self._main:
                return None
            if path in self._modules:
                return self._modules[path]
            path = path.rpartition("/")[0]
        return None


def _is_below(package: str, module: str) -> bool:
    return package == module or package.startswith(f"{module}/")


def packages(
    functions: Iterable[Function], more: Iterable[str], origins: Origins
) -> Iterator[Package]:
    """The packages that functions belong to and ``more``, by path."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for function in functions:
        counts[function.package] += 1
        sizes[function.package] += function.size
    for path in sorted({*counts, *more} - NOT_PACKAGES):
        module = origins.module(path)
        yield Package(
            path,
            origins.origin(path),
            module.path if module else "",
            module.version if module else "",
            counts[path],
            sizes[path],
        )


def goroot_of(files: Iterable[str]) -> str | None:
    """Where the standard library's source lay, from where the runtime's files lay; None with
    ``-trimpath``, which leaves such paths relative."""
    counted: Counter[str] = Counter()
    for file in files:
        head, mark, _ = file.rpartition("/runtime/")
        if mark and head.startswith("/"):
            counted[f"{head}/"] += 1
    return counted.most_common(1)[0][0] if counted else None
