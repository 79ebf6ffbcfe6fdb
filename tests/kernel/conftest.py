"""A process without Go for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.raw import Raw


@pytest.fixture
def raw() -> Iterator[Raw]:
    process = Raw()
    yield process
    process.close()
