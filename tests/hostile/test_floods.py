"""Floods of output and files."""

from __future__ import annotations

import io

import pytest

from emuplugin import (
    CorruptDataError,
    EmupluginError,
    FileSizeLimitExceeded,
    GoError,
    GoOutOfMemory,
    GoPanic,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    TimeLimitExceeded,
)
from tests.hostile.conftest import Hostile, limits


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("FloodOutput", ()),
        ("FloodDuplicate", ()),
        ("FloodAgain", ("/dev/stdout",)),
        ("FloodAgain", ("/dev/stderr",)),
        ("FloodAgain", ("/proc/self/fd/1",)),
        ("FloodAgain", ("/dev/fd/2",)),
        ("FloodErrors", ()),
        ("FloodBytes", ()),
    ],
)
def test_output(hostile: Hostile, name: str, arguments: tuple[str, ...]) -> None:
    output, errors = io.BytesIO(), io.BytesIO()
    attack = hostile(limits=limits(output=50_000), stdout=output, stderr=errors)
    error = attack.fails(name, *arguments)
    assert isinstance(error, OutputLimitExceeded)
    assert error.allowed == 50_000
    assert len(output.getvalue()) + len(errors.getvalue()) <= 50_000
    attack.again()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("OneFile", ("/tmp/x",)),
        ("OneFile", ("/dev/shm/x",)),
        ("ManyFiles", ("/tmp", 0)),
        ("ManyFiles", ("/tmp", 1)),
        ("ManyFiles", ("/tmp", 100_000)),
        ("ManyFolders", ("/tmp",)),
        ("Links", ("/tmp", 1_000_000)),
    ],
)
def test_files(hostile: Hostile, name: str, arguments: tuple[object, ...]) -> None:
    """Names take room too."""
    attack = hostile(limits=limits(file_bytes=1 << 20))
    error = attack.fails(name, *arguments)
    assert isinstance(error, FileSizeLimitExceeded)
    assert error.allowed == 1 << 20
    attack.again()


def test_files_that_swallow_everything(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=0.3))
    assert isinstance(attack.fails("OneFile", "/dev/null"), TimeLimitExceeded)
    attack.again()
    for path in ("/dev/full", "/proc/self/mem", "/proc/self/maps", "/sys/kernel/x", "/x"):
        assert isinstance(attack.fails("OneFile", path), GoError), path


def test_deep_folders(hostile: Hostile) -> None:
    attack = hostile()
    error = attack.ends("DeepFolders", "/tmp", 600)
    assert error is None or isinstance(error, GoError)
    error = attack.ends("RemoveDeep", "/tmp/d")
    assert error is None or isinstance(error, GoError)
    assert list(attack.machine.files["/tmp"].iterdir()) is not None
    attack.again()


def test_long_names(hostile: Hostile) -> None:
    attack = hostile()
    assert attack.call("LongName", "/tmp", 255) is None
    for length in (256, 4095, 4096, 100_000):
        error = attack.fails("LongName", "/tmp", length)
        assert isinstance(error, GoError)
        assert "file name too long" in error.message


@pytest.mark.parametrize("size", [1 << 32, 1 << 40, (1 << 63) - 1])
def test_sparse_files(hostile: Hostile, size: int) -> None:
    attack = hostile()
    attack.ends("Sparse", "/tmp/s", size)
    error = attack.fails("ReadSparse", "/tmp/s")
    assert isinstance(error, GoOutOfMemory | GoPanic | GoError | MemoryLimitExceeded)
    attack.machine.reset()
    attack.ends("Sparse", "/tmp/s", size)
    error = attack.fails("MapSparse", "/tmp/s", 500 << 20)
    assert isinstance(error, GoError | MemoryLimitExceeded)
    if attack.machine.state == "running":
        with pytest.raises((EmupluginError, OSError)):
            attack.machine.files["/tmp/s"].read_bytes()
        with pytest.raises((EmupluginError, OSError)):
            attack.machine.files["/tmp/s"].read_text()


def test_links_that_lead_in_circles(hostile: Hostile) -> None:
    attack = hostile()
    for name, *arguments in (("Loop", "/tmp"), ("Exponential", "/tmp", 6)):
        error = attack.fails(name, *arguments)
        assert isinstance(error, GoError)
        assert "too many levels of symbolic links" in error.message
    assert "not permitted" in str(attack.fails("LinkFolder", "/tmp"))
    assert "invalid argument" in str(attack.fails("MoveIntoItself", "/tmp"))
    attack.again()


def test_descriptors_and_pipes(hostile: Hostile) -> None:
    attack = hostile()
    error = attack.fails("OpenAll")
    assert isinstance(error, GoError)
    assert "too many open files" in error.message
    attack.machine.reset()
    assert attack.call("Pipes", 100_000) < 64 << 20
    attack.again()


def test_corrupt_is_told(hostile: Hostile) -> None:
    """The class that other files of this folder rely on is one of emuplugin's."""
    assert issubclass(CorruptDataError, EmupluginError)
