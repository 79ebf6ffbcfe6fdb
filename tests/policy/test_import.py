"""``import emuplugin`` is quick: what it does not need it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "statement", ["import emuplugin", "from emuplugin import Limits, Mount, Network, Sandbox"]
)
def test_what_is_not_loaded(statement: str) -> None:
    script = f"""
{statement}
import sys
print(*sorted({{"unicorn", "asyncio", "rich", "click", "emuplugin.machine", "emuplugin.values",
    "emuplugin.runtime_shims", "tomllib", "json"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")
