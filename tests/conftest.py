"""What every test can ask for: the Go versions to test, plugins, and the native oracle."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

from emuplugin.build import NEWEST, OLDEST, PATCHES, resolve_version
from emuplugin.cache.opening import SWITCH
from emuplugin.errors import ToolchainError
from tests.support.oracle import NativePlugin, can_run_natively
from tests.support.plugins import plugin_path as build_fixture

# Machines are shared and noisy: how long an example takes is no sign of anything.
settings.register_profile("emuplugin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("emuplugin")


class PluginPath(Protocol):
    """The type of the fixture ``plugin_path``; see :func:`tests.support.plugins.plugin_path`."""

    def __call__(
        self,
        name: str,
        go_version: str,
        *,
        stripped: bool = ...,
        ldflags: str = ...,
        trimpath: bool = ...,
        tags: tuple[str, ...] = ...,
        env: dict[str, str] | None = ...,
        go_flags: tuple[str, ...] = ...,
        cc: str | None = ...,
    ) -> Path: ...


class Native(Protocol):
    """The type of the fixture ``native``."""

    def __call__(self, name: str, go_version: str, *, stripped: bool = ...) -> NativePlugin: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--go",
        default=f"{OLDEST},{NEWEST}",
        metavar="VERSIONS",
        help="Go versions to test, e.g. 1.21,1.27 or all (default: the oldest and the newest); "
        "tests that hardly depend on the version run on the ends, and some share out the others",
    )
    parser.addoption(
        "--cache",
        default="mixed",
        choices=("off", "on", "warm", "mixed"),
        help="the cache of opened plugins: off; on, an empty one of this run; warm, one that is "
        "kept for the next run; mixed, on for every other Go version but the oldest, so that each "
        "test runs both ways (default: mixed)",
    )


#: The cache of this run, which all of its processes share.
_FOLDER = "EMUPLUGIN_TEST_CACHE"


def pytest_configure(config: pytest.Config) -> None:
    """Tests never touch the user's cache, and Ctrl-C comes through even where the shell that
    started them in the background ignores it: loops that are to be interrupted would not end."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    mode: str = config.getoption("--cache")
    if mode == "warm":
        os.environ[_FOLDER] = str(config.rootpath / ".pytest_cache" / "emuplugin-opened")
    elif _FOLDER not in os.environ:
        where = os.environ[_FOLDER] = tempfile.mkdtemp(prefix="emuplugin-cache-")
        config.add_cleanup(lambda: _remove_folder(where))
    os.environ[SWITCH] = os.environ[_FOLDER] if mode in ("on", "warm") else "off"


def _remove_folder(where: str) -> None:
    del os.environ[_FOLDER]
    shutil.rmtree(where, ignore_errors=True)


def pytest_collection_finish() -> None:
    """Tens of thousands of tests are objects that stay: whoever collects garbage need not look at
    them, which takes a second each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Switch the cache on and off between tests, before their fixtures open anything."""
    if isinstance(item, pytest.Function) and item.config.getoption("--cache") == "mixed":
        call = getattr(item, "callspec", None)  # of those that have parameters
        version = None if call is None else call.params.get("go_version")
        cached = go_versions(item.config)[:0:-2]
        os.environ[SWITCH] = os.environ[_FOLDER] if version in cached else "off"


def go_versions(config: pytest.Config) -> list[str]:
    """The full Go versions that the option ``--go`` asks for."""
    option: str = config.getoption("--go")
    names = list(PATCHES) if option == "all" else option.split(",")
    try:
        return [resolve_version(name) for name in names]
    except ToolchainError as error:
        raise pytest.UsageError(f"--go: {error}") from error


# With more than two Go versions, what depends on the version runs on all: values, runtime, opening,
# layouts, oracle. For the rest these are named, by file or folder:
#: The newest is enough: what they are about is Python.
_NEWEST_ONLY = ("isolation/again", "opening/test_collector.py")
#: The two ends are enough.
_ENDS_ONLY = (
    "cache", "explaining", "hostile", "inspection", "isolation", "snapshots", "tracing",
)  # fmt: skip
#: The two ends and one between, which is another one for each test.
_ENDS_AND_ONE = (
    "cli", "cpu", "elf", "files", "kernel", "network", "policy", "test_build.py",
    "test_oracle_host.py",
)  # fmt: skip


def _is_in(path: Path, names: tuple[str, ...]) -> bool:
    folder = Path(__file__).parent
    return any(path.is_relative_to(folder / name) for name in names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "go_version" in metafunc.fixturenames:
        versions = go_versions(metafunc.config)
        path = metafunc.definition.path
        if _is_in(path, _NEWEST_ONLY):
            versions = versions[-1:]
        elif _is_in(path, _ENDS_ONLY):
            versions = list(dict.fromkeys((versions[0], versions[-1])))
        ids = [f"go{version}" for version in versions]
        metafunc.parametrize("go_version", versions, ids=ids, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    between = go_versions(config)[1:-1]

    def is_elsewhere(item: pytest.Item) -> bool:
        call = getattr(item, "callspec", None)
        version: str | None = None if call is None else call.params.get("go_version")
        if version not in between or not _is_in(item.path, _ENDS_AND_ONE):
            return False
        name = item.nodeid.replace(f"go{version}", "").encode()
        return between[crc32(name) % len(between)] != version

    elsewhere = set(filter(is_elsewhere, items))
    config.hook.pytest_deselected(items=list(elsewhere))
    items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(scope="session")
def plugin_path() -> PluginPath:
    """Builds a plugin of ``fixtures/``: ``plugin_path("hello", go_version, stripped=True)``."""
    return build_fixture


@pytest.fixture(scope="session")
def native() -> Iterator[Native]:
    """The same plugins in Go's own loader: ``native("scalars", go_version).call("Add", 1, 2)``.

    One process per plugin lives as long as the tests; one that died is started anew. The test
    is skipped where Linux x86-64 programs do not run.
    """
    plugins: dict[tuple[str, str, bool], NativePlugin] = {}

    def start(name: str, go_version: str, *, stripped: bool = False) -> NativePlugin:
        if not can_run_natively():
            pytest.skip("Go's package plugin needs Linux on x86-64")
        key = name, go_version, stripped
        if key not in plugins or not plugins[key].alive:
            path = build_fixture(name, go_version, stripped=stripped)
            plugins[key] = NativePlugin(path, go_version, trimpath=stripped)
        return plugins[key]

    yield start
    for plugin in plugins.values():
        plugin.close()
