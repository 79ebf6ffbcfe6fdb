"""Context: what all values of one machine share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from emuplugin.errors import EmulationError
from emuplugin.values.codec import Codec
from emuplugin.values.codecs import make_codec
from emuplugin.values.gotype import GoType
from emuplugin.values.guest import Guest, Memory
from emuplugin.values.heap import Heap
from emuplugin.values.made_types import MadeTypes
from emuplugin.values.methods import MethodTable
from emuplugin.values.python_functions import PythonFunctions
from emuplugin.values.python_objects import PythonObjects
from emuplugin.values.scheduling import Scheduling
from emuplugin.values.type_index import TypeIndex
from emuplugin.values.types import Types

if TYPE_CHECKING:
    from emuplugin.values.asynchronous import Worker
    from emuplugin.values.newcomers import Newcomers


class Context:
    """The types, codecs and heap of one machine. A machine makes one, after it has booted."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.types = Types(guest)
        self.heap = Heap(guest)
        self._codecs: dict[GoType, Codec] = {}
        self._methods: dict[GoType, MethodTable] = {}
        #: Who is asked for the types of each plugin.
        self.type_sources: list[Callable[[], Iterable[GoType]]] = []
        #: Values that are not in a snapshot, where there is one.
        self.newcomers: Newcomers | None = None

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

    def methods(self, go_type: GoType) -> MethodTable:
        """The methods of values of a type."""
        found = self._methods.get(go_type)
        if found is None:
            found = self._methods[go_type] = MethodTable(self, go_type)
        return found

    def pointer_to(self, go_type: GoType) -> GoType | None:
        """The type of pointers to ``go_type``, None if no plugin has it."""
        if go_type.ptr_to_this is not None:
            return go_type.ptr_to_this
        return self.index.pointers.get(go_type)

    def add_types(self, source: Callable[[], Iterable[GoType]]) -> None:
        """Tell of the types of one more plugin; ``source`` is asked when they are needed."""
        self.type_sources.append(source)
        self.__dict__.pop("index", None)

    def parts(self) -> list[object]:
        """What holds state of its own that goes with the machine's memory."""
        late = [vars(self).get(name) for name in ("made_types", "python_functions")]
        parts: list[object] = [
            self.heap,
            self.heap.descriptors,
            *(part for part in late if part is not None),
        ]
        if "python_functions" in vars(self):
            parts.append(self.python_functions.handles)
        if "python_objects" in vars(self):
            objects = self.python_objects
            parts += [objects, objects.handles, objects.types]
        return parts

    def forget_types(self, start: int, end: int) -> None:
        """The type descriptors in ``[start, end)`` of guest memory are no more."""
        for known in (self._codecs, self._methods):
            for go_type in [found for found in known if start <= found.address < end]:
                del known[go_type]
        self.types.forget(start, end)

    @cached_property
    def index(self) -> TypeIndex:
        """The types of all plugins by name."""
        return TypeIndex(found for source in self.type_sources for found in source())

    @cached_property
    def worker(self) -> Worker:
        """The thread of calls that asyncio waits for."""
        from emuplugin.values.asynchronous import Worker  # asyncio takes long to import

        return Worker(self.guest)

    @cached_property
    def python_functions(self) -> PythonFunctions:
        """The Python functions that Go holds."""
        return PythonFunctions(self)

    @cached_property
    def python_objects(self) -> PythonObjects:
        """The Python objects that Go holds in interfaces."""
        return PythonObjects(self)

    @cached_property
    def made_types(self) -> MadeTypes:
        """Types that no plugin has."""
        return MadeTypes(self)

    @cached_property
    def scheduling(self) -> Scheduling:
        """The machine's goroutines."""
        return Scheduling(self.guest)

    def close(self) -> None:
        """The machine is closed."""
        if "worker" in self.__dict__:
            self.worker.close()

    @cached_property
    def zero_base(self) -> int:
        """``runtime.zerobase``: what pointers to values without a size point to."""
        address = self.guest.symbol("runtime.zerobase")
        if address is None:
            raise EmulationError("the plugin's runtime has no symbol runtime.zerobase")
        return address
