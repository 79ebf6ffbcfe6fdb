"""What the worker does when it is asked: a function for each operation of ``things.Op``.

Their arguments come from the parent, which is trusted. What is a method here is named in a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from emuplugin.errors import GoError
from emuplugin.isolation.things import TYPE_FACTS, Op
from emuplugin.machine import Machine
from emuplugin.opening import open_in
from emuplugin.plugin import Plugin
from emuplugin.snapshots.snapshot import Snapshot
from emuplugin.values.arrays import ArrayView
from emuplugin.values.buffers import Buffered
from emuplugin.values.channels import ChannelView
from emuplugin.values.error_values import HeldInterface
from emuplugin.values.function import Function
from emuplugin.values.gotype import GoType
from emuplugin.values.interfaces import Interface
from emuplugin.values.maps import MapView
from emuplugin.values.methods import BoundMethod
from emuplugin.values.pointers import Pointer
from emuplugin.values.slices import SliceView
from emuplugin.values.structs import StructView
from emuplugin.values.times import TimeView
from emuplugin.values.to_json import to_json
from emuplugin.values.to_python import to_python
from emuplugin.values.type_object import TypeObject
from emuplugin.values.unsafe_pointers import UnsafePointer

_METHODS: Final[dict[str, tuple[Callable[..., Any], ...]]] = {
    "append": (SliceView.append,),
    "insert": (SliceView.insert,),
    "extend": (SliceView.extend,),
    "clear": (SliceView.clear, MapView.clear),
    "update": (MapView.update,),
    "send": (ChannelView.send,),
    "recv": (ChannelView.recv,),
    "recv_ok": (ChannelView.recv_ok,),
    "close": (ChannelView.close,),
    "make": (TypeObject.make,),
    "map": (Function.map, BoundMethod.map),
}

_MACHINE: Final[dict[str, Callable[..., Any]]] = {
    "check_alive": lambda machine: machine.life.check_alive(),
    "reset": Machine.reset,
    "snapshot": lambda machine: _take_snapshot(machine),
    "restore": lambda machine, number: machine.restore(_snapshots[number]),
    "drop_snapshots": lambda machine, numbers: _drop_snapshots(numbers),
    "close": Machine.close,
    "run_goroutines": Machine.run_goroutines,
    "send_signal": Machine.send_signal,
    "report": lambda machine: machine.report,
    "instructions": lambda machine: machine.instructions,
    "listening": lambda machine: machine.listening,
}

_PLUGIN: Final[dict[str, Callable[[Plugin], Any]]] = {
    "plugin_path": lambda plugin: plugin.plugin_path,
    "timings": lambda plugin: plugin.timings,
    "build_info": lambda plugin: plugin.build_info,
    "init_trace": lambda plugin: plugin.init_trace,
    "relocations": lambda plugin: dict(plugin.relocations),
    "exports": lambda plugin: dict(plugin.exports),
}

_PATH: Final = frozenset(
    (
        "exists", "is_file", "is_dir", "is_symlink", "stat", "readlink", "read_bytes",
        "write_bytes", "mkdir", "unlink", "rmdir", "symlink_to", "chmod",
    )
)  # fmt: skip


#: The snapshots that the parent holds, by number.
_snapshots: dict[int, Snapshot] = {}


def _take_snapshot(target: Machine) -> tuple[int, int, int]:
    """Keep a snapshot: its number, its instructions, and the bytes that it takes."""
    snapshot = target.snapshot()
    number = max(_snapshots, default=0) + 1
    _snapshots[number] = snapshot
    return number, snapshot.instructions, snapshot.memory


def _drop_snapshots(numbers: list[int]) -> None:
    for number in numbers:
        _snapshots.pop(number, None)


def machine(target: Machine, name: str, *args: Any) -> Any:
    """Something of the machine itself."""
    return _MACHINE[name](target, *args)


def open_plugin(target: Machine, name: str, path: str, contents: bytes) -> Plugin:
    """Open a plugin whose file the parent has read: here no file can be opened."""
    with target._lock:
        target.life.check_alive()
        return open_in(target, name, (path, contents))


def plugin(target: Plugin, name: str) -> Any:
    """Something of a plugin."""
    return _PLUGIN[name](target)


def lookup(target: Plugin, name: str) -> Any:
    return target.lookup(name)


def make_type(target: Plugin, name: str) -> TypeObject:
    return target.type(name)


def type_names(target: Plugin) -> list[str]:
    return list(target.types)


def find_type(target: Plugin, name: str) -> GoType:
    return target.types.find(name)


def type_fact(_: Machine, go_type: GoType, name: str) -> Any:
    """A fact about a Go type."""
    if name not in TYPE_FACTS:
        raise AttributeError(name)
    return getattr(go_type, name)


def files(target: Machine, name: str, path: str, *args: Any, **options: Any) -> Any:
    """Something of ``machine.files``, for one path."""
    found = target.files[path]
    if name == "iterdir":
        return [str(entry) for entry in found.iterdir()]
    if name == "walk":
        return [str(entry) for entry in found.walk()]
    if name == "rename":
        return str(found.rename(*args))
    if name not in _PATH:
        raise AttributeError(name)
    return getattr(found, name)(*args, **options)


def get(target: Any, name: str) -> Any:
    """An attribute: of values these are Go's fields and methods, which have no table here."""
    return getattr(target, name)


