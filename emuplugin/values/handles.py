"""Handles: Python things as Go holds them.

A handle is a small object on the Go heap that calls from Go lead back to Python by. As long as Go
holds it the same thing has the same handle; when Go has dropped it the thing is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from types import BuiltinMethodType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emuplugin.values.guest import Guest, IncomingCall, Root


HANDLE_SIZE = 16
"""Bytes of a handle: a code address and a number."""


class Handles:
    """The handles of one sort in one machine."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self._addresses: dict[Hashable, int] = {}
        self._things: dict[int, Any] = {}

    def __len__(self) -> int:
        """How many things Go holds."""
        return len(self._things)

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where the handles lie."""
        return tuple(self._things)

    def root(self, identity: Hashable, thing: Any, serve: Callable[[IncomingCall], None]) -> Root:
        """The handle of ``thing``, rooted. ``serve`` answers calls from Go. ``identity`` tells it
        from others; what it is made of must live as long as ``thing``."""
        address = self._addresses.get(identity)
        root = None if address is None else self._guest.func_value_again(address)
        if root is None:
            root = self._guest.func_value(serve, lambda address: self._drop(identity, address))
            self._addresses[identity] = root.address
            self._things[root.address] = thing
        return root

    def find(self, address: int) -> Any:
        """The thing whose handle is at ``address``; None if there is none."""
        thing = self._things.get(address)
        if thing is None or self._guest.is_func_value(address):
            return thing
        return None

    def _drop(self, identity: Hashable, address: int) -> None:
        del self._things[address]
        # It may have another one by now.
        if self._addresses.get(identity) == address:
            del self._addresses[identity]


def identity(thing: object) -> Hashable:
    """What tells an object from all others that are alive. Bound methods are made anew each time
    that one asks for them, so theirs is that of the object and the function."""
    if isinstance(thing, MethodType):
        return id(thing.__self__), id(thing.__func__)
    if isinstance(thing, BuiltinMethodType):
        return id(thing.__self__), thing.__name__
    return id(thing)
