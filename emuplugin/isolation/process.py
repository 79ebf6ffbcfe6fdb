"""Starting a worker process, and what became of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from emuplugin.errors import IsolationError, WorkerDied

#: What Python runs.
PROGRAM: tuple[str, ...] = ("-m", "emuplugin.isolation.worker")
#: Variables that Python or the system's libraries cannot do without.
_KEPT = ("SYSTEMROOT", "LIBUNICORN_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_TO_END = 2.0
"""Seconds that a worker has to end by itself once its sockets are closed."""
_ENDS_BY = {
    "SIGSYS": "it made a system call that its filter forbids",
    "SIGSEGV": "the emulator itself crashed",
    "SIGKILL": "by somebody, or because the host ran out of memory",
    "SIGXFSZ": "it wrote more into a file than it may",
}


class WorkerProcess:
    """The process, and this end of the two sockets that it has inherited: ``main`` for requests,
    ``control`` for what cannot wait for its turn."""

    def __init__(self) -> None:
        if not sys.executable:
            raise IsolationError("sys.executable is empty: no Python to run a worker with")
        self.main, its_main = socket.socketpair()
        self.control, its_control = socket.socketpair()
        try:
            self._process = _start(its_main, its_control)
        except OSError as error:
            self.main.close()
            self.control.close()
            raise IsolationError(f"the worker process did not start: {error}") from error
        finally:
            its_main.close()
            its_control.close()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def kill(self) -> None:
        """End it now."""
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """Close the sockets, which ends it, and see that it does."""
        self.main.close()
        self.control.close()
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def died(self, why: str = "") -> WorkerDied:
        """The error that tells how it ended. ``why`` is known if this process ended it."""
        if why:
            self.kill()
        self.close()
        code = self._process.returncode
        if why:
            return WorkerDied(f"the worker process was killed: {why}; {_AGAIN}")
        if code >= 0:
            return WorkerDied(
                f"the worker process ended with exit code {code}; {_AGAIN}", exit_code=code
            )
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        reason = f" ({_ENDS_BY[name]})" if name in _ENDS_BY else ""
        return WorkerDied(f"the worker process was killed by {name}{reason}; {_AGAIN}", signal=name)

    @property
    def resident(self) -> int:
        """Bytes of memory that it uses, 0 where that is not known."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0


_AGAIN = "open the plugin in a new machine"


def _start(main: socket.socket, control: socket.socket) -> subprocess.Popen[bytes]:
    # The same modules as here, whatever made them importable; no site, no user's settings.
    paths = [path or os.getcwd() for path in sys.path if isinstance(path, str)]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    command = [sys.executable, "-S", "-s", "-P", *PROGRAM]
    if sys.platform == "win32":
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )  # fmt: skip
        assert process.stdin is not None
        for end in (main, control):
            data = end.share(process.pid)
            process.stdin.write(b"%d\n" % len(data) + data)
        process.stdin.close()
        return process
    numbers = (main.fileno(), control.fileno())
    return subprocess.Popen(
        [*command, *map(str, numbers)], env=environment, pass_fds=numbers,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=_stderr(),
        start_new_session=True, cwd="/",
    )  # fmt: skip


def _stderr() -> int | None:
    """Python's own complaints, which are bugs of ours, are seen with EMUPLUGIN_WORKER_STDERR."""
    return None if os.environ.get("EMUPLUGIN_WORKER_STDERR") else subprocess.DEVNULL
