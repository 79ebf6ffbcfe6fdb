"""An empty cache for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from emuplugin.cache.folder import CacheFolder
from emuplugin.cache.opening import SWITCH, folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CacheFolder:
    monkeypatch.setenv(SWITCH, str(tmp_path / "cache"))
    found = folder()
    assert found is not None
    return found