def set_(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def call(target: Any, *args: Any, **named: Any) -> Any:
    return target(*args, **named)


def results(target: Any, *args: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = target.results(*args)
    return found


def text(target: Any) -> str:
    return repr(target)


def names(target: Any) -> list[str]:
    return [name for name in dir(target) if not name.startswith("_")]


def equal(target: Any, other: Any) -> Any:
    return bool(target == other)


def identity(target: Any) -> Any:
    """What a hash can be made of; TypeError where there is none."""
    hash(target)
    if isinstance(target, TimeView):
        return target._instant()
    if isinstance(target, StructView):
        return tuple(target[name] for name in target._codec.own_fields if name != "_")
    if isinstance(target, ArrayView):
        return tuple(target)
    if isinstance(target, Interface):
        return target.value
    if isinstance(target, Pointer):
        return target._address
    if isinstance(target, ChannelView):
        return target._root.address
    return target.address if isinstance(target, UnsafePointer) else hash(target)


def length(target: Any) -> int:
    return len(target)


def item(target: Any, key: Any) -> Any:
    return target[key]


def set_item(target: Any, key: Any, value: Any) -> None:
    target[key] = value


def delete_item(target: Any, key: Any) -> None:
    del target[key]


def contains(target: Any, key: Any) -> bool:
    return key in target


def elements(target: Any) -> list[Any]:
    return list(target)


def items(target: MapView) -> tuple[list[Any], list[Any], str]:
    """Keys, elements, and the header by which :func:`walk` knows that the keys are the same."""
    pairs = list(target.items())
    return [key for key, _ in pairs], [elem for _, elem in pairs], _header(target)


def walk(target: MapView, header: str, skip: int) -> Iterator[tuple[Any, Any]] | None:
    """The entries behind the first ``skip``, as they are now. None if the keys have changed."""
    return _entries(target, skip) if _header(target) == header else None


def _entries(target: MapView, skip: int) -> Iterator[tuple[Any, Any]]:
    """A generator of its own kind, which has a proxy."""
    yield from islice(target.items(), skip, None)


def next_(target: Iterator[tuple[Any, Any]]) -> tuple[Any, Any] | None:
    return next(target, None)


def _header(view: MapView) -> str:
    return repr(view._codec.access.memory.header(view._root.address))


def do(target: Any, name: str, *args: Any, **named: Any) -> Any:
    """A method of Python's, by name."""
    for method in _METHODS[name]:
        owner = _OWNERS[method]
        if isinstance(target, owner):
            return method(target, *args, **named)
    raise AttributeError(name)


def numbers(target: Buffered) -> tuple[Any, ...]:
    """The elements as bytes, and how to read them."""
    numbers, count, data = target._numbers()
    return (numbers.letter, numbers.typestr, numbers.shape, numbers.descr, count, bytes(data))


def array(target: Function | BoundMethod, *args: Any) -> tuple[tuple[str, bytes], ...]:
    """``target.array(...)``: the format and the bytes of each result."""
    found = target.array(*args)
    results = found if isinstance(found, tuple) else () if found is None else (found,)
    return tuple((memoryview(result).format, bytes(result)) for result in results)


def copy(target: Any) -> tuple[Any, list[Any]]:
    """``to_python``, flat: what is reached twice must be one object, and chains may be long.

    The result is the value or the number of its node. A node is its kind, the keys of a dict, the
    items, and which of those are numbers of nodes.
    """
    found: dict[int, int] = {}
    pending: list[Any] = []

    def refer(value: Any) -> tuple[Any, bool]:
        if type(value) is not list and type(value) is not dict:
            return value, False
        number = found.get(id(value))
        if number is None:
            number = found[id(value)] = len(pending)
            pending.append(value)
        return number, True

    root = refer(to_python(target))
    nodes: list[Any] = []
    for value in pending:  # which grows
        keys = list(value) if isinstance(value, Mapping) else None
        plain = value if keys is None else list(value.values())
        parts = [refer(part) for part in plain]
        places = [place for place, part in enumerate(parts) if part[1]]
        nodes.append((keys, [part[0] for part in parts], places))
    return root, nodes


def json(target: Any, indent: str) -> str:
    if isinstance(target, HeldInterface):
        target = GoError("", value=target)
    return to_json(target, indent)


_OWNERS: Final[dict[Callable[..., Any], type]] = {
    method: owner
    for owner in (SliceView, MapView, ChannelView, TypeObject, Function, BoundMethod)
    for name, methods in _METHODS.items()
    for method in methods
    if vars(owner).get(name) is method
}

OPERATIONS: Final[dict[int, Callable[..., Any]]] = {
    Op.MACHINE: machine,
    Op.OPEN: open_plugin,
    Op.PLUGIN: plugin,
    Op.LOOKUP: lookup,
    Op.MAKE_TYPE: make_type,
    Op.TYPE_NAMES: type_names,
    Op.FIND_TYPE: find_type,
    Op.TYPE_FACT: type_fact,
    Op.FILES: files,
    Op.GET: get,
    Op.SET: set_,
    Op.CALL: call,
    Op.RESULTS: results,
    Op.REPR: text,
    Op.DIR: names,
    Op.EQUAL: equal,
    Op.IDENTITY: identity,
    Op.LENGTH: length,
    Op.ITEM: item,
    Op.SET_ITEM: set_item,
    Op.DELETE_ITEM: delete_item,
    Op.CONTAINS: contains,
    Op.ELEMENTS: elements,
    Op.ITEMS: items,
    Op.WALK: walk,
    Op.NEXT: next_,
    Op.DO: do,
    Op.NUMBERS: numbers,
    Op.ARRAY: array,
    Op.COPY: copy,
    Op.JSON: json,
}
