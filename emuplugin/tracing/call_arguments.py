"""The arguments of a system call as text, as strace shows them.

What the call reads is looked at before it, what it writes when it has ended without an error.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from emuplugin.cpu.memory import GuestMemoryError, Memory
from emuplugin.values.go_syntax import go_quote

from .call_flags import ENUMS, FLAGS, SIGNALS, flags_text, signals_text
from .call_table import FORMS

if TYPE_CHECKING:
    from emuplugin.runtime_shims.kernel.kernel import Kernel

_MAX_TEXT: Final = 48
_MAX_PATH: Final = 256
_MAX_ITEMS: Final = 8
_SECOND: Final = 1_000_000_000
_FUTEX_CLOCK_REALTIME, _FUTEX_PRIVATE = 256, 128
_UNKNOWN: Final = ("hex",) * 6
_F_DUPFD, _F_SETFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC = 0, 2, 3, 4, 1030
# O_CREAT, and the bit of O_TMPFILE that is its own: without these a mode says nothing.
_CREATES: Final = 0o20000100

Decoder = Callable[["CallText", int], str]


class CallText:
    """One call that is made: decodes its arguments, before (``finished`` is None) or after it."""

    def __init__(self, kernel: Kernel, name: str, registers: Sequence[int]) -> None:
        self.kernel, self.memory = kernel, kernel.memory
        self.name = name
        self.registers = registers
        form = FORMS.get(name)
        self.kinds: tuple[str, ...] = form.arguments if form is not None else _UNKNOWN
        self._result_kind = form.result if form is not None else "int"
        self._shown: list[str | None] = [
            None if _is_output(kind) else self._decode(at, kind)
            for at, kind in enumerate(self.kinds)
        ]
        self.result = 0

    def arguments(self, result: int) -> tuple[str, ...]:
        """All of them, once the call has ended with ``result``."""
        self.result = result
        shown = []
        for at, (kind, text) in enumerate(zip(self.kinds, self._shown, strict=True)):
            if text is None:
                text = self._decode(at, kind) if result >= 0 else pointer(self.registers[at])
            shown.append(text)
        if self.kinds[-2:] == ("flags:open", "mode") and not self.value(len(shown) - 2) & _CREATES:
            del shown[-1]
        return tuple(shown)

    def result_text(self, result: int) -> str:
        """The result, decoded where it is not just a number; without the name of an error."""
        if result < 0:
            return "-1"
        if self._result_kind == "fd":
            return self.descriptor(result)
        if self._result_kind == "ptr":
            return pointer(result)
        if self._result_kind == "mode":
            return f"0{result:o}"
        if self._result_kind == "fcntl":
            command = self.value(1) & 0xFFFFFFFF
            if command in (_F_DUPFD, _F_DUPFD_CLOEXEC):
                return self.descriptor(result)
            return flags_text("open", result) if command == _F_GETFL else str(result)
        if self._result_kind == "signal":
            return SIGNALS.get(result, str(result))
        return str(result)

    def _decode(self, at: int, kind: str) -> str:
        value = self.registers[at]
        try:
            name, _, table = kind.partition(":")
            if name == "flags":
                return flags_text(table, value & 0xFFFFFFFF)
            if name == "enum":
                return self._enum(table, value & 0xFFFFFFFF)
            return _DECODERS[name](self, at)
        except (GuestMemoryError, struct.error):
            return pointer(value)

    def _enum(self, table: str, value: int) -> str:
        if table == "futex":
            flags = "_PRIVATE" if value & _FUTEX_PRIVATE else ""
            clock = "|FUTEX_CLOCK_REALTIME" if value & _FUTEX_CLOCK_REALTIME else ""
            number = value & ~(_FUTEX_PRIVATE | _FUTEX_CLOCK_REALTIME)
            return f"{ENUMS['futex'].get(number, hex(number))}{flags}{clock}"
        return ENUMS[table].get(value, str(value) if value < 1 << 31 else str(value - (1 << 32)))

    # --- what decoders use ------------------------------------------------------------------

    def value(self, at: int) -> int:
        """An argument register; 0 for one that the call does not have."""
        return self.registers[at] if at < len(self.registers) else 0

    def descriptor(self, fd: int) -> str:
        """A file descriptor, and what it refers to: ``3</tmp/x>``."""
        number = fd & 0xFFFFFFFF
        number -= (number & 1 << 31) << 1
        if number in (0, 1, 2):
            return f"{number}<{('stdin', 'stdout', 'stderr')[number]}>"
        file = self.kernel.files.table.get(number)
        if file is None:
            return str(number)
        name = (
            file.describe().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )
        return f"{number}<{name}>"


def pointer(value: int) -> str:
    """An address."""
    return "NULL" if value == 0 else f"{value:#x}"


def quoted(memory: Memory, address: int, size: int, most: int = _MAX_TEXT) -> str:
    """Bytes as a string literal, the start of one if they are many."""
    text = go_quote(memory.read(address, min(size, most)))
    return text if size <= most else f"{text}..."


def _is_output(kind: str) -> bool:
    return kind in _OUTPUTS or kind.endswith("_out")


# --- decoders -------------------------------------------------------------------------------


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


def _in(call: CallText, at: int) -> str:
    return quoted(call.memory, call.value(at), call.value(at + 1))


def _out(call: CallText, at: int) -> str:
    return quoted(call.memory, call.value(at), min(call.result, call.value(at + 1)))


def _vectors(call: CallText, at: int, most: int | None) -> str:
    parts = []
    count = min(call.value(at + 1), 1024)
    raw = call.memory.read(call.value(at), 16 * min(count, _MAX_ITEMS))
    for base, size in struct.iter_unpack("<QQ", raw):
        shown = size if most is None else min(size, most)
        if most is not None:
            most -= shown
        parts.append(quoted(call.memory, base, shown))
    if count > _MAX_ITEMS:
        parts.append("...")
    return f"[{', '.join(parts)}]"


def _sockaddr(call: CallText, at: int) -> str:
    return sockaddr(call.memory, call.value(at), call.value(at + 1) & 0xFFFFFFFF)


def _sockaddr_out(call: CallText, at: int) -> str:
    if not call.value(at) or not call.value(at + 1):
        return "NULL"
    return sockaddr(call.memory, call.value(at), call.memory.read_u32(call.value(at + 1)))


def sockaddr(memory: Memory, address: int, size: int) -> str:
    """A socket address: ``127.0.0.1:80``, ``[::1]:80``, ``"/run/socket"``."""
    if not address:
        return "NULL"
    data = memory.read(address, min(size, 128))
    if len(data) < 2:
        return "{}"
    family = int.from_bytes(data[:2], "little")
    if family == 2 and len(data) >= 8:
        port = int.from_bytes(data[2:4], "big")
        return f"{ipaddress.IPv4Address(data[4:8])}:{port}"
    if family == 10 and len(data) >= 24:
        port = int.from_bytes(data[2:4], "big")
        return f"[{ipaddress.IPv6Address(data[8:24])}]:{port}"
    if family == 1:
        return go_quote(data[2:].partition(b"\0")[0] if data[2:3] != b"\0" else data[2:])
    return f"{{{ENUMS['family'].get(family, family)}}}"


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


def _sigaction(call: CallText, at: int) -> str:
    address = call.value(at)
    if not address:
        return "NULL"
    handler, flags, _restorer, mask = struct.unpack("<4Q", call.memory.read(address, 32))
    name = {0: "SIG_DFL", 1: "SIG_IGN"}.get(handler, f"{handler:#x}")
    return f"{{{name}, {signals_text(mask)}, {flags_text('sa', flags)}}}"


def _sigaltstack(call: CallText, at: int) -> str:
    address = call.value(at)
    if not address:
        return "NULL"
    start, flags, size = struct.unpack("<QixxxxQ", call.memory.read(address, 24))
    state = {0: "0", 1: "SS_ONSTACK", 2: "SS_DISABLE"}.get(flags, hex(flags & 0xFFFFFFFF))
    return f"{{{start:#x}, {state}, {size}}}"


def _stat(call: CallText, at: int) -> str:
    raw = call.memory.read(call.value(at), 64)
    mode, size = int.from_bytes(raw[24:28], "little"), int.from_bytes(raw[48:56], "little")
    return _mode_and_size(mode, size)


def _statx(call: CallText, at: int) -> str:
    raw = call.memory.read(call.value(at), 48)
    mode, size = int.from_bytes(raw[28:30], "little"), int.from_bytes(raw[40:48], "little")
    return _mode_and_size(mode, size)


_KINDS: Final = {
    0o010000: "FIFO", 0o020000: "CHR", 0o040000: "DIR", 0o060000: "BLK", 0o100000: "REG",
    0o120000: "LNK", 0o140000: "SOCK",
}  # fmt: skip


def _mode_and_size(mode: int, size: int) -> str:
    kind = _KINDS.get(mode & 0o170000, "")
    return f"{{S_IF{kind}|0{mode & 0o7777:o}, {size} bytes}}"


def _pollfds(call: CallText, at: int) -> str:
    count = min(call.value(at + 1), _MAX_ITEMS)
    raw = call.memory.read(call.value(at), 8 * count)
    parts = []
    for fd, wanted, got in struct.iter_unpack("<ihh", raw):
        there = f"->{flags_text('poll', got & 0xFFFF)}" if got and call.result > 0 else ""
        parts.append(f"{call.descriptor(fd)}:{flags_text('poll', wanted & 0xFFFF)}{there}")
    return f"[{', '.join(parts)}]"


def _epoll_event(call: CallText, at: int) -> str:
    if not call.value(at):
        return "NULL"
    events, data = struct.unpack("<IQ", call.memory.read(call.value(at), 12))
    return f"{{{flags_text('epoll_events', events)}, {data:#x}}}"


def _epoll_events(call: CallText, at: int) -> str:
    raw = call.memory.read(call.value(at), 12 * min(call.result, _MAX_ITEMS))
    parts = [
        f"{{{flags_text('epoll_events', events)}, {data:#x}}}"
        for events, data in struct.iter_unpack("<IQ", raw)
    ]
    return f"[{', '.join(parts)}]"


def _pair(call: CallText, at: int) -> str:
    first, second = struct.unpack("<ii", call.memory.read(call.value(at), 8))
    return f"[{call.descriptor(first)}, {call.descriptor(second)}]"


def _number_out(call: CallText, at: int) -> str:
    return f"[{call.memory.read_i32(call.value(at))}]" if call.value(at) else "NULL"


def _limits(call: CallText, at: int) -> str:
    if not call.value(at):
        return "NULL"
    words = struct.unpack("<QQ", call.memory.read(call.value(at), 16))
    soft, hard = ("RLIM_INFINITY" if word == (1 << 64) - 1 else str(word) for word in words)
    return f"{{soft={soft}, hard={hard}}}"


def _futex(call: CallText, at: int) -> str:
    address = call.value(at)
    return f"{address:#x}<{call.memory.read_u32(address)}>"


def _fcntl(call: CallText, at: int) -> str:
    command, value = call.value(at - 1) & 0xFFFFFFFF, call.value(at)
    if command == _F_SETFL:
        return flags_text("open", value)
    if command == _F_SETFD:
        return {0: "0", 1: "FD_CLOEXEC"}.get(value, hex(value))
    return _int(call, at) if value < 1 << 31 else pointer(value)


def _sockopt(call: CallText, at: int) -> str:
    table = ENUMS.get(f"sockopt{call.value(at - 1) & 0xFFFFFFFF}", {})
    value = call.value(at) & 0xFFFFFFFF
    return table.get(value, str(value))


def _option(call: CallText, at: int) -> str:
    size = call.value(at + 1) & 0xFFFFFFFF
    data = call.memory.read(call.value(at), min(size, 32))
    return f"[{int.from_bytes(data, 'little', signed=True)}]" if size == 4 else go_quote(data)


def _option_out(call: CallText, at: int) -> str:
    size = call.memory.read_u32(call.value(at + 1))
    data = call.memory.read(call.value(at), min(size, 32))
    return f"[{int.from_bytes(data, 'little', signed=True)}]" if size == 4 else go_quote(data)


def _message(call: CallText, at: int, most: int | None) -> str:
    name, name_size, vectors, count = struct.unpack(
        "<QIxxxxQQ", call.memory.read(call.value(at), 32)
    )
    parts = []
    for index in range(min(count, _MAX_ITEMS)):
        base, size = struct.unpack("<QQ", call.memory.read(vectors + 16 * index, 16))
        shown = size if most is None else min(size, most)
        if most is not None:
            most -= shown
        parts.append(quoted(call.memory, base, shown))
    to = f"{sockaddr(call.memory, name, name_size)}, " if name and name_size else ""
    return f"{{{to}[{', '.join(parts)}]}}"


_ENTRIES: Final = 6


def _entries(call: CallText, at: int, name_at: int) -> str:
    """Directory entries (struct linux_dirent64: inode, offset, u16 length, u8 type, name)."""
    raw = call.memory.read(call.value(at), min(call.result, 1 << 16))
    names, here = [], 0
    while here + name_at < len(raw):
        size = int.from_bytes(raw[here + 16 : here + 18], "little")
        if not size:
            break
        names.append(go_quote(raw[here + name_at : here + size].partition(b"\0")[0]))
        here += size
    more = ", ..." if len(names) > _ENTRIES else ""
    return f"[{', '.join(names[:_ENTRIES])}{more}]"


def _open_how(call: CallText, at: int) -> str:
    flags, mode, resolve = struct.unpack("<QQQ", call.memory.read(call.value(at), 24))
    return f"{{{flags_text('open', flags)}, 0{mode:o}, {resolve:#x}}}"


def _cpuset(call: CallText, at: int) -> str:
    return f"[{int.from_bytes(call.memory.read(call.value(at), 8), 'little'):#x}]"


def _path_out(call: CallText, at: int) -> str:
    return go_quote(call.memory.read_string(call.value(at), _MAX_PATH))


_OUTPUTS: Final = frozenset(
    ("out", "stat", "statx", "fds", "epoll_events", "dirents", "dirents64", "pollfds")
)

_DECODERS: Final[dict[str, Decoder]] = {
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
    "sockaddr": _sockaddr,
    "sockaddr_out": _sockaddr_out,
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
    "sigaction": _sigaction,
    "sigaction_out": _sigaction,
    "sigaltstack": _sigaltstack,
    "sigaltstack_out": _sigaltstack,
    "stat": _stat,
    "statx": _statx,
    "pollfds": _pollfds,
    "epoll_event": _epoll_event,
    "epoll_events": _epoll_events,
    "fds": _pair,
    "int_out": _number_out,
    "rlimit": _limits,
    "rlimit_out": _limits,
    "futex": _futex,
    "fcntl": _fcntl,
    "sockopt": _sockopt,
    "optval": _option,
    "optval_out": _option_out,
    "msghdr": lambda call, at: _message(call, at, None),
    "msghdr_out": lambda call, at: _message(call, at, call.result),
    "dirents": lambda call, at: _entries(call, at, 18),
    "dirents64": lambda call, at: _entries(call, at, 19),
    "open_how": _open_how,
    "cpuset_out": _cpuset,
}

#: Every kind that a decoder is there for.
KINDS: Final = (
    frozenset(_DECODERS) | {f"flags:{name}" for name in FLAGS} | {f"enum:{name}" for name in ENUMS}
)
