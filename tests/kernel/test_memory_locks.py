"""mlock and its kin, and protection keys: what an unprivileged process sees."""

from __future__ import annotations

from emuplugin.cpu.address_space import PAGE_SIZE, PROT_READ, PROT_WRITE
from emuplugin.runtime_shims.kernel import linux
from tests.kernel.raw import DATA, Raw

MLOCK, MUNLOCK, MLOCKALL, MUNLOCKALL, MLOCK2 = 149, 150, 151, 152, 325
REMAP_FILE_PAGES, PKEY_MPROTECT = 216, 329
NO_KEY = (1 << 64) - 1


def test_locking(raw: Raw) -> None:
    for call in (MLOCK, MUNLOCK, MLOCK2):
        assert raw.syscall(call, DATA + 1, 100, 0) == 0
        assert raw.syscall(call, 0x10000, 100, 0) == -linux.ENOMEM  # nothing there
        assert raw.syscall(call, DATA, (1 << 64) - 1, 0) == -linux.EINVAL
    assert raw.syscall(MLOCK, DATA, 1 << 30) == -linux.ENOMEM
    assert raw.syscall(MLOCK2, DATA, 100, 1) == 0
    assert raw.syscall(MLOCK2, DATA, 100, 2) == -linux.EINVAL


def test_locking_everything(raw: Raw) -> None:
    assert raw.syscall(MLOCKALL, 2) == 0  # MCL_FUTURE
    assert raw.syscall(MLOCKALL, 1) == -linux.ENOMEM  # MCL_CURRENT
    for flags in (0, 4, 8):
        assert raw.syscall(MLOCKALL, flags) == -linux.EINVAL
    assert raw.syscall(MUNLOCKALL) == 0


def test_protection_keys(raw: Raw) -> None:
    assert raw.syscall(PKEY_MPROTECT, DATA, PAGE_SIZE, PROT_READ, 1) == -linux.EINVAL
    assert raw.syscall(PKEY_MPROTECT, DATA, PAGE_SIZE, PROT_READ, NO_KEY) == 0
    area = raw.process.space.find(DATA)
    assert area is not None
    assert area.prot == PROT_READ
    assert raw.syscall(PKEY_MPROTECT, DATA, PAGE_SIZE, PROT_READ | PROT_WRITE, NO_KEY) == 0


def test_remap_file_pages(raw: Raw) -> None:
    assert raw.syscall(REMAP_FILE_PAGES, DATA, PAGE_SIZE, 0, 0, 0) == -linux.EINVAL
