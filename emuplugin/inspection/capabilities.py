"""What a plugin can do, with evidence: a way through its calls to the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emuplugin.inspection.calls import SURE, CallGraph, Edge
from emuplugin.inspection.functions import ASSEMBLY, C, Function
from emuplugin.inspection.names import package_of
from emuplugin.inspection.packages import STANDARD
from emuplugin.inspection.sinks import NOT_FOLLOWED, SINKS, Patterns, Sink
from emuplugin.inspection.types import Type

CERTAIN: Final = "certain"
POSSIBLE: Final = "possible"
PRESENT: Final = "present"

# What the compiler puts in for package unsafe's functions and for conversions of pointers.
_UNSAFE_CHECKS: Final = Patterns("runtime.unsafeslice* runtime.unsafestring* runtime.panicunsafe*")
_UNSAFE_REFLECT: Final = Patterns(
    "reflect.NewAt reflect.Value.UnsafePointer reflect.Value.UnsafeAddr reflect.Value.Pointer"
)


@dataclass(frozen=True)
class Capability:
    """Something that the plugin can do.

    ``certainty`` is ``certain`` where calls and references lead there from an export or an init
    function of the plugin's own or third-party packages, ``possible`` where the way goes through
    an interface, ``present`` where such code is in the plugin but no way to it was found.
    ``entry`` is where the way begins: ``export NAME``, ``init``, or empty. ``path`` names the
    functions on it, the last being the one that gives the capability; ``note`` says more, such as
    how it was inferred.
    """

    name: str
    summary: str
    certainty: str
    entry: str
    path: tuple[str, ...]
    note: str = ""


class CapabilityFinder:
    """Searches the call graph. ``origin`` tells whose a package is; ``roots`` are the functions
    that run or can be looked up: (function, how: ``export F`` or ``init``)."""

    def __init__(
        self,
        graph: CallGraph,
        functions: Sequence[Function],
        types: Sequence[Type],
        roots: Mapping[str, str],
        origin: Callable[[str], str],
    ) -> None:
        self._graph = graph
        self._functions = functions
        self._by_name = {function.name: function for function in functions}
        self._types = types
        self._roots = list(roots)
        self._how = roots
        self._origin = origin
        self._blocked = Patterns(NOT_FOLLOWED)
        self._foreign = [
            function.name
            for function in functions
            if function.language != C and function.package and self._is_foreign(function.name)
        ]
        self._sure = graph.reachable(self._roots, interfaces=False)
        self._maybe: set[str] | None = None

    def find(self) -> Iterator[Capability]:
        """The capabilities, in the order of the table; those that need no calls behind."""
        for sink in SINKS:
            found = self._direct(sink) if sink.direct else self._through(sink)
            if found is not None:
                yield found
        yield from self._assembly()
        yield from self._cgo()
        yield from self._unsafe()

    def _is_foreign(self, function: str) -> bool:
        """Whether a function is outside the standard library."""
        package = package_of(function)
        return bool(package) and self._origin(package) != STANDARD

    def _is_written_in(self, edge: Edge) -> bool:
        """Whether the source of an edge is outside the standard library too: its code may be a
        function of the library that was merged into another's."""
        function = self._by_name.get(edge.caller)
        if function is None or not edge.address:
            return True
        frames = function.frames(edge.address)
        return not frames or self._is_foreign(frames[0].function)

    # --- by calls ---------------------------------------------------------------------------

    def _through(self, sink: Sink) -> Capability | None:
        wanted = Patterns(sink.functions)
        for certainty, starts, interfaces in (
            (CERTAIN, self._roots, False),
            (POSSIBLE, self._roots, True),
            (PRESENT, self._foreign, False),
        ):
            path = self._graph.search(
                starts,
                wanted.__contains__,
                interfaces=interfaces,
                passable=lambda name: name not in self._blocked,
            )
            if path:
                return self._capability(sink, certainty, path)
        return None

    def _direct(self, sink: Sink) -> Capability | None:
        """A sink that only counts one step from code outside the standard library."""
        wanted = Patterns(sink.functions)
        found: Edge | None = None
        best = len(_ORDER)
        for name in self._foreign:
            rank = self._rank(name)
            if rank >= best:
                continue
            edge = next(
                (
                    edge
                    for edge in self._graph.callees(name)
                    if edge.kind in SURE and edge.callee in wanted and self._is_written_in(edge)
                ),
                None,
            )
            if edge is not None:
                found, best = edge, rank
                if best == 0:
                    break
        return None if found is None else self._with_way(sink.name, sink.summary, found)

    def _rank(self, name: str) -> int:
        if name in self._sure:
            return 0
        if self._maybe is None:
            self._maybe = self._graph.reachable(self._roots)
        return 1 if name in self._maybe else 2

    def _with_way(self, name: str, summary: str, edge: Edge, note: str = "") -> Capability:
        """The capability that ``edge`` shows, with the way to its caller."""
        certainty, way = self._way_to(edge.caller)
        return self._make(name, summary, certainty, (*way, edge.callee), note)

    def _make(
        self, name: str, summary: str, certainty: str, path: tuple[str, ...], note: str = ""
    ) -> Capability:
        entry = self._how.get(path[0], "")
        return Capability(name, summary, certainty, entry, path, note)

    def _way_to(self, function: str) -> tuple[str, tuple[str, ...]]:
        rank = self._rank(function)
        if rank == 2:
            return PRESENT, (function,)
        path = self._graph.search(self._roots, lambda name: name == function, interfaces=rank == 1)
        certainty = _ORDER[rank]
        return certainty, (*(edge.caller for edge in path or ()), function)

    def _capability(self, sink: Sink, certainty: str, path: tuple[Edge, ...]) -> Capability:
        names = (*(edge.caller for edge in path), path[-1].callee)
        return self._make(sink.name, sink.summary, certainty, names)

    # --- by what is there -------------------------------------------------------------------

    def _assembly(self) -> Iterator[Capability]:
        found = [
            function.name
            for function in self._functions
            if function.language == ASSEMBLY and self._is_foreign(function.name)
        ]
        if found:
            yield self._listed("assembly", "runs assembly of its own", found, "function")

    def _cgo(self) -> Iterator[Capability]:
        found = [
            function.name
            for function in self._functions
            if "._Cfunc_" in function.name and self._is_foreign(function.name)
        ]
        if found:
            yield self._listed("cgo", "calls C code", found, "C function")

    def _listed(self, name: str, summary: str, found: list[str], what: str) -> Capability:
        first = min(found, key=self._rank)
        certainty, way = self._way_to(first)
        count = f"{len(found)} {what}{'s' if len(found) != 1 else ''}"
        return self._make(name, summary, certainty, way, count)

    def _unsafe(self) -> Iterator[Capability]:
        """Package unsafe leaves no calls: only checks, types and linknames tell of it."""
        for name in sorted(self._foreign, key=self._rank):
            for edge in self._graph.callees(name):
                wanted = edge.callee in _UNSAFE_CHECKS or edge.callee in _UNSAFE_REFLECT
                if wanted and self._is_written_in(edge):
                    note = f"inferred: {edge.callee} is what package unsafe needs"
                    yield self._with_way("unsafe", _UNSAFE, edge, note)
                    return
        for function in self._functions:
            if self._is_linknamed(function):
                certainty, way = self._way_to(function.name)
                note = f"inferred: its source is {function.file}, so go:linkname gave it the name"
                yield self._make("unsafe", _UNSAFE, certainty, way, note)
                return
        for type_ in self._types:
            if not type_.package or self._origin(type_.package) == STANDARD:
                continue
            field = next((f for f in type_.fields if "unsafe.Pointer" in f.type), None)
            if field is not None:
                note = f"inferred: {type_.name} has the field {field.name} {field.type}"
                yield self._make("unsafe", _UNSAFE, PRESENT, (type_.name,), note)
                return

    def _is_linknamed(self, function: Function) -> bool:
        """Whether a function of another's package has its source in the runtime."""
        return (
            self._is_foreign(function.name)
            and "/runtime/" in f"/{function.file}"
            and (function.file.startswith("runtime/") or "/src/runtime/" in function.file)
        )


_ORDER: Final = (CERTAIN, POSSIBLE, PRESENT)
_UNSAFE: Final = "uses package unsafe or go:linkname"
