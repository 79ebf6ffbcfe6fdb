"""The standard streams: bytes that go to Python or come from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emuplugin.errors import OutputLimitExceeded

from . import linux
from .open_file import OpenFile
from .printed import Printed
from .state import SAME, state
from .table import Errno

if TYPE_CHECKING:
    from emuplugin.sandbox import Sandbox

    from .kernel import Kernel

# How much of standard error is remembered, for those who begin to capture it too late.
_TAIL = 2048


@state(number=SAME, was_read=SAME, _source=SAME, _sink=SAME)
class Stream(OpenFile):
    """A standard stream. ``number`` is its descriptor at first; ``was_read``: Python was asked for
    bytes."""

    mode = linux.S_IFCHR | 0o620

    def __init__(
        self,
        number: int,
        source: Callable[[int], bytes] | None,
        sink: Callable[[bytes], None] | None,
    ) -> None:
        super().__init__(linux.O_RDONLY if source else linux.O_WRONLY)
        self.number, self.was_read = number, False
        self._source, self._sink = source, sink

    def read(self, kernel: Kernel, size: int) -> bytes:
        if self._source is None:
            raise Errno(linux.EBADF)
        self.was_read = True
        try:
            return self._source(size)
        except BaseException as error:
            kernel.standard.error = error
            raise

    def write(self, kernel: Kernel, data: bytes) -> int:
        if self._sink is None:
            raise Errno(linux.EBADF)
        kernel.standard.count(len(data))
        kernel.standard.printed.add(self.number, data)
        self.pass_on(kernel, data)
        return len(data)

    def pass_on(self, kernel: Kernel, data: bytes) -> None:
        """Give Python what was written."""
        assert self._sink is not None
        try:
            self._sink(data)
        except BaseException as error:
            kernel.standard.error = error
            raise


class StandardStreams:
    """Input, output and standard error, ``all``.

    ``written``: how many bytes went to the last two. ``printed``: which. ``error``: what one of the
    sandbox's streams raised. ``captured``: what goes to standard error, if it is not to go on to
    the sandbox's stream."""

    def __init__(self, sandbox: Sandbox) -> None:
        stdin, stdout, self._stderr = sandbox.streams()
        self.all = (
            Stream(0, stdin, None), Stream(1, None, stdout), Stream(2, None, self._write_stderr)
        )  # fmt: skip
        self._limit = sandbox.limits.output
        self.written = 0
        self.printed = Printed()
        self.error: BaseException | None = None
        self.captured: bytearray | None = None
        self._tail = b""

    def count(self, size: int) -> None:
        """So many more bytes are written. Raises OutputLimitExceeded."""
        self.written += size
        if self._limit is not None and self.written > self._limit:
            raise OutputLimitExceeded(
                f"the plugin printed more than {self._limit} bytes; "
                "grant more with Limits(output=...)",
                limit="output",
                allowed=self._limit,
                used=self.written,
            )

    def print_again(self, kernel: Kernel) -> None:
        """Write what is known to have been printed: once more, for a machine that goes on where
        another one was."""
        for number, data in self.printed.parts:
            self.all[number].pass_on(kernel, data)

    def capture_stderr(self, announcements: tuple[bytes, ...]) -> None:
        """From now on keep what goes to standard error in ``captured`` instead.

        The last lines that went there are taken in too, as far as they start with one of
        ``announcements``.
        """
        if self.captured is None:
            lines = self._tail.splitlines(keepends=True)
            first = len(lines)
            while first and lines[first - 1].startswith(announcements):
                first -= 1
            self.captured = bytearray(b"".join(lines[first:]))

    def _write_stderr(self, data: bytes) -> None:
        if self.captured is not None:
            self.captured += data
        else:
            self._tail = (self._tail + data)[-_TAIL:]
            self._stderr(data)
