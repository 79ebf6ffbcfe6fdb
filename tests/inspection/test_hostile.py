"""Corrupt plugins: whatever is asked of them ends soon, with an answer or with an OpenError."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.elf.file import ElfFile
from emuplugin.errors import OpenError
from emuplugin.inspection import Inspection
from emuplugin.inspection.module import Module
from emuplugin.inspection.to_dict import SECTIONS
from tests.support.plugins import plugin_path

VERSIONS = tuple(resolve_version(version) for version in (OLDEST, NEWEST))
SECONDS = 60

several = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """Fail what takes longer: a walk that does not end."""
    if sys.platform == "win32":
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ask_for_everything(data: bytes) -> int:
    """Read every section, each on its own; return how many could be read."""
    answers = 0
    with bounded(SECONDS):
        try:
            inspection = Inspection(ElfFile(data))
        except OpenError:
            return 0
        for section in SECTIONS.values():
            with suppress(OpenError):
                section(inspection)
                answers += 1
        with suppress(OpenError):
            for function in random.Random(1).sample(inspection.functions, 20):
                inspection.disassemble(function)
    return answers


class Sample:
    """A real plugin and where its tables lie in the file."""

    def __init__(self, version: str) -> None:
        file = ElfFile.open(plugin_path("add", version, stripped=True))
        self.data = bytes(file.data)
        module = Module(file)

        def place(address: int, size: int) -> tuple[int, int]:
            segment = file.segment_at(address)
            assert segment is not None
            start = segment.offset + address - segment.vaddr
            return start, min(start + size, segment.offset + segment.filesz)

        pclntab = module.field("pcHeader")
        self.tables = [
            place(module.address, 600),
            place(pclntab, 80),
            place(pclntab + 80, 400_000),
            place(module.types, module.etypes - module.types),
            place(module.field("gofunc"), 20_000),
            place(module.field("rodata"), 30_000),
            place(module.field("inittasks.array"), 200),
            place(module.field("noptrdata"), 4000),
            place(file.dynamic[7], 24 * 10_000),
            place(file.dynamic[6], 24 * 5000),
            place(module.text, module.etext - module.text),
        ]


@pytest.fixture(scope="module", params=VERSIONS)
def broken(request: pytest.FixtureRequest) -> Sample:
    return Sample(request.param)


def test_the_sample_is_fine(broken: Sample) -> None:
    assert ask_for_everything(broken.data) == len(SECTIONS)


WORDS = st.one_of(
    st.sampled_from([0, 1, 7, 0x7F, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 60, (1 << 64) - 1]),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 1 << 22),
)


@several
@given(data=st.data())
def test_corrupt_tables(broken: Sample, data: st.DataObject) -> None:
    changed = bytearray(broken.data)
    for _ in range(data.draw(st.integers(1, 8))):
        start, end = data.draw(st.sampled_from(broken.tables))
        at = data.draw(st.integers(start, end - 8))
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        at -= at % width
        changed[at : at + width] = (data.draw(WORDS) % (1 << 8 * width)).to_bytes(width, "little")
    ask_for_everything(bytes(changed))


@several
@given(data=st.data())
def test_noise_in_a_table(broken: Sample, data: st.DataObject) -> None:
    start, end = data.draw(st.sampled_from(broken.tables))
    size = min(data.draw(st.sampled_from([16, 256, 4096])), end - start)
    at = data.draw(st.integers(start, end - size))
    noise = random.Random(data.draw(st.integers(0, 1 << 32))).randbytes(size)
    ask_for_everything(broken.data[:at] + noise + broken.data[at + size :])


@several
@given(data=st.data())
def test_truncated(broken: Sample, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(broken.data) - 1))
    assert ask_for_everything(broken.data[:length]) == 0


def test_other_files(tmp_path: object) -> None:
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n", bytes(4096)):
        assert ask_for_everything(data) == 0
