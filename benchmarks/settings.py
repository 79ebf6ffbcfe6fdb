"""What all benchmarks are told: how much to measure, with which Go, against which peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emuplugin.build import build_plugin
from tests.support.plugins import plugin_path

from .peers import Peers

_SOURCES = Path(__file__).parent


@dataclass
class Settings:
    """``runs`` samples of each, ``calls`` calls in a sample of calls, ``scale`` as the share of the
    full sizes; ``long`` for what takes many minutes. ``folder`` is for what is built; ``say`` tells
    what is going on."""

    go: str
    runs: int
    calls: int
    scale: float
    long: bool
    stripped: bool
    folder: Path
    peers: Peers
    say: Callable[[str], None]

    @property
    def quick(self) -> bool:
        """Whether figures are not wanted, only that everything works."""
        return self.scale < 1

    def fixture(self, name: str) -> Path:
        """A plugin of ``fixtures/``."""
        return plugin_path(name, self.go, stripped=self.stripped)

    def plugin(self, name: str) -> Path:
        """A plugin of a folder beside this file."""
        target = self.folder / f"{name}.so"
        if not target.exists():
            build_plugin(_SOURCES / name, target, go=self.go)
        return target

    def share(self, count: int, least: int = 1) -> int:
        """``count``, as much of it as ``scale`` says."""
        return max(round(count * self.scale), least)

    @cached_property
    def launchers(self) -> dict[str, list[str]]:
        """See :meth:`Peers.launchers`. Plugins without symbols are built with ``-trimpath``, which
        Go's own loader wants of its host too: those have no peers."""
        return {} if self.stripped else self.peers.launchers
