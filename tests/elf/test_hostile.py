"""Whatever is wrong with a file, opening it ends soon, and with an OpenError or not at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emuplugin.build import NEWEST, OLDEST, resolve_version
from emuplugin.elf.file import ElfFile
from emuplugin.elf.moduledata import find_moduledata
from emuplugin.errors import OpenError, TruncatedError
from tests.elf.images import file_offset, touch_everything
from tests.support.plugins import plugin_path

VERSIONS = tuple(resolve_version(version) for version in (OLDEST, NEWEST))

many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip


class Sample:
    """A real plugin, and where in it the tables lie that a loader reads."""

    def __init__(self, version: str) -> None:
        self.file = file = ElfFile.open(plugin_path("add", version, stripped=True))
        self.data = bytes(file.data)
        moduledata = find_moduledata(file)
        pclntab = file.relocations.word_at(moduledata)
        info = file.sections[".go.buildinfo"]
        names = file.sections[".shstrtab"]
        dynamic = next(s for s in file.program_headers if s.type == 2)
        headers = file.header.e_shoff
        self.tables = [
            (0, 64),
            (64, 64 + 56 * file.header.e_phnum),
            (dynamic.offset, dynamic.offset + dynamic.filesz),
            *(
                (start, start + length)
                for start, length in (
                    (file_offset(file, file.dynamic[0x6FFFFEF5]), 64),
                    (file_offset(file, file.dynamic[6]), 24 * 60),
                    (file_offset(file, file.dynamic[7]), 24 * 60),
                    (file_offset(file, file.dynamic[23]), 24 * 20),
                    (file_offset(file, file.init_array[-1]), 13),
                    (file_offset(file, moduledata), 400),
                    (file_offset(file, pclntab), 72),
                    (info.offset, info.size),
                    (names.offset, names.size),
                    (headers, 64 * file.header.e_shnum),
                )
            ),
        ]


@pytest.fixture(scope="module", params=VERSIONS)
def sample(request: pytest.FixtureRequest) -> Sample:
    return Sample(request.param)


def test_the_sample_is_fine(sample: Sample) -> None:
    touch_everything(sample.data)


@many
@given(data=st.data())
def test_truncated_anywhere(sample: Sample, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(sample.data) - 1))
    with pytest.raises(TruncatedError, match="file too short"):
        ElfFile(sample.data[:length])


def test_truncated_at_the_end_of_every_part(sample: Sample) -> None:
    ends = {end for _, end in sample.tables} | {s.offset for s in sample.file.sections.values()}
    for end in ends:
        for length in (end - 1, end, end + 1):
            if length < len(sample.data):
                with pytest.raises(TruncatedError, match="file too short"):
                    ElfFile(sample.data[:length])


WORDS = st.one_of(
    st.sampled_from([0, 1, 7, 8, 24, 0x7F, 0xFF, 0xFFFF, 1 << 31, 1 << 60, (1 << 64) - 1]),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 1 << 22),
)


@many
@given(data=st.data())
def test_corrupt_tables(sample: Sample, data: st.DataObject) -> None:
    broken = bytearray(sample.data)
    for _ in range(data.draw(st.integers(1, 3))):
        start, end = data.draw(st.sampled_from(sample.tables))
        at = data.draw(st.integers(start, end - 1))
        width = data.draw(st.sampled_from([1, 2, 4, 8]))
        value = data.draw(WORDS) % (1 << 8 * width)
        at -= at % width
        broken[at : at + width] = value.to_bytes(width, "little")
    with contextlib.suppress(OpenError):
        touch_everything(bytes(broken))


@many
@given(data=st.data())
def test_corrupt_anywhere(sample: Sample, data: st.DataObject) -> None:
    broken = bytearray(sample.data)
    at = data.draw(st.integers(0, len(broken) - 1))
    new = data.draw(st.binary(min_size=1, max_size=64))
    broken[at : at + len(new)] = new
    with contextlib.suppress(OpenError):
        touch_everything(bytes(broken[: len(sample.data)]))


@settings(max_examples=200, deadline=None)
@given(header=st.binary(min_size=48, max_size=48), rest=st.binary(max_size=600))
def test_noise_behind_a_good_identification(header: bytes, rest: bytes) -> None:
    ident = b"\x7fELF\2\1\1" + bytes(9)
    fields = b"\3\0\x3e\0\1\0\0\0" + header[8:]
    with pytest.raises(OpenError):
        touch_everything(ident + fields + rest)
