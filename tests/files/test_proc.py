"""/proc, /sys, /etc and /dev: what programs look up there."""

from __future__ import annotations

import io
import re
import zoneinfo
from collections.abc import Iterator

import pytest

from emuplugin import GoError, Limits
from emuplugin.plugin import Plugin
from emuplugin.runtime_shims.kernel import linux
from tests.files.conftest import Open
from tests.files.guest import BUFFER, Guest


@pytest.fixture
def guest() -> Iterator[Guest]:
    process = Guest(
        args=("/bin/tool", "-x"), env={"A": "1", "B": ""}, cpus=2, limits=Limits(memory=64 << 20)
    )
    yield process
    process.close()


def text(guest: Guest, path: str) -> str:
    content = guest.content(path)
    assert isinstance(content, bytes), (path, content)
    return content.decode()


def test_the_process(guest: Guest) -> None:
    assert text(guest, "/proc/self/cmdline") == "/bin/tool\0-x\0"
    assert text(guest, "/proc/self/environ") == "A=1\0B=\0"
    assert text(guest, "/proc/self/comm") == "tool\n"
    assert guest.readlink("/proc/self/exe") == b"/bin/tool"
    assert guest.readlink("/proc/self") == b"2"
    assert guest.readlink("/proc/self/cwd") == b"/"
    status = dict(line.split(":\t", 1) for line in text(guest, "/proc/2/status").splitlines())
    assert (status["Name"], status["Pid"], status["Threads"]) == ("tool", "2", "1")
    assert status["Uid"] == "1000\t1000\t1000\t1000"
    assert status["CapEff"] == "0" * 16
    assert status["Cpus_allowed_list"] == "0-1"
    stat = text(guest, "/proc/self/stat").split()
    assert (stat[0], stat[1], len(stat)) == ("2", "(tool)", 52)
    maps = text(guest, "/proc/self/maps").splitlines()
    line = re.compile(r"[0-9a-f]+-[0-9a-f]+ [r-][w-][x-]p [0-9a-f]{8} 00:00 0( +\S.*)?")
    assert all(line.fullmatch(entry) for entry in maps), maps
    assert any(entry.endswith("[stack]") for entry in maps)
    assert text(guest, "/proc/self/task/2/comm") == "tool\n"
    assert guest.names("/proc/self/task") == ["2"]
    assert text(guest, "/proc/self/cgroup") == "0::/\n"
    for line_ in text(guest, "/proc/self/mountinfo").splitlines():
        assert re.fullmatch(r"\d+ \d+ 0:\d+ / \S+ r[ow],nosuid,nodev - \S+ \S+ rw", line_), line_


def test_descriptors(guest: Guest) -> None:
    assert guest.names("/proc/self/fd") == ["0", "1", "2", "3"]  # the last is the listing's own
    fd = guest.open("/etc/passwd", linux.O_CLOEXEC)
    assert guest.readlink(f"/proc/self/fd/{fd}") == b"/etc/passwd"
    guest.read(fd, 10)
    info = text(guest, f"/proc/self/fdinfo/{fd}")
    assert info.startswith("pos:\t10\nflags:\t02100000\n")
    assert text(guest, f"/dev/fd/{fd}") == text(guest, "/etc/passwd")
    guest.call("pipe", BUFFER)
    assert re.fullmatch(rb"pipe:\[\d+\]", guest.readlink("/proc/self/fd/5"))  # type: ignore[arg-type]
    assert guest.open("/proc/self/fd/99") == -linux.ENOENT
    assert guest.open("/proc/self/fd/01") == -linux.ENOENT
    assert guest.call("unlink", f"/proc/self/fd/{fd}") == -linux.EACCES


