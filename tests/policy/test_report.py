"""``machine.report`` tells what was done, as an object, as JSON by the schema, and as a table."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

import emuplugin
from emuplugin import Limits, Machine, Sandbox
from emuplugin.report import ConnectionAttempt, FileUse, ProcessAttempt, Refusal, Report
from emuplugin.runtime_shims.kernel.record import MOST, KernelReport
from tests.policy.conftest import Open

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "report-schema.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def full() -> Report:
    return Report(
        syscalls={"openat": 2, "write": 1},
        refused=(Refusal("execve", "/bin/sh", 1), Refusal("syscall 9999", "", 2)),
        files=(FileUse("/etc/hosts", "read", 2), FileUse("/tmp/\x1b[2J\udcff", "create", 1)),
        connections=(ConnectionAttempt("tcp connect", "example.org:443", "refused", 3),),
        processes=(ProcessAttempt("execve", "/bin/sh", 1),),
        left_out={"files": 7},
        output_bytes=3,
        host_seconds=0.25,
        virtual_seconds=1.5,
        instructions=1_234_567,
        memory_bytes=3 << 20,
        memory_peak_bytes=5 << 20,
    )


def test_what_a_call_does_is_counted(open_in: Open) -> None:
    plugin = open_in(Sandbox(stdout=io.BytesIO()))
    before = plugin.machine.report
    plugin["Print"]("twelve bytes")
    after = plugin.machine.report
    assert before.output_bytes == 0
    assert after.output_bytes == 12
    assert after.syscalls["write"] == before.syscalls.get("write", 0) + 1
    assert after.host_seconds > before.host_seconds > 0
    assert after.virtual_seconds >= before.virtual_seconds > 0
    assert after.instructions > before.instructions > 0
    assert plugin.machine.instructions == after.instructions
    assert 0 < after.memory_bytes <= after.memory_peak_bytes <= 1 << 30


def test_what_was_looked_for_in_vain_is_in_it(open_in: Open) -> None:
    plugin = open_in(Sandbox())
    plugin["ReadFile"].results("/home/me/.ssh/id_rsa")
    assert FileUse("/home/me/.ssh/id_rsa", "missing", 1) in plugin.machine.report.files


def test_a_report_is_a_snapshot(open_in: Open) -> None:
    plugin = open_in(Sandbox(stdout=io.BytesIO()))
    report = plugin.machine.report
    text = report.to_json()
    plugin["Print"]("x")
    assert report.to_json() == text
    assert plugin.machine.report != report


def test_looking_at_it_changes_nothing(open_in: Open) -> None:
    runs = []
    for looks in (0, 5):
        plugin = open_in(Sandbox(stdout=io.BytesIO()))
        for _ in range(looks):
            _ = plugin.machine.report
        plugin["Print"]("x")
        runs.append(plugin.machine.report)
    assert runs[0].virtual_seconds == runs[1].virtual_seconds
    assert runs[0].instructions == runs[1].instructions


def test_the_high_water_mark(open_in: Open) -> None:
    plugin = open_in(Sandbox())
    small = plugin.machine.report
    plugin["AllocTotal"](64 << 20, 1 << 20)
    large = plugin.machine.report
    assert large.memory_peak_bytes >= large.memory_bytes > small.memory_bytes
    space = plugin.machine.program.process.space
    start = next(area.start for area in space if area.start >= 0xC0 << 32)
    space.discard(start, 32 << 20)  # what MADV_DONTNEED does
    after = plugin.machine.report
    assert after.memory_bytes < large.memory_bytes
    assert after.memory_peak_bytes == large.memory_peak_bytes


def test_of_dead_closed_and_empty_machines(path: Path) -> None:
    with Machine(Sandbox(limits=Limits(seconds=1.5))) as machine:
        assert machine.report == Report()
        plugin = machine.open(path)
        with pytest.raises(emuplugin.TimeLimitExceeded):
            plugin["Hang"]()
        dead = machine.report
        assert dead.host_seconds > 0.1
        assert dead.syscalls
    assert machine.report == dead


def test_json_follows_the_schema(open_in: Open, validator: Any) -> None:
    plugin = open_in(Sandbox(stdout=io.BytesIO()))
    plugin["Print"]("x")
    plugin["ReadFile"].results("/nothing")
    for report in (Report(), full(), plugin.machine.report):
        document = json.loads(report.to_json())
        validator.validate(document)
        assert document == report.to_dict()
        assert document["instructions"] == report.instructions


def test_the_schema_notices_what_is_wrong(validator: Any) -> None:
    good = full().to_dict()
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"more": 1})
    assert not validator.is_valid(good | {"version": 2})
    assert not validator.is_valid(good | {"files": [{"path": "/a", "access": "eat", "count": 1}]})
    assert not validator.is_valid({name: good[name] for name in good if name != "files"})


def test_the_table() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(full())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (
        "1,234,567",
        "3.0 MiB, at most 5.0 MiB",
        "3 bytes",
        "3: openat 2, write 1",
        "execve /bin/sh",
        "syscall 9999 (2 times)",
        "read    /etc/hosts (2 times)",
        r"create  /tmp/\x1b[2J\udcff",
        "... and others, 7 times",
        "tcp connect example.org:443: refused (3 times)",
    ):
        assert part in text, part
    assert "\x1b" not in text


def test_long_lists_are_cut_in_the_table() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(Report(files=tuple(FileUse(f"/f{n}", "stat", 1) for n in range(25))))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "/f19" in text
    assert "/f20" not in text
    assert "... 5 more; the JSON has them" in text


def test_what_is_remembered_is_bounded() -> None:
    report = KernelReport()
    for number in range(MOST + 5):
        report.file(f"/tmp/{number}", "create")
    report.file("/tmp/0", "create")
    report.refused("execve", "x" * 1_000_000)
    assert len(report.files.counts) == MOST
    assert report.files.left_out == 5
    assert report.files.counts["/tmp/0", "create"] == 2
    ((_, detail),) = report.refusals.counts
    assert len(detail) < 10_000


def test_during_a_call(path: Path) -> None:
    """Another thread may look while a call adds to what is counted."""
    with Machine(Sandbox(limits=Limits(seconds=60))) as machine, ThreadPoolExecutor(1) as pool:
        plugin = machine.open(path)
        read = plugin["ReadFile"]

        def work() -> None:
            for number in range(300):
                read.results(f"/nothing/{number}")

        done = pool.submit(work)
        seen = []
        while not done.done():
            seen.append(len(machine.report.files))
        done.result()
        assert len(machine.report.files) == 300
        assert seen == sorted(seen)
