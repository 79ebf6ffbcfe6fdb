"""System calls that wait: an attempt is made now, and again whenever something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import linux
from .table import Errno

if TYPE_CHECKING:
    from .kernel import Kernel
    from .open_file import OpenFile


def attempt_until(
    kernel: Kernel,
    attempt: Callable[[], int | None],
    *,
    nonblocking: bool = False,
    deadline: int | None = None,
    timeout: int = -linux.EAGAIN,
) -> int:
    """The first result of ``attempt`` that is not None. Where the file is ``nonblocking`` that must
    be there at once, else EAGAIN; ``timeout`` is the result when ``deadline`` passes."""
    done = attempt()
    if done is not None:
        return done
    if nonblocking:
        raise Errno(linux.EAGAIN)

    return kernel.threads.wait(deadline=deadline, timeout=timeout, ready=attempt)


def write_all(
    kernel: Kernel,
    data: bytes,
    put: Callable[[bytes], int | None],
    *,
    nonblocking: bool = False,
    signal: bool = True,
    deadline: int | None = None,
) -> int:
    """Write all of ``data`` by calls of ``put``, which takes a part of it, or nothing (None) while
    there is no room. A ``nonblocking`` write takes what fits. A write that nobody can read
    (EPIPE) sends SIGPIPE to the thread that asked for it, unless it asked for no ``signal``."""
    done = 0

    def attempt() -> int | None:
        nonlocal done
        while True:
            try:
                part = put(data[done:] if done else data)
            except Errno as error:
                if done:
                    return done
                if error.number == linux.EPIPE and signal:
                    thread = kernel.threads.current
                    # The call ends with EPIPE: the signal must not end it with EINTR.
                    thread.wait = None
                    kernel.signals.send(thread, linux.SIGPIPE)
                raise
            if part is None:
                return done if done and nonblocking else None
            done += part
            if done >= len(data):
                return done

    return attempt_until(kernel, attempt, nonblocking=nonblocking, deadline=deadline)


def deadline_after(kernel: Kernel, timeout: int) -> int | None:
    """The moment at which a call ends that waits ``timeout`` nanoseconds at most, 0 for ever."""
    return kernel.clock.monotonic() + timeout if timeout else None


def write_file(kernel: Kernel, file: OpenFile, data: bytes) -> int:
    """``write`` on whatever a descriptor refers to."""
    return write_all(
        kernel,
        data,
        lambda part: file.write(kernel, part),
        nonblocking=bool(file.flags & linux.O_NONBLOCK),
        deadline=deadline_after(kernel, file.send_timeout),
    )
