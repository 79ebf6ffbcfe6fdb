"""Structures in arguments of system calls, as text."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Final

from emuplugin.cpu.memory import Memory
from emuplugin.values.go_syntax import go_quote

from .call_flags import ENUMS, flags_text, signals_text
from .call_values import MAX_ITEMS, Decoder, quoted

if TYPE_CHECKING:
    from .call_arguments import CallText


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
    count = min(call.value(at + 1), MAX_ITEMS)
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
    raw = call.memory.read(call.value(at), 12 * min(call.result, MAX_ITEMS))
    parts = [
        f"{{{flags_text('epoll_events', events)}, {data:#x}}}"
        for events, data in struct.iter_unpack("<IQ", raw)
    ]
    return f"[{', '.join(parts)}]"


def _pair(call: CallText, at: int) -> str:
    first, second = struct.unpack("<ii", call.memory.read(call.value(at), 8))
    return f"[{call.descriptor(first)}, {call.descriptor(second)}]"


def _limits(call: CallText, at: int) -> str:
    if not call.value(at):
        return "NULL"
    words = struct.unpack("<QQ", call.memory.read(call.value(at), 16))
    soft, hard = ("RLIM_INFINITY" if word == (1 << 64) - 1 else str(word) for word in words)
    return f"{{soft={soft}, hard={hard}}}"


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
    for index in range(min(count, MAX_ITEMS)):
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


#: By kind; see call_table.py.
STRUCTURES: Final[dict[str, Decoder]] = {
    "sockaddr": _sockaddr,
    "sockaddr_out": _sockaddr_out,
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
    "rlimit": _limits,
    "rlimit_out": _limits,
    "sockopt": _sockopt,
    "optval": _option,
    "optval_out": _option_out,
    "msghdr": lambda call, at: _message(call, at, None),
    "msghdr_out": lambda call, at: _message(call, at, call.result),
    "dirents": lambda call, at: _entries(call, at, 18),
    "dirents64": lambda call, at: _entries(call, at, 19),
    "open_how": _open_how,
}