def test_the_system(guest: Guest) -> None:
    assert text(guest, "/proc/cpuinfo").count("processor\t:") == 2
    meminfo = text(guest, "/proc/meminfo")
    assert f"MemTotal:{(64 << 20) // 1024:>15} kB" in meminfo
    assert text(guest, "/sys/devices/system/cpu/online") == "0-1\n"
    assert text(guest, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") == "0\n"
    assert text(guest, "/proc/sys/net/core/somaxconn") == "4096\n"
    assert text(guest, "/proc/sys/kernel/hostname") == "emuplugin\n"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n",
                        text(guest, "/proc/sys/kernel/random/uuid"))  # fmt: skip
    assert guest.open("/sys/new", linux.O_CREAT | linux.O_WRONLY) == -linux.EROFS
    assert guest.open("/proc/new", linux.O_CREAT | linux.O_WRONLY) == -linux.EACCES
    assert guest.open("/proc/self/comm", linux.O_WRONLY) == -linux.EACCES
    assert guest.call("mkdir", "/sys/x", 0o755) == -linux.EROFS


def test_names_and_time_zones(guest: Guest) -> None:
    assert "user:x:1000:1000:" in text(guest, "/etc/passwd")
    assert "user:x:1000:" in text(guest, "/etc/group")
    assert text(guest, "/etc/nsswitch.conf").splitlines()[-1] == "hosts: files dns"
    data = guest.content("/etc/localtime")
    assert isinstance(data, bytes)
    zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(data), "Local")
    assert zone.tzname(None) in (None, "UTC")
    assert guest.names("/home") == ["user"]
    assert guest.open("/home/user/x", linux.O_CREAT | linux.O_WRONLY) > 0
    assert guest.open("/etc/x", linux.O_CREAT | linux.O_WRONLY) == -linux.EACCES
    assert guest.names("/root") == -linux.EACCES


def test_devices(guest: Guest) -> None:
    assert guest.names("/dev") == [
        "fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom",
        "zero",
    ]  # fmt: skip
    assert guest.open("/dev/tty", linux.O_RDWR) == -linux.ENXIO
    assert guest.mode("/dev/null") == 0o020666
    assert guest.write(guest.open("/dev/shm/x", linux.O_CREAT | linux.O_RDWR), b"x") == 1
    assert guest.call("unlink", "/dev/null") == -linux.EACCES


def test_standard_streams() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    guest = Guest(stdin=io.BytesIO(b"some input"), stdout=out, stderr=err)
    assert guest.write(guest.open("/dev/stdout", linux.O_WRONLY), b"to out ") == 7
    assert guest.write(guest.open("/proc/self/fd/1", linux.O_WRONLY | linux.O_TRUNC), b"more") == 4
    assert guest.write(guest.open("/dev/stderr", linux.O_WRONLY), b"to err") == 6
    assert guest.content("/dev/stdin") == b"some input"
    assert (out.getvalue(), err.getvalue()) == (b"to out more", b"to err")
    assert guest.call("close", 1) == 0
    assert guest.open("/dev/stdout", linux.O_WRONLY) == -linux.ENOENT
    guest.close()


class Broken(io.RawIOBase):
    """A stream whose reader is gone."""

    def __init__(self, error: BaseException) -> None:
        self.error: BaseException | None = error
        self.taken = b""

    def write(self, data: object) -> int:
        if self.error is not None:
            raise self.error
        assert isinstance(data, bytes)
        self.taken += data
        return len(data)


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed"), ZeroDivisionError()])
def test_a_stream_of_pythons_that_fails(open_files: Open, error: Exception) -> None:
    """The exception comes out of the call as it is, and the machine is dead, as the plugin was in
    the middle of a system call; its files can still be read."""
    stream = Broken(error)
    plugin = open_files(stdout=stream)
    assert plugin.lookup("Write")("/tmp/before", "x") is None
    with pytest.raises(type(error)) as caught:
        plugin.lookup("Write")("/dev/stdout", "text")
    assert caught.value is error
    assert plugin.machine.state == "dead"
    assert plugin.machine.files["/tmp/before"].read_text() == "x"


def test_go_reads_proc(open_files: Open) -> None:
    plugin: Plugin = open_files()
    read = plugin.lookup("Read")
    assert "Threads:" in read("/proc/self/status")
    assert read("/proc/self/maps").count("\n") > 5
    with pytest.raises(GoError, match="no such file"):
        read("/proc/3/status")
