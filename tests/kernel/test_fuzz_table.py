"""No system call breaks the kernel, whatever its arguments are; see :mod:`tests.kernel.fuzzing`."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from emuplugin import Machine, Mount, Sandbox
from emuplugin.errors import EmupluginError
from emuplugin.runtime_shims.kernel.table import TABLE
from tests.conftest import PluginPath
from tests.kernel.fuzzing import Fuzzer, default_sandbox
from tests.values.symbols import func_of


@pytest.mark.parametrize("seed", range(4))
def test_random_calls(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    fuzzer.run(5_000)
    assert fuzzer.calls == 5_000
    # The calls do not all fail alike, nor do they end every process.
    assert len(fuzzer.errors) > 15
    assert sum(fuzzer.ends.values()) < 100


def test_the_same_seed_makes_the_same_calls() -> None:
    first, second = Fuzzer(7), Fuzzer(7)
    first.run(2_000)
    second.run(2_000)
    assert first.errors == second.errors
    assert first.ends == second.ends


def test_random_calls_beside_a_plugin(plugin_path: PluginPath, go_version: str) -> None:
    fuzzer = Fuzzer(100)
    fuzzer.run(3_000, plugin_path("hello", go_version))
    assert fuzzer.calls == 3_000


def test_random_calls_on_a_folder_of_the_host(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("secret")
    (inside / "link").symlink_to(outside)
    (inside / "file").write_text("content")
    mounts = {"/data": Mount(inside, mode="overlay")}
    fuzzer = Fuzzer(200, dataclasses.replace(default_sandbox(), mounts=mounts))
    fuzzer.run(5_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]
    assert outside.read_text() == "secret"
    assert (inside / "file").read_text() == "content"
    assert sorted(path.name for path in inside.iterdir()) == ["file", "link"]


def test_random_calls_from_go(plugin_path: PluginPath, go_version: str) -> None:
    """Go makes the calls: what they do to its own memory and threads ends the machine at worst."""
    draw = random.Random(300)
    fuzzer = Fuzzer(300)
    numbers = sorted(TABLE)
    path = plugin_path("signals", go_version)
    made = died = 0
    while made < 1_500:
        with Machine(default_sandbox()) as machine:
            plugin = machine.open(path)
            call, buffer = func_of(plugin, "Call"), func_of(plugin, "Buffer")()
            try:
                for _ in range(200):
                    made += 1
                    arguments = [value_for(fuzzer, draw, buffer) for _ in range(6)]
                    result, errno = call(draw.choice(numbers), *arguments)
                    assert errno < 4096
                    assert errno or result < 1 << 64
            except EmupluginError:
                died += 1
                assert machine.state == "dead"
    assert died < made // 2
    with Machine(Sandbox()) as machine:
        assert func_of(machine.open(path), "Buffer")()


def value_for(fuzzer: Fuzzer, draw: random.Random, buffer: int) -> int:
    """An argument whose pointers lead into the plugin's buffer."""
    value = fuzzer.value()
    return buffer + draw.randrange(1 << 12) * 8 if 0x60_0000 <= value < 0x61_0000 else value
