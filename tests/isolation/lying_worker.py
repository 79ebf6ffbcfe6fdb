"""A worker that sends what it should not, whatever it is asked. Its first argument says what."""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable

from emuplugin.isolation.things import (
    CALLBACK,
    FAILURE,
    OBJECT,
    RAISE,
    RECORD,
    RETURN,
    THING,
    WRITABLE,
)
from emuplugin.isolation.wire import LIST, NUMBERS, TEXT, TRUE, Writer

_HEAD = bytes((1,)) + bytes((LIST,)) + bytes(8)  # running, nothing released


def _message(kind: int, *values: object) -> bytes:
    writer = Writer(lambda writer, value: None)
    for value in values:
        writer.value(value)
    return bytes((kind,)) + _HEAD + bytes(writer.out)


def _number(number: int) -> bytes:
    return struct.pack("<Q", number)


def _text(text: str) -> bytes:
    return _number(len(text)) + text.encode()


def _failure(name: str, facts: object = None) -> bytes:
    writer = Writer(lambda writer, value: None)
    for value in (("x",), facts or {}, [], None, False):
        writer.value(value)
    head = bytes((RAISE,)) + _HEAD + bytes((FAILURE,)) + _number(0) + _text(name)
    return head + bytes(writer.out) + bytes((LIST,)) + _number(0)


def _record(name: str) -> bytes:
    writer = Writer(lambda writer, value: None)
    writer.value(("touch /tmp/x",))
    return bytes((RETURN,)) + _HEAD + bytes((RECORD,)) + _text(name) + bytes(writer.out)


def _nested() -> bytes:
    return bytes((RETURN,)) + _HEAD + (bytes((LIST,)) + _number(1)) * 100_000 + b"\0"


_LIES: dict[str, Callable[[], bytes]] = {
    "noise": lambda: random.Random(1).randbytes(1000),
    "nothing": lambda: b"",
    "state": lambda: bytes((RETURN, 99)),
    "request": lambda: _message(0, None),
    "trailing": lambda: _message(RETURN, None, None),
    "count": lambda: bytes((RETURN,)) + _HEAD + bytes((LIST,)) + _number(1 << 60),
    "text": lambda: bytes((RETURN,)) + _HEAD + bytes((TEXT,)) + _number(4) + b"\xff\xff\xff\xff",
    "numbers": lambda: bytes((RETURN,)) + _HEAD + bytes((NUMBERS, 0x7A)) + _number(0),
    "nested": _nested,
    "thing": lambda: bytes((RETURN,)) + _HEAD + bytes((THING, 99)) + _number(1) + _number(0),
    "object": lambda: bytes((RETURN,)) + _HEAD + bytes((OBJECT,)) + _number(1000),
    "callback": lambda: _message(CALLBACK, 1000, "", ()),
    "method": lambda: _message(CALLBACK, 1, "__class__", ()),
    "iterate": lambda: _message(CALLBACK, 1, "__reduce__", ()),
    "Interrupted": lambda: _failure("Interrupted"),
    "SystemExit": lambda: _failure("SystemExit"),
    "KeyboardInterrupt": lambda: _failure("KeyboardInterrupt"),
    "subprocess": lambda: _failure("CalledProcessError"),
    "fact": lambda: _failure("GoError", {"__class__": 1}),
    "eval": lambda: _record("eval"),
    "Popen": lambda: _record("Popen"),
    "kind": lambda: bytes((RETURN,)) + _HEAD + b"\xfa",
    "writable": lambda: bytes((RETURN,)) + _HEAD + bytes((WRITABLE,)) + _number(1 << 40),
    "released": lambda: bytes((RETURN, 1, TRUE)),
}


def main() -> None:
    """Answer the first message properly, and all others with a lie."""
    what, end = sys.argv[1], socket.socket(fileno=int(sys.argv[-2]))

    def receive() -> None:
        left = struct.unpack("<Q", end.recv(8, socket.MSG_WAITALL))[0]
        while left:
            left -= len(end.recv(min(left, 1 << 16)))

    receive()
    if what == "at once":
        os._exit(7)
    first = _message(RETURN, {"system_calls": "all", "files": "all", "network": "all"})
    end.sendall(_number(len(first)) + first)
    receive()
    if what == "exit":
        os._exit(3)
    if what == "abort":
        os.abort()
    if what == "silence":
        time.sleep(60)
    if what == "length":
        end.sendall(_number(1 << 50) + b"x" * 1000)
    elif what == "half":
        end.sendall(_number(1000) + b"x" * 10)
        os._exit(0)
    elif what == "flood":
        end.sendall(_number(100 << 20))
        while True:
            end.sendall(bytes(1 << 20))
    else:
        lie = _LIES[what]()
        end.sendall(_number(len(lie)) + lie)
    time.sleep(60)


if __name__ == "__main__":
    main()
