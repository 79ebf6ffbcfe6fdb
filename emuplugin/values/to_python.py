"""to_python: a deep copy of a Go value in plain Python objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from emuplugin.errors import UnsupportedTypeError
from emuplugin.values.arrays import ArrayView
from emuplugin.values.bulk import Columns, Made, columns_of
from emuplugin.values.codec import Codec
from emuplugin.values.elsewhere import Elsewhere
from emuplugin.values.interfaces import Interface
from emuplugin.values.maps import MapView
from emuplugin.values.pointers import Pointer
from emuplugin.values.slices import SliceView
from emuplugin.values.structs import StructView
from emuplugin.values.times import TimeView
from emuplugin.values.unsafe_pointers import UnsafePointer
from emuplugin.values.variable import Variable
from emuplugin.values.walk import LeadsElsewhereError, Walk

# So many pointers may lead from one to the next without anything between.
_LONGEST = 100_000
# Steps that may be walked in vain at first.
_PATIENCE = 10_000


def to_python(value: Any) -> Any:
    """A copy of a Go value that needs no machine any more.

    Structs and maps become dicts, arrays and slices lists (``[]byte`` is bytes), ``time.Time`` a
    datetime; a pointer becomes a copy of what it points to, an interface one of what it holds. What
    is reached twice is copied once, so that cycles stay cycles. Where a dict needs keys that do not
    change, structs and arrays become tuples. Channels, functions and errors stay what they are.
    """
    if isinstance(value, Elsewhere):
        return value._to_python()
    copier = _Copier()
    result = copier.copy(value.value if isinstance(value, Variable) else value)
    while copier.todo:
        copier.todo.popleft()()
    return result


class _Copier:
    """One copy. Containers are filled later, so that long chains need no deep recursion."""

    def __init__(self) -> None:
        self.todo: deque[Callable[[], None]] = deque()
        # By type, address and length. The values themselves are kept, or addresses were used again.
        self._made: Made = {}
        self._by_codec: dict[Codec, Columns | None] = {}
        # Steps that may still be walked in vain. Each value that is copied by itself adds one: what
        # is nested deeply and leads elsewhere at its end would be walked from each level.
        self._patience = _PATIENCE

    def copy(self, value: Any) -> Any:
        """The copy of a value, perhaps not filled yet."""
        self._patience += 1
        first, passed = value, 0
        while isinstance(value, Pointer | Interface):
            passed += 1
            if passed > _LONGEST:
                name = first._type.string
                raise UnsupportedTypeError(
                    f"a {name} that leads to itself has no copy in Python", type=name
                )
            value = value.value
        if isinstance(value, TimeView):
            return value.datetime
        if isinstance(value, StructView):
            return self._once(value, dict, self._fill_struct, value._address)
        if isinstance(value, ArrayView):
            return self._once(value, list, self._fill_list, value._address)
        if isinstance(value, SliceView):
            if not len(value):
                return []
            return self._once(value, list, self._fill_list, value._address, len(value))
        if isinstance(value, MapView):
            return self._once(value, dict, self._fill_map, value._root.address)
        if isinstance(value, UnsafePointer):
            return value.address
        return value

    def key(self, value: Any) -> Any:
        """The copy of a map's key, which must have a hash."""
        while isinstance(value, Interface):
            value = value.value
        if isinstance(value, TimeView):
            return value.datetime
        if isinstance(value, StructView):
            return tuple(self.key(value[name]) for name in value._codec.own_fields if name != "_")
        if isinstance(value, ArrayView):
            return tuple(self.key(item) for item in value)
        return value

    def _once(
        self,
        value: Any,
        kind: type[Any],
        fill: Callable[[Any, Any], None],
        *where: int,
    ) -> Any:
        key = (value._type, *where)
        found = self._made.get(key)
        if found is None or not value._type.size:
            found = self._made[key] = kind(), value
            target = found[0]
            self.todo.append(lambda: fill(target, value))
        return found[0]

    def _fill_struct(self, target: dict[str, Any], view: StructView) -> None:
        for name in view._codec.own_fields:
            if name != "_":
                target[name] = self.copy(view[name])

    def _fill_list(self, target: list[Any], view: ArrayView | SliceView) -> None:
        element = view._codec.element
        if element.plain:
            target.extend(view)
        elif not self._fill_at_once(target, view, element):
            target.extend(map(self.copy, view))

    def _fill_at_once(self, target: list[Any], view: ArrayView | SliceView, element: Codec) -> bool:
        """Fill a list by columns; not if a part of it was reached otherwise already, or it leads
        elsewhere."""
        columns = self._columns(element)
        if columns is None or not len(view):
            return False
        # Where nothing else is or will be copied, nothing else leads to a part of this.
        alone = len(self._made) == 1 and not self.todo
        address, size = view._address, element.size
        walk = self._walk(view)
        with view._context.guest.lock:
            image = view._context.memory.read(address, len(view) * size)
            try:
                copies = walk.copies(columns, image)
                walk.finish()
            except LeadsElsewhereError:
                self._patience -= walk.steps
                return False
        if not alone:
            parts = {key: (copy, view) for key, copy in columns.parts(copies, address, size)}
            if not self._made.keys().isdisjoint(parts):
                return False
            self._made.update(parts)
        walk.keep()
        target.extend(copies)
        return True

    def _fill_map(self, target: dict[Any, Any], view: MapView) -> None:
        walk = self._walk(view)
        with view._context.guest.lock:
            try:
                entries = dict(walk.items(view._codec, view._root.address))
                walk.finish()
            except LeadsElsewhereError:
                self._patience -= walk.steps
                entries = None
        if entries is None:
            for key, elem in view.items():
                target[self.key(key)] = self.copy(elem)
        else:
            walk.keep()
            target.update(entries)

    def _walk(self, view: ArrayView | SliceView | MapView) -> Walk:
        """A walk from a view; not far, where too much was walked in vain."""
        return Walk(view._context, self._made, view, self._columns, far=self._patience > 0)

    def _columns(self, codec: Codec) -> Columns | None:
        if codec not in self._by_codec:
            self._by_codec[codec] = columns_of(codec)
        return self._by_codec[codec]
