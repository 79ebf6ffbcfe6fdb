"""Numbers, paths, buffers, times and signals in arguments of system calls, as text."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from emuplugin.cpu.memory import Memory
from emuplugin.values.go_syntax import go_quote

from .call_flags import SIGNALS, flags_text, signals_text

if TYPE_CHECKING:
    from .call_arguments import CallText

#: Decodes the argument with a number, of a call.
Decoder = Callable[["CallText", int], str]

#: So many parts of a list are shown.
MAX_ITEMS: Final = 8
#: fcntl's commands whose argument or result is not just a number.
F_DUPFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 2, 3, 4, 1030
_MAX_TEXT: Final = 48
_MAX_PATH: Final = 256
_SECOND: Final = 1_000_000_000


def pointer(value: int) -> str:
    """An address."""
    return "NULL" if value == 0 else f"{value:#x}"


def quoted(memory: Memory, address: int, size: int, most: int = _MAX_TEXT) -> str:
    """Bytes as a string literal, the start of one if they are many."""
    text = go_quote(memory.read(address, min(size, most)))
    return text if size <= most else f"{text}..."


def _int(call: CallText, at: int) -> str:
    value = call.value(at) & 0xFFFFFFFF
    return str(value - ((value & 1 << 31) << 1))


def _uint(call: CallText, at: int) -> str:
    return str(call.value(at) & 0xFFFFFFFF)


def _offset(call: CallText, at: int) -> str:
    value = call.value(at)
    return str(value - ((value & 1 << 63) << 1))


def _dirfd(call: CallText, at: int) -> str:
    if call.value(at) & 0xFFFFFFFF == 0xFFFFFF9C:
        return "AT_FDCWD"
    return call.descriptor(call.value(at))


def _path(call: CallText, at: int) -> str:
    if not call.value(at):
        return "NULL"
    text = call.memory.read_string(call.value(at), 4096)
    shown = go_quote(text[:_MAX_PATH])
    return shown if len(text) <= _MAX_PATH else f"{shown}..."


def _path_out(call: CallText, at: int) -> str:
    return go_quote(call.memory.read_string(call.value(at), _MAX_PATH))


def _in(call: CallText, at: int) -> str:
    return quoted(call.memory, call.value(at), call.value(at + 1))


def _out(call: CallText, at: int) -> str:
    return quoted(call.memory, call.value(at), min(call.result, call.value(at + 1)))


def _vectors(call: CallText, at: int, most: int | None) -> str:
    parts = []
    count = min(call.value(at + 1), 1024)
    raw = call.memory.read(call.value(at), 16 * min(count, MAX_ITEMS))
    for base, size in struct.iter_unpack("<QQ", raw):
        shown = size if most is None else min(size, most)
        if most is not None:
            most -= shown
        parts.append(quoted(call.memory, base, shown))
    if count > MAX_ITEMS:
        parts.append("...")
    return f"[{', '.join(parts)}]"


def _time(call: CallText, at: int, unit: int) -> str:
    address = call.value(at)
    if not address:
        return "NULL"
    seconds, rest = struct.unpack("<qq", call.memory.read(address, 16))
    return _seconds(seconds * _SECOND + rest * unit)


def _seconds(nanoseconds: int) -> str:
    """A length of time as Go writes it, near enough: ``1.5s``, ``10ms``, ``250µs``."""
    if nanoseconds % _SECOND == 0 or abs(nanoseconds) >= _SECOND:
        return f"{nanoseconds / _SECOND:.9f}".rstrip("0").rstrip(".") + "s"
    for unit, name in ((1_000_000, "ms"), (1_000, "µs")):
        if abs(nanoseconds) >= unit:
            return f"{nanoseconds / unit:.6f}".rstrip("0").rstrip(".") + name
    return f"{nanoseconds}ns"


def _futex_timeout(call: CallText, at: int) -> str:
    operation = call.value(1) & 0x7F
    return _time(call, at, 1) if operation in (0, 6, 9, 11, 13) else _int(call, at)


def _interval(call: CallText, at: int, unit: int) -> str:
    if not call.value(at):
        return "NULL"
    words = struct.unpack("<4q", call.memory.read(call.value(at), 32))
    interval, first = (words[at] * _SECOND + words[at + 1] * unit for at in (0, 2))
    return f"{{interval={_seconds(interval)}, value={_seconds(first)}}}"


def _timespecs(call: CallText, at: int) -> str:
    if not call.value(at):
        return "NULL"
    words = struct.unpack("<4q", call.memory.read(call.value(at), 32))
    named = {(1 << 30) - 1: "UTIME_NOW", (1 << 30) - 2: "UTIME_OMIT"}
    times = (named.get(words[i + 1]) or _seconds(words[i] * _SECOND + words[i + 1]) for i in (0, 2))
    return f"[{', '.join(times)}]"


def _milliseconds(call: CallText, at: int) -> str:
    text = _int(call, at)
    return text if text.startswith("-") else f"{text}ms"


def _sigset(call: CallText, at: int) -> str:
    address = call.value(at)
    return signals_text(call.memory.read_u64(address)) if address else "NULL"


def _futex(call: CallText, at: int) -> str:
    address = call.value(at)
    return f"{address:#x}<{call.memory.read_u32(address)}>"


def _fcntl(call: CallText, at: int) -> str:
    command, value = call.value(at - 1) & 0xFFFFFFFF, call.value(at)
    if command == F_SETFL:
        return flags_text("open", value)
    if command == F_SETFD:
        return {0: "0", 1: "FD_CLOEXEC"}.get(value, hex(value))
    return _int(call, at) if value < 1 << 31 else pointer(value)


def _number_out(call: CallText, at: int) -> str:
    return f"[{call.memory.read_i32(call.value(at))}]" if call.value(at) else "NULL"


def _cpuset(call: CallText, at: int) -> str:
    return f"[{int.from_bytes(call.memory.read(call.value(at), 8), 'little'):#x}]"


#: By kind; see call_table.py.
VALUES: Final[dict[str, Decoder]] = {
    "fd": lambda call, at: call.descriptor(call.value(at)),
    "dirfd": _dirfd,
    "int": _int,
    "uint": _uint,
    "size": lambda call, at: str(call.value(at)),
    "hex": lambda call, at: f"{call.value(at):#x}",
    "ptr": lambda call, at: pointer(call.value(at)),
    "offset": _offset,
    "mode": lambda call, at: f"0{call.value(at) & 0o7777:o}",
    "ms": _milliseconds,
    "path": _path,
    "path_out": _path_out,
    "in": _in,
    "out": _out,
    "iov_in": lambda call, at: _vectors(call, at, None),
    "iov_out": lambda call, at: _vectors(call, at, call.result),
    "timespec": lambda call, at: _time(call, at, 1),
    "timespec_out": lambda call, at: _time(call, at, 1),
    "timespec_or_int": _futex_timeout,
    "timespecs": _timespecs,
    "timeval": lambda call, at: _time(call, at, 1000),
    "timeval_out": lambda call, at: _time(call, at, 1000),
    "itimerval": lambda call, at: _interval(call, at, 1000),
    "itimerspec": lambda call, at: _interval(call, at, 1),
    "signal": lambda call, at: SIGNALS.get(call.value(at) & 0xFFFFFFFF, _int(call, at)),
    "sigset": _sigset,
    "sigset_out": _sigset,
    "int_out": _number_out,
    "futex": _futex,
    "fcntl": _fcntl,
    "cpuset_out": _cpuset,
}
