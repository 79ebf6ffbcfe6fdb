"""Copying what interfaces lead to, where that is data as of encoding/json: numbers, texts, lists
and maps of such, and structs of them.

Nothing runs in the guest meanwhile, so nothing that is on the way needs a root, and no view is made
of it. That makes the difference between a document's being read and each of its values being asked
for. What is of another kind ends the walk (:class:`LeadsElsewhereError`), and whoever began it goes
from view to view.
"""

from __future__ import annotations

from collections import ChainMap, deque
from collections.abc import Callable, Iterator
from typing import Any

from emuplugin.values.bulk import Columns, Made, Table
from emuplugin.values.codec import Codec
from emuplugin.values.context import Context
from emuplugin.values.interfaces import InterfaceCodec
from emuplugin.values.maps import MapCodec
from emuplugin.values.slice_codec import SliceCodec


class LeadsElsewhereError(Exception):
    """What is copied leads to something that is not copied so."""


class Walk:
    """One walk from memory that ``owner`` keeps, under the guest's lock. ``made`` has the copies of
    before, too; once the walk is done, :meth:`keep` adds its own to those. ``columns_of`` tells how
    to copy values of a type. ``steps`` counts what the walk has come to by references; with ``far``
    False the first of those ends it."""

    def __init__(
        self,
        context: Context,
        made: Made,
        owner: object,
        columns_of: Callable[[Codec], Columns | None],
        far: bool,
    ) -> None:
        self.made: ChainMap[tuple[Any, ...], tuple[Any, Any]] = ChainMap({}, made)
        self.owner = owner
        self.steps = 0
        self._far = far
        self._context = context
        self._todo: deque[Callable[[], None]] = deque()
        # How to copy what is in an interface, by the address of its dynamic type.
        self._copiers: dict[int, Callable[[int], Any]] = {}
        self._columns_of = columns_of

    def copies(self, columns: Columns, image: bytes) -> list[Any]:
        """The copies of all values in an image. What they lead to may not be filled yet."""
        return columns.copies(Table(image, columns.codec.size, self), 0)

    def finish(self) -> None:
        """Fill all that is not filled yet."""
        while self._todo:
            self._todo.popleft()()

    def keep(self) -> None:
        """Add what was copied to the copies of before."""
        new, made = self.made.maps
        made.update(new)

    def items(self, codec: MapCodec, address: int) -> Iterator[tuple[Any, Any]]:
        """Copies of the entries of the map at an address."""
        keys, elems = self.columns(codec.key), self.columns(codec.elem)
        if not codec.key.plain:
            raise LeadsElsewhereError
        key_images: list[bytes] = []
        elem_images: list[bytes] = []
        for key_piece, elem_piece in codec.access.memory.pieces(address):
            key_images += key_piece
            elem_images += elem_piece
        copies = self.copies(elems, b"".join(elem_images))
        return zip(self.copies(keys, b"".join(key_images)), copies, strict=True)

    def columns(self, codec: Codec) -> Columns:
        """How to copy values of a type. Raises LeadsElsewhereError."""
        found = self._columns_of(codec)
        if found is None:
            raise LeadsElsewhereError
        return found

    def held(self, dynamic_type: int, data: int) -> Any:
        """The copy of what is in an interface that is not nil: see ``internal/abi/iface.go``."""
        self._step()
        python_object = self._context.python_objects.find(dynamic_type, data)
        if python_object is not None:
            return python_object
        copier = self._copiers.get(dynamic_type)
        if copier is None:
            codec = self._context.codec(self._context.types.at(dynamic_type))
            copier = self._copiers[dynamic_type] = self._copier(codec)
        return copier(data)

    def _step(self) -> None:
        self.steps += 1
        if not self._far:
            raise LeadsElsewhereError

    def _copier(self, codec: Codec) -> Callable[[int], Any]:
        """What copies a value of a type, given an interface's second word."""
        if type(codec) is MapCodec:
            return lambda address: self.map_at(codec, address)
        read, size = self._context.memory.read, codec.size
        if type(codec) is SliceCodec:
            element = codec.element
            if element.plain or type(element) is InterfaceCodec:
                return lambda data: self.list_of(codec, read(data, size))
            raise LeadsElsewhereError
        if codec.detached:
            return lambda data: codec.decode(read(data, size), None)
        columns = self.columns(codec)
        return lambda data: self._composite(columns, read(data, size))

    def map_at(self, codec: MapCodec, address: int) -> Any:
        """The copy of a map; None for nil."""
        if not address:
            return None
        self._step()
        key = codec.type, address
        found = self.made.get(key)
        if found is None:
            target: dict[Any, Any] = {}
            found = self.made[key] = target, self.owner
            self._todo.append(lambda: target.update(self.items(codec, address)))
        return found[0]

    def list_of(self, codec: SliceCodec, image: bytes) -> Any:
        """The copy of a slice."""
        address, length, _ = codec.header(image)
        if not length:
            return []
        self._step()
        key = codec.type, address, length
        found = self.made.get(key)
        if found is None:
            target: list[Any] = []
            found = self.made[key] = target, self.owner
            self._todo.append(lambda: target.extend(self._elements(codec, address, length)))
        return found[0]

    def _elements(self, codec: SliceCodec, address: int, length: int) -> list[Any]:
        element = codec.element
        if element.plain:
            return element.decode_many(address, length, self.owner)
        image = self._context.memory.read(address, length * element.size)
        return self.copies(self.columns(element), image)

    def _composite(self, columns: Columns, image: bytes) -> Any:
        """A struct or an array. It is filled later, for it may hold interfaces, and so on."""
        target: Any = {} if columns.codec.type.kind == "struct" else []
        add = target.update if isinstance(target, dict) else target.extend
        self._todo.append(lambda: add(self.copies(columns, image)[0]))
        return target
