"""Files in memory: private and shared mappings, and what they and the files see of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emuplugin import Limits, Mount
from emuplugin.runtime_shims.kernel import linux
from tests.files.guest import BUFFER, HERE, Guest

READ, WRITE = 1, 2
CREATE = linux.O_CREAT | linux.O_RDWR
PAGE = 4096


class Case:
    """A file of 10,000 bytes in a folder of each kind."""

    def __init__(self, guest: Guest, folder: str) -> None:
        self.guest, self.path = guest, folder + "/file"
        self.fd = guest.open(self.path, CREATE)
        self.content = bytes(range(250)) * 40
        for at in range(0, 10_000, 5000):
            assert guest.write(self.fd, self.content[at : at + 5000]) == 5000

    def map(
        self, flags: int, prot: int = READ | WRITE, size: int = 3 * PAGE, offset: int = 0
    ) -> int:
        at = self.guest.call("mmap", 0, size, prot, flags, self.fd, offset)
        assert at > 0
        return at

    def pread(self, size: int, offset: int) -> bytes | int:
        return self.guest.data(self.guest.call("pread64", self.fd, BUFFER, size, offset))

    def pwrite(self, data: bytes, offset: int) -> int:
        at = self.guest.put(data, BUFFER)
        return self.guest.call("pwrite64", self.fd, at, len(data), offset)


@pytest.fixture(params=["/tmp", "/write", "/overlay"])
def case(request: pytest.FixtureRequest, new_folder: Callable[[], Path]) -> Iterator[Case]:
    mounts = {"/write": Mount(new_folder(), "write"), "/overlay": Mount(new_folder(), "overlay")}
    guest = Guest(mounts=mounts)
    yield Case(guest, request.param)
    guest.close()


def test_private(case: Case) -> None:
    at, memory = case.map(linux.MAP_PRIVATE), case.guest.memory
    assert memory.read(at, 3 * PAGE) == case.content.ljust(3 * PAGE, b"\0")
    memory.write(at, b"changed")
    assert case.pread(7, 0) == case.content[:7]
    assert case.guest.call("madvise", at, PAGE, linux.MADV_DONTNEED) == 0
    assert memory.read(at, 7) == case.content[:7]
    second = case.map(linux.MAP_PRIVATE, READ, PAGE, 2 * PAGE)
    assert memory.read(second, 10_000 - 2 * PAGE) == case.content[2 * PAGE :]


def test_shared_writes_reach_the_file(case: Case) -> None:
    at, memory = case.map(linux.MAP_SHARED), case.guest.memory
    memory.write(at + 5000, b"through memory")
    assert case.pread(14, 5000) == b"through memory"
    memory.write(at, b"MAP")
    assert case.guest.content(case.path) == b"MAP" + case.content[3:PAGE]
    memory.write(at + 9999, b"xyz")  # behind the end: not part of the file
    assert case.guest.call("munmap", at, 3 * PAGE) == 0
    assert case.pread(10, 9990) == case.content[9990:9999] + b"x"
    assert case.guest.call("lseek", case.fd, 0, linux.SEEK_END) == 10_000


def test_file_writes_reach_mappings(case: Case) -> None:
    at, memory = case.map(linux.MAP_SHARED, READ), case.guest.memory
    assert case.pwrite(b"written", 4090) == 7
    assert memory.read(at + 4090, 7) == b"written"
    assert case.pwrite(b"longer", 12_000) == 6
    assert memory.read(at + 12_000, 6) == b"longer"
    assert case.guest.call("ftruncate", case.fd, 100) == 0
    assert memory.read(at, 3 * PAGE) == case.content[:100].ljust(3 * PAGE, b"\0")
    assert case.guest.call("ftruncate", case.fd, 10_000) == 0
    assert case.pread(8, 4090) == bytes(8)


def test_two_mappings(case: Case) -> None:
    one, two = case.map(linux.MAP_SHARED), case.map(linux.MAP_SHARED, size=PAGE, offset=PAGE)
    memory = case.guest.memory
    memory.write(one + PAGE, b"one")
    assert case.guest.call("msync", one, 3 * PAGE, linux.MS_SYNC) == 0
    assert memory.read(two, 3) == b"one"
    memory.write(two + 10, b"two")
    assert case.pread(3, PAGE + 10) == b"two"
    assert memory.read(one + PAGE + 10, 3) == b"two"
    # By another descriptor, too.
    other = case.guest.open(case.path, linux.O_RDWR)
    case.guest.call("pwrite64", other, case.guest.put(b"other", BUFFER), 5, PAGE)
    assert memory.read(one + PAGE, 5) == memory.read(two, 5) == b"other"


def test_parts_are_unmapped(case: Case) -> None:
    at, memory = case.map(linux.MAP_SHARED), case.guest.memory
    memory.write(at, b"a")
    memory.write(at + PAGE, b"b")
    memory.write(at + 2 * PAGE, b"c")
    assert case.guest.call("munmap", at + PAGE, PAGE) == 0
    assert case.pread(1, PAGE) == b"b"
    memory.write(at + 1, b"A")
    memory.write(at + 2 * PAGE + 1, b"C")
    assert case.pread(2, 0) == b"aA"
    assert case.pread(2, 2 * PAGE) == b"cC"
    # A new mapping in the place of the rest.
    fixed = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_FIXED
    memory.write(at + 2, b"!")
    assert case.guest.call("mmap", at, 3 * PAGE, READ | WRITE, fixed, -1, 0) == at
    assert case.pread(3, 0) == b"aA!"
    assert memory.read(at, 3) == bytes(3)


def test_mappings_outlive_descriptors(case: Case) -> None:
    at = case.map(linux.MAP_SHARED)
    assert case.guest.call("close", case.fd) == 0
    case.guest.memory.write(at, b"late")
    content = case.guest.content(case.path)
    assert isinstance(content, bytes)
    assert content[:4] == b"late"
    case.guest.call("unlink", case.path)
    case.guest.memory.write(at, b"gone")
    assert case.guest.call("munmap", at, 3 * PAGE) == 0
    assert case.guest.kernel.mappings.count == 0


def test_moved(case: Case) -> None:
    for flags in (linux.MAP_SHARED, linux.MAP_PRIVATE):
        at = case.map(flags, size=PAGE)
        case.guest.memory.write(at, b"moved")
        new = case.guest.call("mremap", at, PAGE, 3 * PAGE, linux.MREMAP_MAYMOVE)
        assert new > 0
        expected = b"moved" + case.content[5:]
        assert case.guest.memory.read(new, 10_000) == expected
        case.guest.memory.write(new + 5000, b"more")
        assert case.pread(4, 5000) == (b"more" if flags == 1 else case.content[5000:5004])
        case.pwrite(case.content[:8], 0)
        case.pwrite(case.content[5000:5008], 5000)
        case.guest.call("munmap", new, 3 * PAGE)


def test_without_access(case: Case) -> None:
    at = case.map(linux.MAP_PRIVATE, 0)
    assert case.guest.call("mprotect", at, 3 * PAGE, READ) == 0
    assert case.guest.memory.read(at, 10) == case.content[:10]


def test_made_writable_later(case: Case) -> None:
    at = case.map(linux.MAP_SHARED, READ)
    assert case.guest.call("mprotect", at, PAGE, READ | WRITE) == 0
    case.guest.memory.write(at, b"later")
    assert case.pread(5, 0) == b"later"


def test_errors(case: Case) -> None:
    guest, fd = case.guest, case.fd

    def mmap(fd: int, prot: int = READ, flags: int = 1, size: int = PAGE, offset: int = 0) -> int:
        return guest.call("mmap", 0, size, prot, flags, fd, offset)

    reading = guest.open(case.path)
    writing = guest.open(case.path, linux.O_WRONLY)
    assert mmap(reading, READ | WRITE) == -linux.EACCES
    assert mmap(reading, READ | WRITE, linux.MAP_PRIVATE) > 0
    assert mmap(writing) == -linux.EACCES
    assert mmap(99) == -linux.EBADF
    assert mmap(fd, offset=100) == -linux.EINVAL
    assert mmap(fd, offset=-PAGE) == -linux.EINVAL
    assert mmap(fd, flags=0) == -linux.EINVAL
    assert mmap(fd, size=0) == -linux.EINVAL
    assert mmap(guest.open("/tmp", linux.O_DIRECTORY)) == -linux.ENODEV
    assert mmap(guest.open("/dev/null")) == -linux.ENODEV
    zero = mmap(guest.open("/dev/zero"), READ, linux.MAP_PRIVATE)
    assert guest.memory.read(zero, 10) == bytes(10)
    assert guest.call("msync", zero, PAGE, 5) == -linux.EINVAL
    assert guest.call("msync", zero + 1, PAGE, 4) == -linux.EINVAL
    assert guest.call("msync", PAGE, PAGE, 4) == -linux.ENOMEM


def test_maps_name_files(case: Case) -> None:
    at = case.map(linux.MAP_SHARED)
    text = case.guest.kernel.tree.walk(case.guest.kernel.tree.root, "/proc/self/maps").found
    assert text is not None
    fd = case.guest.call("openat", HERE, "/proc/self/maps", 0, 0)
    data = case.guest.read(fd)
    assert isinstance(data, bytes)
    (line,) = [line for line in data.decode().splitlines() if line.endswith(case.path)]
    assert line.startswith(f"{at:x}-{at + 3 * PAGE:x} rw-")


def test_a_mapping_counts_as_memory() -> None:
    """A file that is mapped again and again is memory each time."""
    guest = Guest(limits=Limits(memory=16 << 20, file_bytes=8 << 20))
    fd = guest.open("/tmp/big", CREATE)
    block = guest.call("mmap", 0, 1 << 20, READ | WRITE, 0x22, -1, 0)
    for _ in range(4):
        assert guest.call("write", fd, block, 1 << 20) == 1 << 20
    results = [guest.call("mmap", 0, 4 << 20, READ, linux.MAP_PRIVATE, fd, 0) for _ in range(6)]
    assert results[0] > 0
    assert results[-1] == -linux.ENOMEM
    assert guest.kernel.mappings.count < 4
    guest.close()
