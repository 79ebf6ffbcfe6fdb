"""The tables: which version gets which layout, and their files."""

from __future__ import annotations

import pytest

from emuplugin.build import PATCHES
from emuplugin.errors import UnsupportedGoVersionError
from emuplugin.runtime_shims.layouts import Layout, known_versions
from emuplugin.runtime_shims.layouts.tables import (
    HERE,
    is_measured,
    load_table,
    read_table,
    write_table,
)


def test_there_is_a_table_for_each_supported_version() -> None:
    assert known_versions() == tuple(f"go1.{minor}" for minor in range(21, 28))
    references = [load_table(version).reference for version in known_versions()]
    assert references == [f"go{release}" for release in PATCHES.values()]


def test_a_table_is_loaded_once() -> None:
    assert Layout.for_version("go1.27.1") is Layout.for_version("go1.27.1")


@pytest.mark.parametrize("minor", known_versions())
def test_a_table_survives_its_file_format(minor: str) -> None:
    path = HERE / f"{minor}.json"
    text = path.read_text(encoding="utf-8")
    assert write_table(read_table(text)) == text
    assert path.stat().st_size < 150_000


def test_patch_releases_that_changed_the_runtime_have_layouts_of_their_own() -> None:
    sizes = {
        release: layout.size("runtime.workType")
        for release, layout in load_table("go1.23").layouts.items()
    }
    assert sizes == {
        "go1.23.1": 560,
        "go1.23.2": 560,
        "go1.23.3": 560,
        "go1.23.4": 592,
        "go1.23.9": 592,
    }
    old, new = Layout.for_version("go1.24.3"), Layout.for_version("go1.24.11")
    assert new.offset("runtime.m", "ncgocall") - old.offset("runtime.m", "ncgocall") == 24
    assert not old.has("runtime.m", "allpSnapshot")
    assert new.has("runtime.m", "allpSnapshot")
    assert old.has_variable("runtime.isWaitingForGC")
    assert not new.has_variable("runtime.isWaitingForGC")


@pytest.mark.parametrize(
    ("version", "release", "measured"),
    [
        ("go1.27.3", "go1.27.3", True),
        ("go1.27", "go1.27.0", True),
        ("go1.23.4", "go1.23.4", True),
        ("go1.23.0", "go1.23.1", False),
        ("go1.23.5", "go1.23.9", False),
        ("go1.27.99", "go1.27.3", False),
        ("go1.27.3 X:jsonv2", "go1.27.3", True),
        ("go1.27.3-X:nojsonv2,loopvar", "go1.27.3", True),
        ("go1.27.1-acme", "go1.27.1", False),
        ("go1.27.1 (Acme Linux 1.27.1-2)", "go1.27.1", False),
    ],
)
def test_a_release_gets_its_layout_or_the_nearest(
    version: str, release: str, measured: bool
) -> None:
    assert Layout.for_version(version).version == release
    assert is_measured(version) == measured


@pytest.mark.parametrize(
    "version",
    [
        "",
        "go1.20.14",
        "go1.28.0",
        "go1.2",
        "go1.270",
        "go2.0",
        "go1.27rc1",
        "go1.27.3rc1",
        "devel go1.27-3f1e2d",
        "go1.25.5 X:noswissmap",
        "go1.25.5 X:jsonv2,greenteagc",
        "go1.26.6-X:nogreenteagc",
    ],
)
def test_other_versions_are_refused_and_the_known_ones_named(version: str) -> None:
    with pytest.raises(UnsupportedGoVersionError) as caught:
        Layout.for_version(version)
    assert caught.value.version == version
    assert caught.value.known == known_versions()
    assert all(known in str(caught.value) for known in known_versions())
    assert version in str(caught.value)
