"""The arguments of a system call as text, as strace shows them.

What the call reads is looked at before it, what it writes when it has ended without an error.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from emuplugin.cpu.memory import GuestMemoryError
from emuplugin.runtime_shims.kernel.standard_streams import Stream

from .call_flags import ENUMS, FLAGS, SIGNALS, flags_text
from .call_structures import STRUCTURES
from .call_table import FORMS
from .call_values import F_DUPFD, F_DUPFD_CLOEXEC, F_GETFL, VALUES, pointer

if TYPE_CHECKING:
    from emuplugin.runtime_shims.kernel.kernel import Kernel

_FUTEX_CLOCK_REALTIME, _FUTEX_PRIVATE = 256, 128
_UNKNOWN: Final = ("hex",) * 6
# O_CREAT, and the bit of O_TMPFILE that is its own: without these a mode says nothing.
_CREATES: Final = 0o20000100

_DECODERS: Final = {**VALUES, **STRUCTURES}
# Kinds of what a call writes, beside those that end in "_out".
_OUTPUTS: Final = frozenset(
    ("out", "stat", "statx", "fds", "epoll_events", "dirents", "dirents64", "pollfds")
)
#: Every kind that a decoder is there for.
KINDS: Final = (
    frozenset(_DECODERS) | {f"flags:{name}" for name in FLAGS} | {f"enum:{name}" for name in ENUMS}
)


class CallText:
    """One call that is made: it decodes its arguments."""

    def __init__(self, kernel: Kernel, name: str, registers: Sequence[int]) -> None:
        self.kernel, self.memory = kernel, kernel.memory
        self.name = name
        self.registers = registers
        #: What the call has returned.
        self.result: int = 0
        form = FORMS.get(name)
        self.kinds: tuple[str, ...] = form.arguments if form is not None else _UNKNOWN
        self._result_kind = form.result if form is not None else "int"
        self._shown: list[str | None] = [
            None if _is_output(kind) else self._decode(at, kind)
            for at, kind in enumerate(self.kinds)
        ]

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
            if command in (F_DUPFD, F_DUPFD_CLOEXEC):
                return self.descriptor(result)
            return flags_text("open", result) if command == F_GETFL else str(result)
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
        file = self.kernel.files.table.get(number)
        if isinstance(file, Stream) and 0 <= number <= 2:
            return f"{number}<{('stdin', 'stdout', 'stderr')[number]}>"
        if file is None:
            return str(number)
        name = file.describe().encode("utf-8", "surrogateescape")
        return f"{number}<{name.decode('utf-8', 'backslashreplace')}>"


def _is_output(kind: str) -> bool:
    return kind in _OUTPUTS or kind.endswith("_out")
