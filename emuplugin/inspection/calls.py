"""Who calls whom: the graph of calls and references between functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

CALL: Final = "call"
TAIL_CALL: Final = "tail call"
INLINED: Final = "inlined"
REFERENCE: Final = "reference"
INTERFACE: Final = "interface"

SURE: Final = frozenset({CALL, TAIL_CALL, INLINED, REFERENCE})
"""Kinds of edges that stand in the code. An ``interface`` edge is a guess on the safe side."""


class Edge(NamedTuple):
    """One function leads to another.

    ``kind`` is ``call``, ``tail call`` (a jump), ``inlined`` (the callee's code was merged),
    ``reference`` (the function is taken as a value: called later, deferred, started as a goroutine,
    or handed on), or ``interface`` (a method of a type that the caller makes an interface value
    of: possible, not certain). ``address`` is where that stands in the code, 0 for inlined calls.
    """

    caller: str
    callee: str
    kind: str
    address: int


class CallGraph:
    """Functions by name, and the edges between them. C functions are there by their C names."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._callees: dict[str, list[Edge]] = {}
        self._callers: dict[str, list[Edge]] = {}
        self._count = 0
        for edge in edges:
            self._callees.setdefault(edge.caller, []).append(edge)
            self._callers.setdefault(edge.callee, []).append(edge)
            self._count += 1

    def __len__(self) -> int:
        """The number of edges."""
        return self._count

    def __iter__(self) -> Iterator[Edge]:
        for edges in self._callees.values():
            yield from edges

    def __repr__(self) -> str:
        return f"<CallGraph: {self._count:,} edges>"

    def callees(self, function: str) -> tuple[Edge, ...]:
        """The edges out of a function."""
        return tuple(self._callees.get(function, ()))

    def callers(self, function: str) -> tuple[Edge, ...]:
        """The edges into a function."""
        return tuple(self._callers.get(function, ()))

    def path(self, start: str, end: str, *, interfaces: bool = True) -> tuple[Edge, ...] | None:
        """A shortest way from one function to another, None where there is none."""
        found = self.search([start], lambda name: name == end, interfaces=interfaces)
        return None if found is None else found

    def search(
        self,
        starts: Sequence[str],
        wanted: Callable[[str], bool],
        *,
        interfaces: bool = True,
        passable: Callable[[str], bool] = lambda name: True,
    ) -> tuple[Edge, ...] | None:
        """A shortest way from any of ``starts`` to a function that is ``wanted``, through functions
        that are ``passable``; empty where a start is wanted itself."""
        came_from: dict[str, Edge | None] = {}
        for start in starts:
            if wanted(start):
                return ()
            came_from[start] = None
        pending = deque(came_from)
        while pending:
            name = pending.popleft()
            for edge in self._callees.get(name, ()):
                if edge.callee in came_from or not (interfaces or edge.kind in SURE):
                    continue
                came_from[edge.callee] = edge
                if wanted(edge.callee):
                    return _way(came_from, edge)
                if passable(edge.callee):
                    pending.append(edge.callee)
        return None

    def reachable(self, starts: Iterable[str], *, interfaces: bool = True) -> set[str]:
        """All functions that can be reached, the starts included."""
        found = set(starts)
        pending = list(found)
        while pending:
            for edge in self._callees.get(pending.pop(), ()):
                if edge.callee not in found and (interfaces or edge.kind in SURE):
                    found.add(edge.callee)
                    pending.append(edge.callee)
        return found


def _way(came_from: dict[str, Edge | None], last: Edge) -> tuple[Edge, ...]:
    way: list[Edge] = []
    edge: Edge | None = last
    while edge is not None:
        way.append(edge)
        edge = came_from[edge.caller]
    return tuple(reversed(way))
