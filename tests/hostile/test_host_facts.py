"""What a plugin can find out about the host: nothing."""

from __future__ import annotations

import getpass
import os
import socket
import time
from pathlib import Path

import pytest

from emuplugin.sandbox import DEFAULT_EPOCH
from tests.hostile.conftest import Attack, Hostile

RDTSC, RDTSCP, RDRAND, CPUID = "0f31", "0f01f9", "480fc7f0", "0fa2"


def test_environment(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMUPLUGIN_SECRET", "hidden-from-plugins")
    attack = hostile()
    known = attack.call("Environment")
    for path in ("/proc/self/environ", "/proc/self/cmdline", "/proc/self/status"):
        known += attack.call("Read", path)
    assert "hidden-from-plugins" not in known
    for fact in (socket.gethostname(), os.getcwd(), str(Path.home()), str(attack.path)):
        assert fact in ("/", "/root") or fact not in known
    assert getpass.getuser() == "root" or getpass.getuser() not in known


PATHS = (
    "/etc/shadow", "/etc/machine-id", "/proc/1/environ", "/proc/1/root/etc/passwd",
    "/proc/self/root/proc/1/cmdline", "/proc/kcore", "/proc/kallsyms", "/dev/mem", "/dev/kmsg",
    "/dev/sda", "/proc/self/mem", "/proc/self/pagemap", "/proc/net/tcp", "/sys/class/net/eth0",
    "/proc/self/fd/100", "/proc/self/task/1/environ", "/proc/sys/kernel/core_pattern",
    "/run/secrets", "/var/run/docker.sock", "/home/user/.ssh/id_rsa", "/root/.bashrc",
)  # fmt: skip


def test_files_of_the_host(hostile: Hostile) -> None:
    attack = hostile()
    for path in PATHS:
        assert attack.ends("Read", path) is not None, path


def test_files_that_are_not_the_hosts(hostile: Hostile, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    attack = hostile()
    for own in (secret, Path(__file__), attack.path):
        for form in (str(own), f"/proc/self/root{own}", f"/proc/self/cwd{own}", f"/..{own}"):
            assert attack.ends("Read", form) is not None
    for path in ("/etc/passwd", "/etc/hosts", "/proc/cpuinfo", "/proc/meminfo", "/proc/version"):
        assert attack.call("Read", path) != Path(path).read_text()


def test_clocks(hostile: Hostile) -> None:
    """Two machines see the same times, and none near the host's."""
    first, second = _times(hostile()), _times(hostile())
    assert first == second
    now = time.time()
    for value in first:
        seconds = value / 1e9
        assert abs(seconds - now) > 3600
        assert value < 3600 * 10**9 or abs(seconds - DEFAULT_EPOCH) < 3600 or value < 1 << 31


def _times(attack: Attack) -> list[int]:
    found = []
    for clock in (*range(12), -2, -6, 1 << 31, 1 << 40):
        value, error = attack.call("Clocks", clock & (1 << 64) - 1)
        found.append(0 if error else value)
    found += list(attack.call("OtherClocks"))
    found.append(int(float(attack.call("Read", "/proc/uptime").split()[0]) * 1e9))
    for code in (RDTSC, RDTSCP):
        registers = attack.run(code)
        found.append(registers["rdx"] << 32 | registers["rax"])
    return found


def test_the_processor(hostile: Hostile) -> None:
    """It is the same everywhere."""
    attack = hostile()
    for leaf in (0, 1, 2, 4, 7, 0xB, 0xD, 0x15, 0x40000000, 0x80000000, 0x80000002, 0xFFFFFFFF):
        found = [attack.run(CPUID, rax=leaf, rcx=0) for _ in range(2)]
        assert found[0] == found[1]
    brand = b""
    for leaf in (0x80000002, 0x80000003, 0x80000004):
        registers = attack.run(CPUID, rax=leaf)
        for name in ("rax", "rbx", "rcx", "rdx"):
            brand += registers[name].to_bytes(8, "little")[:4]
    assert brand.rstrip(b"\0") == b"emuplugin virtual x86-64"
    assert attack.call("Numbers")[0] == 1


def test_no_process_but_its_own(hostile: Hostile) -> None:
    attack = hostile()
    names = attack.call("List", "/proc")
    assert [name for name in names if name.isdigit()] == ["2"]
    assert list(attack.call("List", "/home")) == ["user"]
