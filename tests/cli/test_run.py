"""``emuplugin run``, and reports of other commands."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from emuplugin.cli.exit_codes import ExitCode
from tests.cli.conftest import ROOT, Cli

SCHEMA = json.loads((ROOT / "docs" / "report-schema.json").read_text(encoding="utf-8"))


def test_a_run_is_a_call_with_a_report(cli: Cli) -> None:
    done = cli("run", "calc.so", "Add", "2", "-3")
    assert (done.code, done.stdout) == (0, "-1\n")
    assert done.stderr.startswith("Report")
    for label in ("instructions", "memory", "system calls", "refused", "files", "connections"):
        assert label in done.stderr
    assert all(len(line) <= 80 for line in done.stderr.splitlines())


def test_without_a_name_only_the_inits_run(cli: Cli) -> None:
    done = cli("run", "hello.so")
    assert (done.code, done.stdout) == (0, "")
    assert "system calls" in done.stderr
    assert cli("run", "hello.so", "--json", "--no-report").json["results"] is None


def test_the_limits_are_strict_unless_told_otherwise(cli: Cli) -> None:
    bomb = ("run", "runtime.so", "Leak", "20000", "--json")
    error = cli(*bomb).json["error"]
    assert (error["kind"], error["allowed"]) == ("GoroutineLimitExceeded", 1000)
    assert cli(*bomb, "--preset", "default").json["error"] is None
    assert cli(*bomb, "--goroutines", "unlimited").json["error"] is None


def test_a_report_comes_however_it_ends(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "did.json"
    for arguments, code in (
        (["Exit", "0"], ExitCode.OS_EXIT),
        (["Panic", "int"], ExitCode.PANIC),
        (["Leak", "20000"], ExitCode.LIMIT),
        (["Nothing"], ExitCode.NO_SYMBOL),
    ):
        done = cli("run", "runtime.so", *arguments, "--report-file", str(target))
        assert done.code == code
        assert done.stderr.startswith("Report")
        assert "emuplugin:" in done.stderr
        jsonschema.validate(json.loads(target.read_text()), SCHEMA)
        target.unlink()


def test_call_get_and_set_report_when_asked(cli: Cli) -> None:
    for command in (
        ("call", "hello.so", "F"),
        ("get", "hello.so", "V"),
        ("set", "hello.so", "V", "3"),
    ):
        assert "system calls" not in cli(*command).stderr
        assert "system calls" in cli(*command, "--report").stderr
        assert "report" not in cli(*command, "--json").json
        jsonschema.validate(cli(*command, "--json", "--report").json["report"], SCHEMA)


def test_a_report_file_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    target = str(tmp_path / "no" / "did.json")
    done = cli("run", "hello.so", "--report-file", target)
    assert done.code == ExitCode.USAGE
    assert target in done.stderr
