"""A bare processor for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cpu.raw import Processor


@pytest.fixture
def cpu() -> Iterator[Processor]:
    processor = Processor()
    yield processor
    processor.close()
