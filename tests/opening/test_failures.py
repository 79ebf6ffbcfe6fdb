"""Files that cannot be opened, with the words of Go's loader, and what is remembered of it."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import emuplugin
from emuplugin import (
    GoExit,
    GoPanic,
    InitError,
    Machine,
    NotAPluginError,
    NotElfError,
    OpenError,
    PathError,
    TruncatedError,
    WrongTargetError,
)
from tests.conftest import PluginPath
from tests.support.oracle import NativeError, NativePlugin, can_run_natively
from tests.values.symbols import func_of


def changed(offset: int, value: int) -> Callable[[bytes], bytes]:
    """Another value for one byte."""
    return lambda data: data[:offset] + bytes([value]) + data[offset + 1 :]


SPOILED: dict[str, tuple[Callable[[bytes], bytes], type[OpenError]]] = {
    "empty": (lambda data: b"", TruncatedError),
    "40 bytes": (lambda data: data[:40], TruncatedError),
    "text": (lambda data: b"not a plugin at all, only text\n" * 10, NotElfError),
    "32 bits": (changed(4, 1), WrongTargetError),
    "big-endian": (changed(5, 2), WrongTargetError),
    "executable": (changed(16, 2), NotAPluginError),
}


@pytest.fixture
def hello(plugin_path: PluginPath, go_version: str) -> Path:
    return plugin_path("hello", go_version)


def reason_of_go(path: str, go_version: str) -> str:
    """Why Go's own loader refuses a path; glibc puts the path in front of its reason."""
    if not can_run_natively():
        pytest.skip("Go's package plugin needs Linux on x86-64")
    with pytest.raises(NativeError) as caught:
        NativePlugin(Path(path) if path else Path(), go_version)
    text = str(caught.value)
    start = f'plugin.Open("{path or "."}"): '
    assert text.startswith(start)
    return text.removeprefix(start).removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_files(name: str, hello: Path, go_version: str, tmp_path: Path) -> None:
    spoil, kind = SPOILED[name]
    path = tmp_path / "spoiled.so"
    path.write_bytes(spoil(hello.read_bytes()))
    with pytest.raises(OpenError) as caught:
        emuplugin.open(path)
    assert type(caught.value) is kind
    assert caught.value.path == str(path)
    words = reason_of_go(str(path), go_version)
    assert str(caught.value).startswith(f'plugin.Open("{path}"): {words}')


def test_a_folder(go_version: str, tmp_path: Path) -> None:
    with pytest.raises(PathError) as caught:
        emuplugin.open(tmp_path)
    words = reason_of_go(str(tmp_path), go_version)
    assert str(caught.value) == f'plugin.Open("{tmp_path}"): {words}'


def test_no_file(go_version: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("missing.so", "loop", "dangling", "no/folder.so"):
        path = str(tmp_path / name)
        with pytest.raises(PathError) as caught:
            emuplugin.open(path)
        assert caught.value.reason == "realpath failed" == reason_of_go(path, go_version)
        assert str(caught.value) == f'plugin.Open("{path}"): realpath failed'
    for name in ("", "a\0b"):
        with pytest.raises(PathError) as caught:
            emuplugin.open(name)
        assert str(caught.value) == f'plugin.Open("{name}"): realpath failed'


def test_a_file_that_is_mended_can_be_opened(hello: Path, tmp_path: Path) -> None:
    """Go remembers what fails after the file is loaded; a broken file it tries again."""
    path = tmp_path / "plugin.so"
    data = hello.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with Machine() as machine:
        for _ in range(2):
            with pytest.raises(TruncatedError) as caught:
                machine.open(path)
            assert "previous failure" not in str(caught.value)
        path.write_bytes(data)
        func_of(machine.open(path), "F")
        assert machine.state == "running"


def test_a_refused_file_leaves_the_machine_as_it_was(hello: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.so"
    bad.write_bytes(hello.read_bytes()[:5000])
    with Machine() as machine:
        plugin = machine.open(hello)
        with pytest.raises(OpenError):
            machine.open(bad)
        func_of(plugin, "F")()
        assert machine.plugins == (plugin,)


def test_init_that_panics(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("initpanic", go_version)
    with Machine() as machine:
        with pytest.raises(InitError) as caught:
            machine.open(path)
        short = str(path).removesuffix(".so")
        text = f'plugin.Open("{short}"): an init function failed: panic: init went wrong'
        assert str(caught.value) == text
        cause = caught.value.__cause__
        assert isinstance(cause, GoPanic)
        assert (cause.value, cause.type) == ("init went wrong", "*errors.errorString")
        assert "example.com/initpanic.init.1" in cause.traceback
        assert "plugin.go:10" in cause.traceback
        with pytest.raises(InitError) as again:
            machine.open(path)
        reason = "an init function failed: panic: init went wrong (previous failure)"
        assert str(again.value) == f'plugin.Open("{path}"): {reason}'
        assert again.value.__cause__ is cause


def test_a_failed_init_is_remembered(
    plugin_path: PluginPath, go_version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(plugin_path("initexit", go_version), tmp_path / "exit.so"))
    for suffix in ("", " (previous failure)"):
        with pytest.raises(InitError) as caught:
            emuplugin.open(path)
        assert caught.value.reason.endswith(f"the plugin called os.Exit(3){suffix}")
        assert isinstance(caught.value.__cause__, GoExit)
        assert caught.value.__cause__.code == 3
    assert capsys.readouterr().out == "leaving\n"  # once: the functions did not run again
    shutil.copy(plugin_path("add", go_version), path)
    plugin = emuplugin.open(path)
    assert func_of(plugin, "Add")(1, 2) == 3
    plugin.close()


def test_exit_in_init_ends_the_machine(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("initexit", go_version)
    with Machine() as machine:
        with pytest.raises(InitError):
            machine.open(path)
        assert machine.state == "dead"
        with pytest.raises(emuplugin.DeadMachineError, match=r"os\.Exit\(3\)"):
            machine.open(path)


@pytest.mark.parametrize(
    "error",
    [
        GoPanic("value", "main.T", "trace"),
        GoExit(3),
        InitError("reason", path="path"),
        emuplugin.SymbolNotFoundError("F", "path"),
        emuplugin.UnsupportedBuildError("reason", setting="-race", value="true", path="p"),
        emuplugin.GoDeadlock("message", "text"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_copied_and_sent(error: emuplugin.EmupluginError) -> None:
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))
