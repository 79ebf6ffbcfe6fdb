"""The tests of values, calls and endings once more, with machines in processes of their own.

Each file takes over the tests of another one, with their fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

import emuplugin
from emuplugin.plugin import Plugin
from tests.cli.conftest import cli, plugins
from tests.conftest import Native, PluginPath
from tests.policy.conftest import open_in, path
from tests.runtime.conftest import open_runtime, runtime
from tests.support.oracle import NativePlugin
from tests.values.conftest import callbacks, faces, go

__all__ = [
    "callbacks", "cli", "faces", "go", "open_in", "open_runtime", "path", "plugins", "runtime",
]  # fmt: skip

# What looks into the machine, or tells the two sorts of machines apart.
_INSIDE = "looks at guest memory, which is not in this process"
_COPIES = "shares memory with Python: see tests/isolation/test_copies.py"
_NOT_HERE = {
    "test_removed_methods_say_so": _INSIDE,
    "test_without_swiss_maps": _INSIDE,
    "test_writing_by_hand": _INSIDE,
    "test_pointers_and_large_entries_by_hand": _INSIDE,
    "test_without_a_root_it_is_lost": _INSIDE,
    "test_the_write_barrier_saves_what_moves": _INSIDE,
    "test_without_the_write_barrier_it_is_lost": _INSIDE,
    "test_reading_while_marking_roots_what_is_read": _INSIDE,
    "test_many_changes_while_marking": _INSIDE,
    "test_many_entries_while_marking": _INSIDE,
    "test_thousands_of_panics_leak_nothing": _INSIDE,
    "test_the_heap_shrinks_again": _INSIDE,
    "test_the_high_water_mark": _INSIDE,
    "test_what_go_keeps_stays_and_what_it_drops_goes": "see tests/isolation/test_callbacks.py",
    "test_objects_live_as_long_as_go_holds_them": "see tests/isolation/test_callbacks.py",
    "test_buffers_share_memory": _COPIES,
    "test_large_slices_are_one_buffer": _COPIES,
    "test_numpy": _COPIES,
    "test_nobody_looks_for_names_like_those_of_made_types": "looks into this process",
    "test_signatures": "of classes, which are others here",
    "test_nothing_raises_when_the_machine_is_closed": "see tests/isolation/test_endings.py",
    "test_what_is_replaced_during_iteration": "the worker holds the entry that it sent last",
    "test_an_init_that_fails_now": "changes the sandbox of a machine, which the worker has",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = _NOT_HERE.get(getattr(item, "originalname", ""))
        if reason is not None and "/isolation/again/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def scalars(go_version: str, plugin_path: PluginPath) -> Iterator[Plugin]:
    """fixtures/scalars: not the one that other tests share."""
    with closing(emuplugin.open(plugin_path("scalars", go_version), isolate="process")) as plugin:
        yield plugin


@pytest.fixture(scope="session")
def native_scalars(go_version: str, native: Native) -> NativePlugin:
    """fixtures/scalars in Go's own loader."""
    return native("scalars", go_version)


@pytest.fixture(scope="module")
def kinds(go_version: str, plugin_path: PluginPath) -> Iterator[Plugin]:
    """fixtures/kinds, stripped."""
    path = plugin_path("kinds", go_version, stripped=True)
    with closing(emuplugin.open(path, isolate="process")) as plugin:
        yield plugin
