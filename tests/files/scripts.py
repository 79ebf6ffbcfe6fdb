"""Random scripts for the fixture's function Run: calls on a handful of names and descriptors, so
that they get in each other's way."""

from __future__ import annotations

from hypothesis import strategies as st

Step = tuple[str, ...]

_NAMES = ["a", "b", "d", "d/a", "d/e", "d/e/a", "l", "l/a", "m"]
_ODD = [
    "", ".", "..", "a/", "d/", "d/.", "d/..", "d//e", "./d/../a", "l/", "a/b", "d/e/..",
    "x" * 255, "x" * 256, "é", "d/e/", "m/", "nothing/a",
]  # fmt: skip
PATH = st.one_of(st.sampled_from(_NAMES), st.sampled_from(_NAMES), st.sampled_from(_ODD))
SLOT = st.sampled_from(["f", "g"])
MODE = st.sampled_from(["0755", "0644", "0600", "0400", "0200", "0", "0777", "0555", "01777"])
SIZE = st.sampled_from(["0", "1", "3", "10", "4096", "5000", "9000"])
OFFSET = st.sampled_from(["0", "2", "5", "4095", "4096", "8192", "20000", "-1"])
TEXT = st.sampled_from(["hello", "x", "", "0123456789", "ab" * 2100])
# O_RDONLY ... with O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK
FLAGS = st.sampled_from(
    ["0", "1", "2", "0101", "0102", "0302", "01102", "02102", "01001", "0200000", "0400000",
     "0600000", "02001", "0100", "01002", "0102001", "04000", "010000000"]
)  # fmt: skip


def step(name: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), *arguments)


OPENING = step("open", SLOT, PATH, FLAGS, MODE)
STEPS = st.one_of(
    OPENING,
    OPENING,
    OPENING,
    step("close", SLOT),
    step("dup", SLOT, SLOT),
    step("read", SLOT, SIZE),
    step("pread", SLOT, SIZE, OFFSET),
    step("write", SLOT, TEXT),
    step("write", SLOT, TEXT),
    step("pwrite", SLOT, TEXT, OFFSET),
    step("seek", SLOT, OFFSET, st.sampled_from(["0", "1", "2", "3", "4", "5"])),
    step("ftruncate", SLOT, OFFSET),
    step("truncate", PATH, OFFSET),
    step("fallocate", SLOT, st.sampled_from(["0", "1", "3", "2"]), OFFSET, SIZE),
    step("copy", SLOT, SLOT, SIZE),
    step("sendfile", SLOT, SLOT, SIZE),
    step("mkdir", PATH, MODE),
    step("mkdir", PATH, MODE),
    step("rmdir", PATH),
    step("unlink", PATH),
    step("rename", PATH, PATH),
    step("rename", PATH, PATH),
    step("renameat2", PATH, PATH, st.sampled_from(["0", "1", "2", "3", "8"])),
    step("link", PATH, PATH),
    step("symlink", st.sampled_from(["a", "d", "../a", ".", "l", "e", "nothing", "d/", ""]), PATH),
    step("symlink", st.sampled_from(["a", "d", "../a", ".", "l", "e"]), PATH),
    step("readlink", PATH),
    step("chmod", PATH, MODE),
    step("chown", PATH, st.sampled_from(["-1", "1000", "0"]), st.sampled_from(["-1", "1000", "5"])),
    step("access", PATH, st.sampled_from(["0", "1", "2", "4", "7", "8"])),
    step("utimes", PATH, st.sampled_from(["0", "1000", "123456789"])),
    step("chdir", st.sampled_from(["d", ".", "d/e", "a", "l"])),
    step("fchdir", SLOT),
    step("flock", SLOT, st.sampled_from(["5", "6", "8", "3", "0"])),
    step("lock", SLOT, st.sampled_from(["0", "1", "2"]), OFFSET, SIZE),
    step("getlock", SLOT, st.sampled_from(["0", "1"]), OFFSET, SIZE),
    step("stat", PATH),
    step("lstat", PATH),
    step("fstat", SLOT),
    step("fchmod", SLOT, MODE),
    step("flags", SLOT),
    step("openat", SLOT, PATH, FLAGS),
    step("list", PATH),
)

# Something to work on, then anything, then a look at what is left.
START: list[Step] = [
    ("mkdir", "d", "0755"),
    ("open", "f", "a", "0102", "0644"),
    ("write", "f", "first"),
]
END: list[Step] = [
    ("fstat", "f"),
    ("fstat", "g"),
    *[("lstat", name) for name in _NAMES],
    *[("list", name) for name in (".", "d", "d/e")],
    ("open", "h", "a", "0", "0"),
    ("read", "h", "9000"),
]
SCRIPTS = st.lists(STEPS, min_size=1, max_size=25).map(lambda steps: [*START, *steps, *END])
