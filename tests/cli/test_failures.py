"""How commands fail: exit codes, a few lines on stderr, or JSON; never a Python traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emuplugin.build import NEWEST, PATCHES
from tests.cli.conftest import PROGRAM, Cli, environment, run_program
from tests.conftest import PluginPath

GO = PATCHES[NEWEST]

FAILURES = {
    "Go error": (1, ["call", "calc.so", "Div", "7", "0"], "division by zero (*errors.errorString)"),
    "panicking Error": (1, ["call", "calc.so", "TypedNil"], "<nil> (*main.OpError)"),
    "not a number": (2, ["call", "calc.so", "AddInt8", "1", "x"], "AddInt8 is func(int8, int8)"),
    "out of range": (2, ["call", "calc.so", "AddInt8", "1", "300"], "-128..127"),
    "octal": (2, ["call", "calc.so", "Shift", "007", "1"], "write 7 or, for octal, 0o7"),
    "too few": (2, ["call", "calc.so", "Add", "1"], "Add takes 2 arguments, got 1"),
    "too many": (2, ["call", "calc.so", "Not", "1", "1"], "Not takes 1 argument, got 2"),
    "variadic": (2, ["call", "calc.so", "Join"], "Join takes at least 1 argument, got 0"),
    "no bool": (2, ["call", "calc.so", "Not", "maybe"], "write true or false"),
    "bad hex": (2, ["call", "calc.so", "Reverse", "hex:zz"], "'hex:zz' is not hex"),
    "bad base64": (2, ["call", "calc.so", "Reverse", "base64:?"], "is not base64"),
    "no file": (2, ["call", "calc.so", "Reverse", "@nowhere"], "cannot read nowhere"),
    "no JSON": (2, ["call", "geo.so", "Clear", "[a"], "is not JSON"),
    "no field": (2, ["call", "geo.so", "Sum", '{"Z": 1}'], "Z"),
    "map": (2, ["call", "geo.so", "Keys", "[1, 2]"], "map[string]int is written as an object"),
    "func": (2, ["call", "geo.so", "Apply", "f", "1"], "only nil"),
    "option": (2, ["call", "calc.so", "Concat", "--foo", "x"], "No such option"),
    "size": (2, ["get", "calc.so", "Int", "--memory", "lots"], "256MiB"),
    "assignment": (2, ["call", "calc.so", "Nothing", "--env", "A"], "NAME=VALUE"),
    "call a variable": (2, ["call", "hello.so", "V"], "use emuplugin get"),
    "get a function": (2, ["get", "hello.so", "F"], "use emuplugin call"),
    "command": (2, ["fly"], "No such command"),
    "missing": (3, ["call", "missing.so", "F"], "there is no file missing.so"),
    "directory": (3, ["call", ".", "F"], "Is a directory"),
    "symbol": (4, ["call", "hello.so", "f"], "did you mean F?"),
    "symbols": (4, ["get", "hello.so", "Nothing"], "it exports F, V"),
    "panic": (5, ["call", "runtime.so", "Panic", "divide"], "integer divide by zero"),
    "Goexit": (5, ["call", "runtime.so", "Goexit"], "runtime.Goexit"),
    "deadlock": (6, ["call", "runtime.so", "Deadlock"], "all goroutines are asleep - deadlock!"),
    "goroutine": (6, ["call", "runtime.so", "PanicElsewhere", "string"], "panic: plain text"),
    "memory": (
        7,
        ["call", "runtime.so", "OutOfMemory", "1000000000", "--memory", "128MiB"],
        "here the option is --memory",
    ),
    "time": (7, ["call", "runtime.so", "Hang", "--seconds", "0.5"], "here the option is --seconds"),
    "exit": (8, ["call", "runtime.so", "Exit", "0"], "the plugin called os.Exit(0)"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_exit_code_and_message(cli: Cli, name: str) -> None:
    code, arguments, message = FAILURES[name]
    result = cli(*arguments)
    assert result.code == code
    assert result.stdout == ""
    assert message in result.stderr
    assert "emuplugin: " in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) < 25


@pytest.mark.parametrize("name", FAILURES)
def test_as_json(cli: Cli, name: str) -> None:
    code, arguments, _ = FAILURES[name]
    result = cli(*arguments, "--json")
    error = result.json["error"]
    assert result.code == error["exit_code"] == code
    assert error["kind"]
    assert error["message"]
    assert "emuplugin: " not in result.stderr


def test_facts_in_json(cli: Cli) -> None:
    def error(*arguments: str) -> dict[str, object]:
        facts: dict[str, object] = cli(*arguments, "--json").json["error"]
        return facts

    assert error("call", "calc.so", "Operate", "x", "3") == {
        "kind": "GoError",
        "message": "x failed with code 3",
        "exit_code": 1,
        "type": "*main.OpError",
    }
    panic = error("call", "runtime.so", "Panic", "custom error")
    assert panic["kind"] == "GoPanic"
    assert panic["value"] == "custom error 7"
    assert panic["type"] == "main.customError"
    assert "panics.go:" in str(panic["traceback"])
    assert error("call", "runtime.so", "Exit", "3")["code"] == 3
    deadlock = error("call", "runtime.so", "Deadlock")
    assert deadlock["kind"] == "GoDeadlock"
    assert "[chan receive]" in str(deadlock["text"])
    assert error("get", "hello.so", "Nope") == {
        "kind": "SymbolNotFoundError",
        "message": "plugin: symbol Nope not found in plugin example.com/hello",
        "exit_code": 4,
        "name": "Nope",
        "plugin_path": "example.com/hello",
    }
    limit = error("call", "runtime.so", "OutOfMemory", "1000000000", "--memory", "128MiB")
    assert (limit["kind"], limit["limit"]) == ("MemoryLimitExceeded", "memory")
    assert limit["allowed"] == 128 << 20


def test_results_beside_a_go_error(cli: Cli) -> None:
    document = cli("call", "calc.so", "Operate", "x", "3", "--json").json
    assert document["results"] == ["partial x"]
    assert document["types"] == ["string"]


def test_the_go_traceback_of_a_panic(cli: Cli) -> None:
    result = cli("call", "runtime.so", "Panic", "index")
    first, *trace = result.stderr.splitlines()
    assert first == (
        "emuplugin: panic: runtime error: index out of range [5] with length 3"
        " (runtime.boundsError)"
    )
    assert trace[0].startswith("goroutine ")
    assert any("panics.go:" in line for line in trace)
    deep = cli("call", "runtime.so", "Panic", "deep").stderr
    assert "more lines; --json shows them all" in deep


def test_init_failures(cli: Cli, plugin_path: PluginPath) -> None:
    panicking = str(plugin_path("initpanic", GO))
    result = cli("get", panicking, "V")
    assert result.code == 3
    assert "an init function failed: panic: " in result.stderr
    assert "plugin.go:" in result.stderr
    error = cli("get", str(plugin_path("initexit", GO)), "V", "--json").json["error"]
    assert error["kind"] == "InitError"
    assert error["cause"]["kind"] == "GoExit"


def test_refused_builds(cli: Cli, plugin_path: PluginPath) -> None:
    plugin = str(plugin_path("add", GO, env={"GOAMD64": "v3"}))
    error = cli("call", plugin, "Add", "1", "2", "--json").json["error"]
    assert error["kind"] == "UnsupportedBuildError"
    assert (error["setting"], error["value"]) == ("GOAMD64", "v3")
    assert error["exit_code"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_interrupt(plugins: Path, json_option: list[str]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "call", "runtime.so", "Hang", "--seconds", "60", *json_option],
        cwd=plugins,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert ("interrupted" in out) if json_option else (err == "emuplugin: interrupted\n")


def test_a_reader_that_leaves(plugins: Path) -> None:
    """As in ``emuplugin info x.so | head -1``."""
    process = subprocess.Popen(
        [*PROGRAM, "info", "calc.so", "--json"],
        cwd=plugins,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141
    assert error == b""


def test_exit_codes_of_the_program(plugins: Path) -> None:
    assert run_program("call", "calc.so", "Div", "1", "0", cwd=plugins).code == 1
    assert run_program("call", "calc.so", cwd=plugins).code == 2
    assert run_program("call", "missing.so", "F", cwd=plugins).code == 3
    assert run_program("call", "runtime.so", "Panic", "string", cwd=plugins).code == 5
