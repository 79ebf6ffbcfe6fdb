"""Pages as a browser without a window shows them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
_BROWSER = next((path for name in _BROWSERS if (path := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(_BROWSER is None, reason="no browser is installed")


def dom(page: Path, place: str) -> str:
    """The document that a browser has made of ``#place`` of a page, after its scripts."""
    assert _BROWSER is not None
    done = subprocess.run(
        [_BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000",
         "--dump-dom", f"{page.as_uri()}#{place}"],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )  # fmt: skip
    return done.stdout
