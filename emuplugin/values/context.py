"""Context: what all values of one machine share."""

from __future__ import annotations

from functools import cached_property

from emuplugin.errors import EmulationError
from emuplugin.values.codec import Codec
from emuplugin.values.codecs import make_codec
from emuplugin.values.gotype import GoType, Types
from emuplugin.values.guest import Guest, Memory
from emuplugin.values.heap import Heap
from emuplugin.values.scheduling import Scheduling


class Context:
    """The types, codecs and heap of one machine. A machine makes one, after it has booted."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.types = Types(guest)
        self.heap = Heap(guest)
        self._codecs: dict[GoType, Codec] = {}

    @property
    def memory(self) -> Memory:
        """Guest memory. Asked of the machine each time, which refuses once it is closed or dead."""
        return self.guest.memory

    def codec(self, go_type: GoType) -> Codec:
        """The codec of a type; raises UnsupportedTypeError where there is none."""
        found = self._codecs.get(go_type)
        if found is None:
            found = self._codecs[go_type] = make_codec(self, go_type)
        return found

    @cached_property
    def scheduling(self) -> Scheduling:
        """The machine's goroutines."""
        return Scheduling(self.guest)

    @cached_property
    def zero_base(self) -> int:
        """``runtime.zerobase``: what pointers to values without a size point to."""
        address = self.guest.symbol("runtime.zerobase")
        if address is None:
            raise EmulationError("the plugin's runtime has no symbol runtime.zerobase")
        return address
