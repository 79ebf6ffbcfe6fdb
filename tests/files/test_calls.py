"""System calls on files, one by one: what no random script reaches."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from emuplugin.runtime_shims.kernel import linux
from tests.files.guest import BUFFER, HERE, Guest
from tests.kernel.raw import BAD, SECRET

CREATE = linux.O_CREAT | linux.O_RDWR
APPEND = linux.O_APPEND | linux.O_WRONLY


@pytest.fixture
def guest() -> Iterator[Guest]:
    process = Guest()
    process.call("chdir", "/tmp")
    yield process
    process.close()


def how(flags: int, resolve: int, mode: int = 0) -> bytes:
    return struct.pack("<QQQ", flags, mode, resolve)


def test_openat2(guest: Guest) -> None:
    for folder in ("/tmp/top", "/tmp/top/in"):
        guest.call("mkdir", folder, 0o755)
    guest.call("symlink", "in", "/tmp/top/link")
    guest.call("symlink", "/etc", "/tmp/top/out")
    guest.call("symlink", "../../etc", "/tmp/top/up")
    guest.write(guest.open("/tmp/top/in/file", CREATE), b"inside")
    top = guest.open("/tmp/top", linux.O_DIRECTORY)

    def openat2(path: str, resolve: int, flags: int = 0) -> int:
        at = guest.put(how(flags, resolve), BUFFER + 4096)
        return guest.call("openat2", top, path, at, 24)

    beneath, in_root = linux.RESOLVE_BENEATH, linux.RESOLVE_IN_ROOT
    assert guest.read(openat2("link/file", beneath)) == b"inside"
    assert guest.read(openat2("in/../in/file", beneath)) == b"inside"
    for path in ("..", "in/../..", "/tmp/top", "out/passwd", "up/passwd"):
        assert openat2(path, beneath) == -linux.EXDEV, path
    assert openat2("out/passwd", in_root) == -linux.ENOENT
    assert guest.read(openat2("/../../in/file", in_root)) == b"inside"
    assert openat2("link/file", linux.RESOLVE_NO_SYMLINKS) == -linux.ELOOP
    assert openat2("in/file", linux.RESOLVE_NO_SYMLINKS) > 0
    assert openat2("/proc/self", linux.RESOLVE_NO_XDEV) == -linux.EXDEV
    assert openat2(f"/proc/self/fd/{top}", linux.RESOLVE_NO_MAGICLINKS) == -linux.ELOOP
    assert openat2("in", 64) == -linux.EINVAL
    assert openat2("in", beneath | in_root) == -linux.EINVAL
    assert openat2("in", linux.RESOLVE_CACHED) == -linux.EAGAIN
    assert openat2("in", 0, 1 << 40) == -linux.EINVAL
    at = guest.put(how(0, 0) + bytes(8), BUFFER + 4096)
    assert guest.call("openat2", top, "in", at, 32) > 0
    assert guest.call("openat2", top, "in", at, 16) == -linux.EINVAL
    guest.put(how(0, 0) + b"\1", BUFFER + 4096)
    assert guest.call("openat2", top, "in", at, 32) == -linux.E2BIG


def test_statx(guest: Guest) -> None:
    fd = guest.open("file", CREATE, 0o640)
    guest.write(fd, b"x" * 5000)
    assert guest.call("statx", HERE, "file", 0, 0xFFF, BUFFER) == 0
    head = struct.unpack("<IIQIIIHxxQQQQ", guest.memory.read(BUFFER, 64))
    mask, block, _, links, uid, gid, mode, inode, size, blocks, _ = head
    assert (mask & 0xFFF, block, links, uid, gid, mode) == (0xFFF, 4096, 1, 1000, 1000, 0o100640)
    assert (size, blocks) == (5000, 16)
    times = [struct.unpack("<qI4x", guest.memory.read(BUFFER + 64 + 16 * i, 16)) for i in range(4)]
    # Of the machine's clock: made and changed within its first second.
    assert all(1767225600 <= seconds <= 1767225603 for seconds, _ in times)
    assert guest.call("statx", fd, "", linux.AT_EMPTY_PATH, 0xFFF, BUFFER) == 0
    assert struct.unpack_from("<Q", guest.memory.read(BUFFER + 32, 8)) == (inode,)
    assert guest.call("statx", fd, "", 0, 0xFFF, BUFFER) == -linux.ENOENT
    assert guest.call("statx", HERE, "file", 0, 1 << 31, BUFFER) == -linux.EINVAL
    assert guest.call("statx", HERE, "file", 0x6000, 0xFFF, BUFFER) == -linux.EINVAL
    assert guest.call("statx", HERE, "file", 0, 0xFFF, SECRET) == -linux.EFAULT


def test_bad_pointers(guest: Guest) -> None:
    """EFAULT, and nothing has happened."""
    fd = guest.open("file", CREATE)
    guest.write(fd, b"content")
    folder = guest.open("/tmp", linux.O_DIRECTORY)
    for pointer in BAD:
        for name in ("open", "unlink", "mkdir", "rmdir", "chdir", "truncate", "creat"):
            assert guest.call(name, pointer, 0, 0) == -linux.EFAULT, name
        for name in ("rename", "link", "symlink"):
            assert guest.call(name, pointer, "new") == -linux.EFAULT, name
            assert guest.call(name, "file", pointer) == -linux.EFAULT, name
        assert guest.call("readlink", pointer, BUFFER, 100) == -linux.EFAULT
        assert guest.call("pread64", fd, pointer, 4, 0) == -linux.EFAULT
        assert guest.call("pwrite64", fd, pointer, 4, 0) == -linux.EFAULT
        assert guest.call("preadv", fd, pointer, 1, 0, 0) == -linux.EFAULT
        assert guest.call("getdents64", folder, pointer, 1000) == -linux.EFAULT
        assert guest.call("stat", "file", pointer) == -linux.EFAULT
        assert guest.call("statfs", "file", pointer) == -linux.EFAULT
        assert guest.call("openat2", HERE, "file", pointer, 24) == -linux.EFAULT
        assert guest.call("memfd_create", pointer, 0) == -linux.EFAULT
        assert guest.call("fcntl", fd, linux.F_SETLK, pointer) == -linux.EFAULT
    assert guest.call("getcwd", SECRET, 100) == -linux.EFAULT
    assert guest.call("getdents64", folder, SECRET, 1000) == -linux.EFAULT
    assert guest.call("lseek", fd, 0, linux.SEEK_SET) == 0
    assert guest.call("read", fd, SECRET, 4) == -linux.EFAULT
    assert guest.read(fd) == b"content"  # none of it was taken
    assert guest.names("/tmp") == ["file"]
    assert not any(guest.memory.read(SECRET, 4096))


def test_positions_and_vectors(guest: Guest) -> None:
    fd = guest.open("file", CREATE)
    assert guest.call("pwrite64", fd, guest.put(b"0123456789", BUFFER), 10, 100) == 10
    assert guest.call("lseek", fd, 0, linux.SEEK_CUR) == 0
    pieces = struct.pack("<4Q", BUFFER + 256, 3, BUFFER + 512, 100)
    vector = guest.put(pieces, BUFFER + 128)
    assert guest.call("preadv", fd, vector, 2, 104, 0) == 6
    assert guest.memory.read(BUFFER + 256, 3) + guest.memory.read(BUFFER + 512, 3) == b"456789"
    assert guest.call("preadv2", fd, vector, 2, -1, 0, 0) == 103
    assert guest.call("preadv2", fd, vector, 2, 0, 0, 1 << 10) == -linux.EOPNOTSUPP
    assert guest.call("pwritev2", fd, vector, 1, 0, 0, 16) == 3  # RWF_APPEND
    assert guest.call("lseek", fd, 0, linux.SEEK_END) == 113
    for offset in (-1, -(1 << 63)):
        assert guest.call("pread64", fd, BUFFER, 1, offset) == -linux.EINVAL
        assert guest.call("pwrite64", fd, BUFFER, 1, offset) == -linux.EINVAL
    largest = (1 << 63) - 1
    assert guest.call("pread64", fd, BUFFER, 1, largest) == 0
    assert guest.call("pwrite64", fd, BUFFER, 1, largest) == -linux.EFBIG
    assert guest.call("lseek", fd, largest, linux.SEEK_SET) == largest
    assert guest.call("lseek", fd, 1, linux.SEEK_CUR) == -linux.EINVAL
    assert guest.write(fd, b"x") == -linux.EFBIG
    assert guest.call("read", fd, BUFFER, 1 << 63) == -linux.EINVAL
    assert guest.call("write", fd, BUFFER, (1 << 64) - 1) == -linux.EINVAL
    assert guest.call("ftruncate", fd, largest) == 0
    assert guest.call("ftruncate", fd, 1 << 63) == -linux.EINVAL


def test_sparse_files(guest: Guest) -> None:
    fd = guest.open("file", CREATE)
    assert guest.call("pwrite64", fd, guest.put(b"x", BUFFER), 1, 1 << 40) == 1
    assert guest.call("lseek", fd, 0, linux.SEEK_DATA) == 1 << 40
    assert guest.call("lseek", fd, 0, linux.SEEK_HOLE) == 0
    assert guest.call("lseek", fd, 1 << 40, linux.SEEK_HOLE) == (1 << 40) + 1
    assert guest.call("lseek", fd, (1 << 40) + 1, linux.SEEK_DATA) == -linux.ENXIO
    assert guest.call("fstat", fd, BUFFER) == 0
    size, _, blocks = struct.unpack("<qqq", guest.memory.read(BUFFER + 48, 24))
    assert (size, blocks) == ((1 << 40) + 1, 8)
    punch = linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE
    assert guest.call("fallocate", fd, punch, 0, 1 << 50) == 0
    assert guest.call("fstat", fd, BUFFER) == 0
    assert struct.unpack("<qqq", guest.memory.read(BUFFER + 48, 24)) == ((1 << 40) + 1, 4096, 0)
    assert guest.kernel.tree.storage.used == 512


def test_copying(guest: Guest) -> None:
    source, target = guest.open("a", CREATE), guest.open("b", CREATE)
    guest.write(source, bytes(range(100)))
    offset = guest.put(struct.pack("<q", 10), BUFFER + 512)
    assert guest.call("sendfile", target, source, offset, 20) == 20
    assert guest.memory.read_u64(offset) == 30
    assert guest.call("copy_file_range", source, offset, target, 0, 1000, 0) == 70
    assert guest.memory.read_u64(offset) == 100
    assert guest.content("b") == bytes(range(10, 100))
    assert guest.call("copy_file_range", source, offset, source, offset, 10, 0) == 0
    guest.put(struct.pack("<qq", 0, 5), offset)
    assert guest.call("copy_file_range", source, offset, source, offset + 8, 10, 0) == -22
    assert guest.call("copy_file_range", source, 0, target, 0, 10, 1) == -linux.EINVAL
    assert guest.call("copy_file_range", 0, 0, target, 0, 10, 0) == -linux.EINVAL
    folder = guest.open("/tmp", linux.O_DIRECTORY)
    assert guest.call("copy_file_range", folder, 0, target, 0, 10, 0) == -linux.EISDIR
    append = guest.open("b", APPEND)
    assert guest.call("copy_file_range", source, 0, append, 0, 10, 0) == -linux.EBADF
    assert guest.call("sendfile", append, source, 0, 1) == -linux.EINVAL
    assert guest.call("sendfile", target, source, SECRET, 1) == -linux.EFAULT


def test_splice(guest: Guest) -> None:
    source, target = guest.open("a", CREATE), guest.open("b", CREATE)
    guest.write(source, b"through a pipe")
    guest.call("pipe2", BUFFER, linux.O_NONBLOCK)
    reader, writer = struct.unpack("<ii", guest.memory.read(BUFFER, 8))
    offset = guest.put(struct.pack("<q", 8), BUFFER + 512)
    assert guest.call("splice", source, offset, writer, 0, 100, 0) == 6
    assert guest.memory.read_u64(offset) == 14
    assert guest.call("splice", reader, 0, target, 0, 100, 0) == 6
    assert guest.content("b") == b"a pipe"
    assert guest.call("splice", reader, 0, target, 0, 100, 0) == -linux.EAGAIN
    assert guest.call("splice", source, 0, target, 0, 100, 0) == -linux.EINVAL
    assert guest.call("splice", source, 0, writer, offset, 100, 0) == -linux.ESPIPE
    assert guest.call("tee", reader, writer, 10, 0) == -linux.EINVAL


def test_fifos(guest: Guest) -> None:
    assert guest.call("mknod", "fifo", linux.S_IFIFO | 0o644, 0) == 0
    nonblocking = linux.O_NONBLOCK
    assert guest.open("fifo", linux.O_WRONLY | nonblocking) == -linux.ENXIO
    reader = guest.open("fifo", nonblocking)
    assert guest.read(reader) == b""  # nobody writes
    writer = guest.open("fifo", linux.O_WRONLY)
    assert guest.read(reader) == -linux.EAGAIN
    assert guest.write(writer, b"hello") == 5
    assert guest.call("ioctl", reader, 0x541B, BUFFER) == 0
    assert guest.memory.read_u32(BUFFER) == 5
    assert guest.read(reader) == b"hello"
    assert guest.call("lseek", reader, 0, 0) == -linux.ESPIPE
    assert guest.call("fcntl", reader, linux.F_GETPIPE_SZ, 0) == 65536
    guest.call("close", writer)
    assert guest.read(reader) == b""
    both = guest.open("fifo", linux.O_RDWR)
    assert guest.write(both, b"x") == 1
    assert guest.read(both) == b"x"


def test_flags_of_descriptors(guest: Guest) -> None:
    fds = [guest.open("file", CREATE | linux.O_CLOEXEC) for _ in range(10)]
    assert guest.call("close_range", fds[3], fds[6], 0) == 0
    assert guest.call("close_range", fds[8], 0xFFFFFFFF, 4) == 0
    open_ = sorted(guest.kernel.files.table)
    assert open_ == [0, 1, 2, *fds[:3], *fds[7:]]
    assert guest.open("file") == fds[3]  # the lowest that is free
    assert guest.call("close_range", 5, 4, 0) == -linux.EINVAL
    assert guest.call("close_range", 5, 6, 8) == -linux.EINVAL
    assert guest.call("ioctl", fds[0], 0x5401, BUFFER) == -linux.ENOTTY
    assert guest.call("ioctl", fds[0], 0x5450, 0) == 0
    assert guest.call("fcntl", fds[0], linux.F_GETFD, 0) == 0
    assert guest.call("ioctl", fds[0], 0x5451, 0) == 0
    assert guest.call("fcntl", fds[0], linux.F_GETFD, 0) == 1
    path = guest.open("file", linux.O_PATH)
    assert guest.call("read", path, BUFFER, 1) == -linux.EBADF
    assert guest.call("fchmod", path, 0o600) == -linux.EBADF
    assert guest.call("fcntl", path, linux.F_GETFL, 0) == linux.O_PATH
    assert guest.call("fstat", path, BUFFER) == 0


def test_memfd(guest: Guest) -> None:
    fd = guest.call("memfd_create", "name", 2)  # MFD_ALLOW_SEALING
    assert guest.write(fd, b"sealed") == 6
    assert guest.readlink(f"/proc/self/fd/{fd}") == b"/memfd:name (deleted)"
    seals = linux.F_SEAL_GROW | linux.F_SEAL_SHRINK
    assert guest.call("fcntl", fd, linux.F_ADD_SEALS, seals) == 0
    assert guest.call("fcntl", fd, linux.F_GET_SEALS, 0) == seals
    assert guest.call("ftruncate", fd, 3) == -linux.EPERM
    assert guest.write(fd, b"more") == -linux.EPERM
    assert guest.call("pwrite64", fd, guest.put(b"S", BUFFER), 1, 0) == 1
    final = linux.F_SEAL_WRITE | linux.F_SEAL_SEAL
    assert guest.call("fcntl", fd, linux.F_ADD_SEALS, final) == 0
    assert guest.call("pwrite64", fd, BUFFER, 1, 0) == -linux.EPERM
    assert guest.call("fcntl", fd, linux.F_ADD_SEALS, 0) == -linux.EPERM
    assert guest.call("mmap", 0, 4096, 2, linux.MAP_SHARED, fd, 0) == -linux.EPERM
    assert guest.call("memfd_create", "x", 4) == -linux.EINVAL
    assert guest.call("memfd_create", "x" * 250, 0) == -linux.EINVAL
    plain = guest.call("memfd_create", "", 0)
    assert guest.call("fcntl", plain, linux.F_GET_SEALS, 0) == linux.F_SEAL_SEAL
    used = guest.kernel.tree.storage.used
    assert guest.call("close", fd) == 0
    assert guest.kernel.tree.storage.used == used - 4096 - 512


def test_unlinked_files_live_until_closed(guest: Guest) -> None:
    fd = guest.open("file", CREATE)
    guest.write(fd, b"x" * 8192)
    assert guest.call("unlink", "file") == 0
    assert guest.kernel.tree.storage.used == 8192 + 512
    assert guest.readlink(f"/proc/self/fd/{fd}") == b"/tmp/file (deleted)"
    assert guest.content(f"/proc/self/fd/{fd}") == b"x" * 4096
    assert guest.call("close", fd) == 0
    assert guest.kernel.tree.storage.used == 0
    guest.call("mkdir", "folder", 0o755)
    folder = guest.open("folder", linux.O_DIRECTORY)
    assert guest.call("chdir", "folder") == 0
    assert guest.call("rmdir", "/tmp/folder") == 0
    assert guest.call("getcwd", BUFFER, 100) == -linux.ENOENT
    assert guest.open("new", CREATE) == -linux.ENOENT
    assert guest.openat(folder, "new", CREATE) == -linux.ENOENT
    assert guest.call("getdents64", folder, BUFFER, 100) == -linux.ENOENT
    assert guest.call("chdir", "..") == 0


def test_temporary_files_without_a_name(guest: Guest) -> None:
    flags = linux.O_TMPFILE | linux.O_DIRECTORY
    fd = guest.open("/tmp", flags | linux.O_RDWR)
    assert guest.write(fd, b"content") == 7
    assert guest.names("/tmp") == []
    assert guest.open("/tmp", flags) == -linux.EINVAL
    assert guest.open("/tmp", linux.O_TMPFILE | linux.O_RDWR) == -linux.EINVAL


def test_directories_are_sorted(guest: Guest) -> None:
    for name in ("b", "a", "ü", "c", "B", "10", "9"):
        guest.open(name, CREATE)
    assert guest.names("/tmp") == ["10", "9", "B", "a", "b", "c", "ü"]
    fd = guest.open("/tmp", linux.O_DIRECTORY)
    assert guest.call("getdents64", fd, BUFFER, 10) == -linux.EINVAL
    assert guest.call("getdents", fd, BUFFER, 4096) > 0
    assert guest.call("getdents64", fd, BUFFER, 4096) == 0
    assert guest.call("lseek", fd, 0, linux.SEEK_SET) == 0
    assert guest.call("getdents64", fd, BUFFER, 4096) > 0
    file = guest.open("a")
    assert guest.call("getdents64", file, BUFFER, 4096) == -linux.ENOTDIR


def test_inotify(guest: Guest) -> None:
    fd = guest.call("inotify_init1", linux.O_NONBLOCK)
    watch = guest.call("inotify_add_watch", fd, "/tmp", 0xFFF)
    assert watch == 1
    assert guest.read(fd) == -linux.EAGAIN

    def events() -> list[tuple[int, str]]:
        data, found = guest.read(fd), []
        assert isinstance(data, bytes)
        while data:
            number, mask, _, size = struct.unpack_from("<iIII", data)
            assert number == watch
            found.append((mask, data[16 : 16 + size].rstrip(b"\0").decode()))
            data = data[16 + size :]
        return found

    file = guest.open("file", CREATE)
    guest.write(file, b"x")
    guest.call("chmod", "file", 0o600)
    guest.call("rename", "file", "moved")
    guest.call("mkdir", "folder", 0o755)
    guest.call("unlink", "moved")
    found = events()
    directory = 0x40000000
    for event in (
        (0x100, "file"), (0x20, "file"), (2, "file"), (0x40, "file"), (0x80, "moved"),
        (0x100 | directory, "folder"), (0x200, "moved"),
    ):  # fmt: skip
        assert event in found
        found = found[found.index(event) :]
    assert guest.call("inotify_rm_watch", fd, watch) == 0
    assert events() == [(0x8000, "")]
    assert guest.call("inotify_rm_watch", fd, watch) == -linux.EINVAL
    assert guest.call("inotify_add_watch", fd, "/tmp", 0) == -linux.EINVAL
    assert guest.call("inotify_add_watch", fd, "/missing", 1) == -linux.ENOENT
    assert guest.call("inotify_add_watch", file, "/tmp", 1) == -linux.EINVAL


def test_what_there_is_not(guest: Guest) -> None:
    fd = guest.open("file", CREATE)
    assert guest.call("getxattr", "file", "user.x", BUFFER, 100) == -linux.EOPNOTSUPP
    assert guest.call("fsetxattr", fd, "user.x", BUFFER, 1, 0) == -linux.EOPNOTSUPP
    assert guest.call("listxattr", "file", BUFFER, 100) == 0
    assert guest.call("getxattr", "missing", "user.x", BUFFER, 100) == -linux.ENOENT
    assert guest.call("mknod", "device", linux.S_IFCHR | 0o666, 0x105) == -linux.EPERM
    assert guest.call("mknod", "block", linux.S_IFBLK | 0o666, 0x800) == -linux.EPERM


def test_file_systems(guest: Guest) -> None:
    assert guest.call("statfs", "/tmp", BUFFER) == 0
    kind, block, total, free = struct.unpack("<qqQQ", guest.memory.read(BUFFER, 32))
    assert (kind, block, total) == (0x01021994, 4096, (256 << 20) // 4096)
    assert free <= total
    assert guest.call("statfs", "/proc", BUFFER) == 0
    assert struct.unpack("<q", guest.memory.read(BUFFER, 8)) == (0x9FA0,)
    assert guest.call("sync") == 0
    fd = guest.open("/tmp", linux.O_DIRECTORY)
    for call in ("fsync", "fdatasync", "syncfs"):
        assert guest.call(call, fd) == 0
    assert guest.call("fsync", 1) == -linux.EINVAL  # a stream


def test_the_report_names_files(guest: Guest) -> None:
    guest.write(guest.open("file", CREATE), b"x")
    guest.content("file")
    guest.call("mkdir", "folder", 0o755)
    guest.names("folder")
    guest.call("unlink", "file")
    guest.call("stat", "/etc/passwd", BUFFER)
    guest.open("/etc/passwd", linux.O_RDWR)
    files = guest.kernel.report.files.counts
    for entry in (
        ("/tmp/file", "create"), ("/tmp/file", "read"), ("/tmp/folder", "create"),
        ("/tmp/folder", "list"), ("/tmp/file", "remove"), ("/etc/passwd", "stat"),
    ):  # fmt: skip
        assert files[entry] == 1, entry
    assert guest.kernel.report.refusals.counts["openat", "/etc/passwd"] == 1
