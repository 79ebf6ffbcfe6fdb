"""emuplugin call: arguments by Go type, results for people and as JSON."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, run_program
from tests.conftest import PluginPath


@pytest.mark.parametrize(
    ("function", "arguments", "printed"),
    [
        ("Add", ["2", "-3"], "-1\n"),
        ("Add", ["0x10", "1_000"], "1016\n"),
        ("Add", ["0o17", "-0b11"], "12\n"),
        ("IdUint64", ["18446744073709551615"], "18446744073709551615\n"),
        ("IdRune", ["'€'"], "8364\n"),
        ("IdDistance", ["-5"], "-5\n"),
        ("IdFloat64", ["-2e9"], "-2000000000\n"),
        ("IdFloat64", ["1e300"], "1e+300\n"),
        ("IdFloat64", ["0x1p-2"], "0.25\n"),
        ("IdFloat64", ["-inf"], "-Inf\n"),
        ("IdFloat64", ["NaN"], "NaN\n"),
        ("IdFloat32", ["3.14"], "3.14\n"),
        ("Fahrenheit", ["-40"], "-40\n"),
        ("MulComplex", ["1+2i", "-3i"], "(6-3i)\n"),
        ("IdComplex64", ["(0.5-1i)"], "(0.5-1i)\n"),
        ("Not", ["true"], "false\n"),
        ("Not", ["0"], "true\n"),
        ("Concat", ["häß ", "\udcff"], "häß \udcff\n"),
        ("Greet", ["World"], "hello, World\n"),
        ("Join", ["--", ", ", "-a", "--json"], "-a, --json\n"),
        ("Reverse", ["abc"], "cba\n"),
        ("Reverse", ["hex:00ff61"], "hex:61ff00\n"),
        ("Reverse", ["base64:/wA="], "hex:00ff\n"),
        ("Reverse", ["text:hex:"], ":xeh\n"),
        ("IdBytes", ["text:@"], "text:@\n"),
        ("IsNil", ["nil"], "true\n"),
        ("IsNil", [""], "false\n"),
        ("Describe", ["nil"], "no error\n"),
        ("Describe", ["it broke"], "error: it broke\n"),
        ("Sum", [], "0\n"),
        ("Sum", ["1", "2", "-3"], "0\n"),
        ("AllBytes", ["1", "a", "hex:0203"], "hex:01610203\n"),
        ("DivMod", ["-7", "2"], "-3\n-1\n"),
        ("Nothing", [], ""),
        ("TwoErrors", ["1", "0"], "first\n"),
        ("TwoErrors", ["0", "0"], "nil\n"),
    ],
)
def test_scalars(cli: Cli, function: str, arguments: list[str], printed: str) -> None:
    result = cli("call", "calc.so", function, *arguments)
    assert (result.code, result.stdout, result.stderr) == (0, printed, "")


@pytest.mark.parametrize(
    ("function", "arguments", "printed"),
    [
        ("Scale", ['{"X": 3, "Y": 4}', "2"], "&main.Point{X:6, Y:8}\n"),
        ("Sum", ['{"X": 1}', '{"Y": -2}'], "main.Point{X:1, Y:-2}\n"),
        ("IsNil", ["nil"], "true\n"),
        ("Describe", ["42"], "int 42\n"),
        ("Describe", ["1.5"], "float64 1.5\n"),
        ("Describe", ['"42"'], "string 42\n"),
        ("Describe", ["{a}"], "string {a}\n"),
        ("Same", ["text"], '"text"\n'),
        ("Same", ["nil"], "nil\n"),
        ("Numbers", ["3"], 'map[int]string{1:"x", 2:"xx"}\n'),
        ("Clear", ['["a", "b"]'], ""),
        (
            "Mirror",
            [
                "[1, 2, 3, 4]",
                '{"X": 1, "Y": 2}',
                "nil",
                '["a"]',
                "[]",
                "[0.5]",
                '{"A": 1, "B": ["x"], "C": "1i"}',
            ],
            "[4]int{1, 2, 3, 4}\nmain.Point{X:1, Y:2}\n(*main.Node)(nil)\n"
            '[]string{"a"}\n[]main.Point{}\n[1]float32{0.5}\n'
            'main.Record{A:1, B:[1]string{"x"}, C:(0+1i)}\n',
        ),
    ],
)
def test_composites(cli: Cli, function: str, arguments: list[str], printed: str) -> None:
    result = cli("call", "geo.so", function, *arguments)
    assert (result.code, result.stdout, result.stderr) == (0, printed, "")


def test_pointers_are_followed_and_a_long_chain_ends(cli: Cli) -> None:
    result = cli("call", "geo.so", "Chain", "500")
    assert result.stdout.startswith('&main.Node{Name:"node 0", parent:&main.Node{Name:"node 1"')
    assert "(*main.Node)(0x" in result.stdout
    value = cli("call", "geo.so", "Chain", "500", "--json").json["results"][0]
    assert value["parent"]["parent"]["Name"] == "node 2"


def test_json(cli: Cli) -> None:
    result = cli("call", "calc.so", "ResultsMixed", "5", "--json")
    assert result.code == 0
    assert result.stderr == ""
    assert result.json == {
        "results": ["5", 1.25, "NQ==", False, "(5-1i)", None, "5!", 5, "5?"],
        "types": [
            "string", "float64", "[]uint8", "bool", "complex64", "error", "string", "uint8",
            "string",
        ],
        "stdout": "",
        "stderr": "",
        "error": None,
    }  # fmt: skip


def test_json_of_composites_is_taken_again(cli: Cli) -> None:
    given = ["[1, 2, 3, 4]", '{"X": 1}', "null", '["a"]', "[]", '["NaN"]', '{"B": ["ä"]}']
    first = cli("call", "geo.so", "Mirror", *given, "--json")
    assert first.json["results"] == [
        [1, 2, 3, 4],
        {"X": 1, "Y": 0},
        None,
        ["a"],
        [],
        ["NaN"],
        {"A": 0, "B": ["ä"], "C": "(0+0i)"},
    ]
    import json

    again = [json.dumps(value) for value in first.json["results"]]
    second = cli("call", "geo.so", "Mirror", *again, "--json")
    assert second.stdout == first.stdout


def test_json_keeps_what_the_plugin_prints(cli: Cli) -> None:
    printed = cli("call", "runtime.so", "Print", "héllo\n", "--json")
    assert printed.json["stdout"] == "héllo\n"
    assert printed.json["results"] == [7]
    complained = cli("call", "runtime.so", "PrintError", "oh", "--json")
    assert complained.json["stderr"] == "oh"
    assert complained.json["stdout"] == ""


def test_output_passes_through_unchanged(cli: Cli) -> None:
    result = cli("call", "runtime.so", "Print", "a\udcff\n")
    assert result.stdout == "a\udcff\n3\n"
    assert cli("call", "runtime.so", "PrintError", "oh").stderr == "oh"


def test_results_start_a_line(cli: Cli) -> None:
    assert cli("call", "runtime.so", "Print", "no newline").stdout == "no newline\n10\n"


def test_raw(cli: Cli) -> None:
    assert cli("call", "calc.so", "Reverse", "hex:0aff", "--raw").stdout == "\udcff\n"
    assert cli("call", "calc.so", "Upper", "ä", "--raw").stdout == "Ä"
    refused = cli("call", "calc.so", "Add", "1", "2", "--raw")
    assert refused.code == 2
    assert "returns int" in refused.stderr
    assert cli("call", "calc.so", "Upper", "ä", "--raw", "--json").code == 2


def test_bytes_from_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(range(256)))
    result = cli("call", "calc.so", "Reverse", f"@{tmp_path / 'data'}")
    assert result.stdout == f"hex:{bytes(range(255, -1, -1)).hex()}\n"


def test_set_before_the_call(cli: Cli) -> None:
    assert cli("call", "hello.so", "F", "--set", "V=7").stdout == "Hello, number 7\n"
    result = cli("call", "calc.so", "Next", "2", "--set", "Counter=40", "--set", "Severity=-1")
    assert result.stdout == "42\n"


def test_environment_and_arguments(cli: Cli) -> None:
    assert cli("call", "runtime.so", "Getenv", "A", "--env", "A=b=c").stdout == "b=c\n"
    assert cli("call", "runtime.so", "LookupEnv", "PATH").stdout == "\nfalse\n"
    args = cli("call", "runtime.so", "Args", "--arg", "-x", "--arg", "y z")
    assert args.stdout == "plugin\n-x\ny z\n"


def test_seed(cli: Cli) -> None:
    def draw(*options: str) -> str:
        return cli("call", "runtime.so", "CryptoRand", "8", *options).stdout

    assert draw() == draw("--seed", "0")
    assert draw("--seed", "1") != draw("--seed", "2")


def test_stdin(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from the terminal")))
    assert cli("call", "runtime.so", "ReadAll").stdout == "\n"
    assert cli("call", "runtime.so", "ReadAll", "--stdin", "-").stdout == "from the terminal\n"
    (tmp_path / "input").write_bytes(b"from a file")
    read = cli("call", "runtime.so", "ReadAll", "--stdin", str(tmp_path / "input"))
    assert read.stdout == "from a file\n"


def test_as_a_program(plugins: Path) -> None:
    result = run_program("call", "hello.so", "F", "--set", "V=7", cwd=plugins)
    assert (result.code, result.stdout, result.stderr) == (0, "Hello, number 7\n", "")
    read = run_program("call", "runtime.so", "ReadAll", "--stdin", "-", cwd=plugins, stdin="piped")
    assert read.stdout == "piped\n"


@pytest.mark.parametrize("stripped", [False, True])
def test_every_go_version(
    cli: Cli, go_version: str, plugin_path: PluginPath, stripped: bool
) -> None:
    scalars = str(plugin_path("scalars", go_version, stripped=stripped))
    assert cli("call", scalars, "Add", "2", "-3").stdout == "-1\n"
    assert cli("call", scalars, "Join", "-", "a", "b").stdout == "a-b\n"
    assert cli("call", scalars, "Div", "1", "0").code == 1
    assert cli("call", scalars, "Quo", "1", "0").code == 5
    assert cli("set", scalars, "Counter", "40", "--call", "Next", "2").stdout == "42\n"
    assert cli("get", scalars, "Err", "--json").json["value"]["message"] == "variable"
