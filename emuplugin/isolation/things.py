"""What both ends of a connection know: kinds of messages, of values, of things, and operations."""

from __future__ import annotations

import builtins
from enum import IntEnum
from typing import Any, Final

from emuplugin import errors
from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.guest_files import FileStat
from emuplugin.isolation.wire import OTHER
from emuplugin.report import ConnectionAttempt, FileUse, ProcessAttempt, Refusal, Report
from emuplugin.runtime_shims.inits import InitTrace
from emuplugin.runtime_shims.kernel.net.datagram_routes import Listening
from emuplugin.values import Field, Method

# Kinds of messages.
REQUEST, RETURN, RAISE, CALLBACK = range(4)

(THING, TYPE, OBJECT, FAILURE, RECORD, BUFFER, FOREIGN, WRITABLE) = range(OTHER, OTHER + 8)
"""Kinds of values beside those of wire.py.

THING: something that the worker keeps: kind, number, number of its type (0 for none), name.
TYPE: a Go type, by number. OBJECT: something that the parent keeps, by number.
FAILURE: an exception as data, only from the worker. RECORD: a tuple of facts with names.
BUFFER: numbers, only to the worker: format, shape, bytes.
FOREIGN: a value of another machine, only to the worker.
WRITABLE: memory of Go that a callback may write to; what it left there comes with its return.
"""


class Kind(IntEnum):
    """What a thing is, which chooses its proxy."""

    VARIABLE = 1
    FUNCTION = 2
    METHOD = 3
    STRUCT = 4
    ARRAY = 5
    SLICE = 6
    MAP = 7
    POINTER = 8
    INTERFACE = 9
    CHANNEL = 10
    UNSAFE_POINTER = 11
    TYPE_OBJECT = 12
    PLUGIN = 13
    ERROR = 14  # an error of Go's, as GoError.value
    ITERATOR = 15  # of a map


class Op(IntEnum):
    """What can be asked of the worker. ``operations.py`` has a function for each."""

    MACHINE = 1
    OPEN = 2
    PLUGIN = 3
    LOOKUP = 4
    MAKE_TYPE = 5
    TYPE_NAMES = 6
    FIND_TYPE = 7
    TYPE_FACT = 8
    FILES = 9
    GET = 10
    SET = 11
    CALL = 12
    RESULTS = 13
    REPR = 14
    DIR = 15
    EQUAL = 16
    IDENTITY = 17
    LENGTH = 18
    ITEM = 19
    SET_ITEM = 20
    DELETE_ITEM = 21
    CONTAINS = 22
    ELEMENTS = 23
    ITEMS = 24
    WALK = 25
    DO = 26
    NUMBERS = 27
    COPY = 28
    JSON = 29
    NEXT = 30
    ARRAY = 31


#: Facts with names that may come from the worker. They are made without running anything of theirs.
RECORDS: Final[dict[str, Any]] = {
    record.__name__: record
    for record in (
        BuildInfo, Module, InitTrace, Report, Refusal, FileUse, ConnectionAttempt, ProcessAttempt,
        Field, Method, FileStat, Listening,
    )
}  # fmt: skip

_BUILTIN_NAMES = (
    "ArithmeticError", "AssertionError", "AttributeError", "BlockingIOError", "BufferError",
    "EOFError", "Exception", "FileExistsError", "FileNotFoundError", "IndexError",
    "InterruptedError", "IsADirectoryError", "KeyError", "LookupError", "MemoryError",
    "NotADirectoryError", "NotImplementedError", "OSError", "OverflowError", "PermissionError",
    "RecursionError", "RuntimeError", "TimeoutError", "TypeError", "ValueError",
    "ZeroDivisionError",
)  # fmt: skip

#: Exceptions that may come from the worker.
FAILURES: Final[dict[str, type[BaseException]]] = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.EmupluginError)
} | {name: getattr(builtins, name) for name in _BUILTIN_NAMES}

#: Exceptions of Python's that the worker tells apart, when they come out of a callback.
KNOWN_BASES: Final[dict[str, type[BaseException]]] = FAILURES | {
    "BaseException": BaseException,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": SystemExit,
}

#: Attributes that exceptions of emuplugin have.
FACTS: Final = frozenset(
    (
        "allowed", "code", "exit_code", "index", "key", "known", "limit", "message", "name",
        "number", "output", "path", "plugin_path", "reason", "rip", "setting", "signal", "text",
        "traceback", "type", "used", "value", "version",
    )
)  # fmt: skip

#: What can be asked about a Go type.
TYPE_FACTS: Final = frozenset(
    (
        "address", "align", "chan_dir", "comparable", "elem", "field_align", "fields",
        "is_direct_iface", "is_error", "key", "kind", "length", "methods", "name", "named",
        "params", "pkg_path", "ptr_bytes",
        "results", "signature", "size", "string", "variadic",
    )
)  # fmt: skip

#: States of a machine, by number.
STATES: Final = ("empty", "running", "dead", "closed")


def known_base(kind: type[BaseException], known: dict[str, type[BaseException]]) -> str:
    """The name of the nearest class of an exception that the other end knows."""
    for base in kind.__mro__:
        if known.get(base.__name__) is base:
            return base.__name__
    return "BaseException"
