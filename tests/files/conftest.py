"""Folders on the host that belong to the user that a guest is, and the fixture plugin over them."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emuplugin import Limits, Machine, Sandbox
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath

#: The user that a guest is.
USER = 1000
Open = Callable[..., Plugin]


def hand_over(path: Path) -> None:
    """Give a folder to the guest's user, where we may."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(path, USER, USER)


@pytest.fixture(scope="session")
def shared_memory() -> Iterator[Path]:
    """A folder on a tmpfs, whose answers are those of our own memory file system."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="emuplugin-", dir=where))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def new_folder(shared_memory: Path) -> Callable[[], Path]:
    """Makes empty folders there."""
    numbers = itertools.count()

    def make() -> Path:
        top = shared_memory / f"{next(numbers)}"
        path = top / "w"
        for folder in (top, path):
            folder.mkdir()
            folder.chmod(0o755)
            hand_over(folder)
        return path

    return make


@pytest.fixture(scope="session")
def open_files(plugin_path: PluginPath, go_version: str) -> Iterator[Open]:
    """Opens the fixture ``files`` in a machine of its own, with these settings of the sandbox."""
    machines = []

    def open_plugin(**settings: object) -> Plugin:
        settings.setdefault("limits", Limits(memory=512 << 20, seconds=60))
        machines.append(Machine(Sandbox(**settings)))  # type: ignore[arg-type]
        return machines[-1].open(plugin_path("files", go_version, stripped=True))

    yield open_plugin
    for machine in machines:
        machine.close()
