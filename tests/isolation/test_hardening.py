"""What a worker that was taken over cannot do, on Linux."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emuplugin import Machine, Mount, Network, Sandbox, WorkerDied
from emuplugin.isolation import landlock, process, seccomp
from emuplugin.isolation.connection import MACHINE
from emuplugin.isolation.machine import IsolatedMachine
from emuplugin.isolation.things import Op
from tests.conftest import PluginPath

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.architecture() is None, reason="Linux only"
)

Rogue = Callable[..., IsolatedMachine]


@pytest.fixture
def rogue(
    monkeypatch: pytest.MonkeyPatch, plugin_path: PluginPath, go_version: str
) -> Iterator[Rogue]:
    """Makes machines with a plugin whose worker evaluates what :func:`inside` sends."""
    monkeypatch.setattr(process, "PROGRAM", ("-m", "tests.isolation.rogue_worker"))
    machines: list[Machine] = []

    def make(**grants: object) -> IsolatedMachine:
        machine = Machine(Sandbox(**grants))  # type: ignore[arg-type]
        assert isinstance(machine, IsolatedMachine)
        machines.append(machine)
        machine.open(plugin_path("hello", go_version))
        return machine

    yield make
    for machine in machines:
        machine.close()


def inside(machine: IsolatedMachine, code: str) -> object:
    """What an expression is in the worker."""
    return machine._end.ask(Op.JSON, MACHINE, code)


def test_the_hook_works(rogue: Rogue) -> None:
    machine = rogue()
    assert inside(machine, "os.getpid()") == machine.isolation.pid
    assert machine.isolation.system_calls == "filtered"
    assert (machine.isolation.files, machine.isolation.network) == ("none", "none")


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "os.listdir('/')",
        "os.stat('/etc')",
        "open('/tmp/emuplugin-escape', 'w')",
        "os.readlink('/proc/self/exe')",
        "os.kill(1, 9) if False else open('/proc/1/mem')",
    ],
)
def test_files_are_refused(rogue: Rogue, code: str) -> None:
    machine = rogue()
    with pytest.raises(PermissionError):
        inside(machine, code)
    assert machine.state == "running"


@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "subprocess.run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "os.kill(os.getppid(), 0)",
        "os.mkdir('/tmp/emuplugin-escape')",
        "os.unlink('/tmp/nothing')",
        "os.setuid(0)",
        "os.chroot('/')",
        "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
        "ctypes.CDLL(None).process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
        "ctypes.CDLL(None).prctl(22, 0, 0, 0, 0)",
        "ctypes.CDLL(None).syscall(425, 8, 0)",  # io_uring_setup
        "ctypes.CDLL(None).syscall(321, 0, 0, 0)",  # bpf
        "ctypes.CDLL(None).syscall(319, b'x', 0)",  # memfd_create
        "ctypes.CDLL(None).syscall(0x40000000)",  # read, as x32 programs call it
    ],
)
def test_the_rest_is_deadly(rogue: Rogue, code: str) -> None:
    machine = rogue()
    with pytest.raises(WorkerDied, match="a system call that its filter forbids") as caught:
        inside(machine, code)
    assert caught.value.signal == "SIGSYS"
    assert machine.state == "dead"


def test_what_ends_the_worker_ends_one_machine(rogue: Rogue) -> None:
    first, second = rogue(), rogue()
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        inside(first, "ctypes.string_at(0)")
    assert inside(second, "1 + 1") == 2


def test_threads_are_allowed_and_no_processes(rogue: Rogue) -> None:
    machine = rogue()
    assert inside(machine, "[threading.Thread(target=int).start() for _ in range(3)]") == [None] * 3
    # clone with flags of a process, made directly
    clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    with pytest.raises(WorkerDied, match="SIGSYS"):
        inside(machine, f"ctypes.CDLL(None).syscall({clone}, 17, 0, 0, 0, 0)")


def test_it_inherits_nothing(rogue: Rogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMUPLUGIN_SECRET", "secret")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    machine = rogue()
    assert inside(machine, "os.environ.get('EMUPLUGIN_SECRET')") is None
    # All that is open: three times /dev/null and the two sockets (and Python's own random source).
    with pytest.raises(OSError, match="Bad file"):
        inside(machine, f"os.write({writing}, b'x')")
    folder = Path(f"/proc/{machine.isolation.pid}/fd")
    if os.access(folder, os.R_OK):
        targets = sorted(os.readlink(entry) for entry in folder.iterdir())
        assert [target.partition(":")[0] for target in targets] == ["/dev/null"] * 3 + [
            "socket"
        ] * 2
    os.close(reading)
    os.close(writing)


def test_a_killed_worker(rogue: Rogue) -> None:
    machine = rogue()
    threading.Timer(0.3, os.kill, (machine.isolation.pid, signal.SIGKILL)).start()
    with pytest.raises(WorkerDied, match=r"SIGKILL \(by somebody"):
        inside(machine, "threading.Event().wait(60)")


def test_memory_is_watched(rogue: Rogue) -> None:
    from emuplugin import Limits

    machine = rogue(limits=Limits(memory=64 << 20))
    with pytest.raises(WorkerDied, match="bytes of memory"):
        inside(machine, "[b'x' * (700 << 20), threading.Event().wait(20)]")


def test_the_worker_ends_with_its_parent(rogue: Rogue) -> None:
    machine = rogue()
    pid = machine.isolation.pid
    machine._end._process.control.close()
    machine._end._process.main.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and machine._end._process._process.poll() is None:
        time.sleep(0.01)
    assert machine._end._process._process.returncode == 0, pid


@pytest.mark.skipif(not landlock.version(), reason="a kernel without Landlock")
def test_mounts_open_their_folders_only(rogue: Rogue, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "x").write_text("hello")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "written").mkdir()
    machine = rogue(
        mounts={"/r": Mount(tmp_path / "given"), "/w": Mount(tmp_path / "written", "write")}
    )
    assert machine.isolation.files == "granted"
    assert inside(machine, f"open({str(tmp_path / 'given' / 'x')!r}).read()") == "hello"
    assert machine.files["/r/x"].read_text() == "hello"
    machine.files["/w/y"].write_text("from Go's side")
    assert (tmp_path / "written" / "y").read_text() == "from Go's side"
    for code in (
        f"open({str(tmp_path / 'secret')!r}).read()",
        f"open({str(tmp_path / 'given' / 'new')!r}, 'w')",
        f"os.unlink({str(tmp_path / 'given' / 'x')!r})",
        "open('/etc/passwd').read()",
        "os.listdir('/')",
    ):
        with pytest.raises(PermissionError):
            inside(machine, code)


def test_network_grants_allow_sockets(rogue: Rogue) -> None:
    machine = rogue(network=Network(connect=("127.0.0.1:9",)))
    assert machine.isolation.network == "all"
    assert inside(machine, "socket.socket().close()") is None
    with pytest.raises(PermissionError):
        inside(machine, "open('/root/.bashrc' if os.getuid() == 0 else '/home').read()")
