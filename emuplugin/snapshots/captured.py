"""What belongs to a machine's state, object by object.

The state of a machine is what can be reached from its program through objects of the kernel, the
runtime's shims and the processor, and through Python's containers, closures and bound methods. What
is anybody else's ends the way: functions of the user, streams, the sandbox. An object of a kind
that is not known here cannot be captured: that is an error, not a state that goes back in part.
"""

from __future__ import annotations

import ipaddress
import os
import re
import types
from enum import Enum
from weakref import WeakValueDictionary

import unicorn

from emuplugin.errors import SnapshotError
from emuplugin.runtime_shims.image import Image
from emuplugin.runtime_shims.kernel.fs.host_calls import DirFdCalls
from emuplugin.runtime_shims.kernel.fs.host_paths import PathCalls
from emuplugin.runtime_shims.kernel.outside import Outside
from emuplugin.runtime_shims.kernel.watchdog import Watchdog
from emuplugin.runtime_shims.layouts import Layout
from emuplugin.runtime_shims.roots import Returned
from emuplugin.runtime_shims.stubs import Stubs

#: Never change.
CONSTANT = (
    int, str, bytes, float, complex, bool, type(None), type, range, Enum, re.Pattern,
    types.ModuleType, types.CodeType, types.BuiltinFunctionType, property, BaseException,
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
    os.stat_result, unicorn.unicorn_py3.unicorn.UcContext,
)  # fmt: skip
#: Of the host: a machine keeps its own, another one gets new ones.
HOSTS = (Watchdog, Outside, DirFdCalls, PathCalls, WeakValueDictionary, Returned)
#: Read-only, but for what they remember of what they have read: shared.
SHARED = (Image, Layout, Stubs)
#: Classes of this package are a machine's own. Those of our other packages are not looked into: the
#: processor and memory keep their state themselves, and all else is not the program's.
OWN = "emuplugin.runtime_shims."


def is_own(kind: type) -> bool:
    """Whether objects of a class belong to the machine that they are found in."""
    return kind.__module__.startswith(OWN)


def is_elsewhere(kind: type) -> bool:
    """Whether what objects of a class hold is none of the machine's state."""
    if issubclass(kind, (*CONSTANT, *HOSTS, *SHARED)):
        return True
    return kind.__module__.partition(".")[0] == "emuplugin" and not is_own(kind)


def is_record(kind: type) -> bool:
    """Whether a class is a dataclass whose objects never change."""
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and parameters.frozen and not kind.__dictoffset__ and is_own(kind)


def is_closure(function: types.FunctionType) -> bool:
    """Whether a function has state of the machine's: variables of the function around it."""
    return bool(function.__closure__) and function.__module__.startswith(OWN)


def slots_of(kind: type) -> tuple[str, ...]:
    """The names of what instances hold outside of a ``__dict__``."""
    return tuple(
        name
        for base in kind.__mro__
        for name in _as_tuple(base.__dict__.get("__slots__", ()))
        if name not in ("__dict__", "__weakref__")
    )


def _as_tuple(slots: object) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)  # type: ignore[arg-type]


def refuse(thing: object, way: str) -> SnapshotError:
    """The error for an object of a kind that nobody has thought of."""
    kind = type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return SnapshotError(f"the machine holds something that cannot be captured: a {name} ({way})")
