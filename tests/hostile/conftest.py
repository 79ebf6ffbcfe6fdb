"""Machines with the plugin fixtures/hostile, and what must hold after each attack.

Every attack ends: with a result, or with an error of emuplugin's. Afterwards the host has no new
process and no new open file, Python has not grown beyond what the machine may use, and the next
machine works.
"""

from __future__ import annotations

import faulthandler
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from emuplugin import EmupluginError, Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from emuplugin.runtime_shims.program import Program
from tests.conftest import PluginPath

MEMORY = 96 << 20
#: What the host may need for a machine beyond its memory: translated code above all.
_BESIDES = 450 << 20
#: A test that takes so long hangs: the whole run is given up, with a traceback.
_HANG = 240
_REGISTERS = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "", "r8", "r9", "r10", "r11", "r12", "r13", "", "r15",
)  # fmt: skip


def limits(**changes: Any) -> Limits:
    """Small ones, so that attacks soon meet them."""
    return Limits(
        **{
            "memory": MEMORY,
            "seconds": 10.0,
            "output": 1 << 20,
            "file_bytes": 8 << 20,
            "open_files": 64,
            "goroutines": 2000,
            "threads": 32,
            **changes,
        }
    )


def registers(**values: int) -> list[int]:
    """The argument of ``Run`` and ``Enter``."""
    words = [0] * 16
    for name, value in values.items():
        words[_REGISTERS.index(name)] = value & (1 << 64) - 1
    return words


class Attack:
    """One machine with the plugin in it."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        settings.setdefault("limits", limits())
        self.machine = Machine(Sandbox(**settings))
        self.path = path
        self._plugin: Plugin | None = None

    @property
    def plugin(self) -> Plugin:
        if self._plugin is None:
            self._plugin = self.machine.open(self.path)
        return self._plugin

    @property
    def program(self) -> Program:
        return self.machine.program

    def call(self, name: str, *arguments: object) -> Any:
        """Call a function of the plugin."""
        return self.plugin[name](*arguments)

    def fails(self, name: str, *arguments: object) -> EmupluginError:
        """The error that a call ends with."""
        with pytest.raises(EmupluginError) as caught:
            self.call(name, *arguments)
        return caught.value

    def ends(self, name: str, *arguments: object) -> EmupluginError | None:
        """The error that a call ends with, if it does; it must be one of emuplugin's."""
        try:
            self.call(name, *arguments)
        except EmupluginError as error:
            return error
        return None

    def run(self, code: str, **values: int) -> dict[str, int]:
        """Execute machine code (in hexadecimal); the registers behind it."""
        result = self.call("Run", _with_return(code), registers(**values))
        return {name: result[index] for index, name in enumerate(_REGISTERS) if name}

    def stops(self, code: str, *, elsewhere: bool = False, **values: int) -> EmupluginError:
        """What ends machine code that does not return."""
        name = "RunElsewhere" if elsewhere else "Run"
        return self.fails(name, _with_return(code), registers(**values))

    def enter(self, address: int, **values: int) -> EmupluginError | None:
        """Call what is at an address."""
        return self.ends("Enter", address, registers(**values))

    def kernel(self, number: int, *arguments: int) -> int:
        """A system call; minus errno if it fails."""
        words = [value & (1 << 64) - 1 for value in arguments]
        result, errno = self.call("Kernel", number, words + [0] * (6 - len(words)))
        return -errno if errno else int(result)

    def copy(self, data: bytes) -> int:
        """The address of a copy in the guest."""
        address = self.call("Copy", data)
        assert isinstance(address, int)
        return address

    def again(self) -> None:
        """Make the machine as new if the attack has killed it."""
        if self.machine.state == "dead":
            self.machine.reset()
        assert self.call("Sane", 20, 22) == 42


def _with_return(code: str) -> bytes:
    return bytes.fromhex(code) + b"\xc3"


#: Makes an attack's machine, with settings of its sandbox.
Hostile = Callable[..., Attack]


@pytest.fixture
def hostile(plugin_path: PluginPath, go_version: str) -> Iterator[Hostile]:
    attacks: list[Attack] = []

    def make(**settings: Any) -> Attack:
        attacks.append(Attack(plugin_path("hostile", go_version), settings))
        return attacks[-1]

    yield make
    for attack in attacks:
        attack.machine.close()


@pytest.fixture(autouse=True)
def sound_host(plugin_path: PluginPath, go_version: str) -> Iterator[None]:
    """The host is as it was, and the next machine works."""
    hello = plugin_path("hello", go_version)
    faulthandler.dump_traceback_later(_HANG, exit=True)
    try:
        children, files, size = _children(), _open_files(), _start_of_growth()
        yield
        assert _children() == children
        assert _growth(size) < MEMORY + _BESIDES
        with Machine(Sandbox(limits=limits(), stdout=io.StringIO())) as machine:
            plugin = machine.open(hello)
            plugin["V"].value = 7
            plugin["F"]()
        assert len(_open_files() - files) < 10
    finally:
        faulthandler.cancel_dump_traceback_later()


def _children() -> Sequence[str]:
    """The processes that this one has started and that are still there."""
    found = []
    for task in Path("/proc/self/task").glob("*/children"):
        found += task.read_text().split()
    return found


def _open_files() -> set[str]:
    return {
        os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)
    }


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def _status(name: str) -> int:
    """A size in /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    return 0


def _start_of_growth() -> int:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest size so far
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _growth(before: int) -> int:
    return _status("VmHWM") - before
