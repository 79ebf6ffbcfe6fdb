"""Plugins with C code: what it computes, allocates and prints, its threads, its calls to Go."""

from __future__ import annotations

import pytest

import emuplugin
from tests.conftest import PluginPath


@pytest.fixture
def library(plugin_path: PluginPath, go_version: str) -> emuplugin.Plugin:
    return emuplugin.open(plugin_path("cgo_library", go_version))


def test_c_code_computes(plugin_path: PluginPath, go_version: str) -> None:
    plugin = emuplugin.open(plugin_path("cgo", go_version, stripped=True))
    assert plugin.lookup("Sum")(100) == 5050
    assert plugin.lookup("Length")("héllo") == 6
    assert plugin.lookup("Mean")(1.0, 4.0) == 2.5
    assert [plugin.lookup("CountCall")() for _ in range(3)] == [1, 2, 3]


def test_heap_of_c(library: emuplugin.Plugin) -> None:
    # The values 0..999, and ten characters for each name.
    assert library.lookup("List")(1000) == sum(range(1000)) + 1000 * 10
    assert library.lookup("Grow")("ab", 500) == "ab" * 500


def test_output_of_c(library: emuplugin.Plugin, capfd: pytest.CaptureFixture[str]) -> None:
    library.lookup("Say")("you", 42, 2.5)
    out, err = capfd.readouterr()
    assert out == "you|   42|2a    |+2.500|c|%|42\n"
    assert err == "to stderr: you\n"


def test_mathematics(library: emuplugin.Plugin) -> None:
    assert library.lookup("Hypotenuse")(3.0, 4.0) == 5.0


def test_c_calls_go(library: emuplugin.Plugin) -> None:
    assert library.lookup("Back")(100) == sum(range(100))


def test_threads_with_c(library: emuplugin.Plugin) -> None:
    for _ in range(3):  # stacks of ended threads are used again
        assert library.lookup("Threads")(5) == 5 * (sum(range(10)) + 10 * 10)
