"""emuplugin get and set."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("plugin", "name", "printed"),
    [
        ("calc.so", "Int8", "-128"),
        ("calc.so", "Uint64", "18446744073709551614"),
        ("calc.so", "String", "häßlich \x00 \udcff end"),
        ("calc.so", "Bytes", "hex:0001feff"),
        ("calc.so", "Err", "variable"),
        ("calc.so", "NilErr", "nil"),
        ("calc.so", "Temperature", "21.5"),
        ("calc.so", "Callback", "nil"),
        ("geo.so", "Words", '[]string{"alpha", "beta", "gamma"}'),
        ("geo.so", "NoWords", "[]string(nil)"),
        ("geo.so", "Ages", 'map[string]int{"ann":30, "bob":41}'),
        ("geo.so", "NoMap", "(map[string]int)(nil)"),
        ("geo.so", "Bag", "main.Point{X:7, Y:8}"),
        ("geo.so", "Figure", "1.5"),
        ("geo.so", "Grid", "[2][3]int16{[3]int16{1, 2, 3}, [3]int16{4, 5, 6}}"),
    ],
)
def test_get(cli: Cli, plugin: str, name: str, printed: str) -> None:
    result = cli("get", plugin, name)
    assert (result.code, result.stdout, result.stderr) == (0, f"{printed}\n", "")


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("Floats", "[]float64", [0.5, "+Inf", -2.0]),
        ("Ages", "map[string]int", {"ann": 30, "bob": 41}),
        ("NoMap", "map[string]int", None),
        ("Nothing", "interface {}", None),
        ("Tree", "main.Node", {
            "Name": "root", "parent": None, "Point": {"X": 3, "Y": 4}, "Extra": None,
            "Children": None, "Tags": None,
        }),
    ],
)  # fmt: skip
def test_get_as_json(cli: Cli, name: str, type_: str, value: object) -> None:
    assert cli("get", "geo.so", name, "--json").json == {
        "name": name,
        "type": type_,
        "value": value,
        "stdout": "",
        "stderr": "",
        "error": None,
    }


def test_maps_by_other_keys(cli: Cli) -> None:
    by_any = cli("get", "geo.so", "ByAny", "--json").json["value"]
    assert sorted(by_any, key=str) == sorted(
        [[1, "int"], ["a", "string"], [2.5, "float"], [{"X": 1, "Y": 1}, "point"]], key=str
    )
    numbers = cli("call", "geo.so", "Numbers", "3", "--json").json["results"][0]
    assert numbers == {"1": "x", "2": "xx"}


def test_set_then_call(cli: Cli) -> None:
    assert cli("set", "hello.so", "V", "42", "--call", "F").stdout == "Hello, number 42\n"
    assert cli("set", "calc.so", "Counter", "40", "--call", "Next", "2").stdout == "42\n"
    assert cli("set", "calc.so", "Counter", "-1", "--call", "Next", "-2").stdout == "-3\n"


def test_set_alone_shows_the_value(cli: Cli) -> None:
    assert cli("set", "calc.so", "Int8", "-0x80").stdout == "-128\n"
    assert cli("set", "geo.so", "Origin", '{"X": 5}').stdout == "main.Point{X:5, Y:0}\n"


def test_set_as_json_has_the_value_after_the_call(cli: Cli) -> None:
    assert cli("set", "calc.so", "Counter", "40", "--call", "Next", "2", "--json").json == {
        "name": "Counter",
        "type": "int",
        "value": 42,
        "results": [42],
        "types": ["int"],
        "stdout": "",
        "stderr": "",
        "error": None,
    }
    alone = cli("set", "calc.so", "Counter", "1", "--json").json
    assert alone["value"] == 1
    assert "results" not in alone


def test_arguments_without_a_function(cli: Cli) -> None:
    result = cli("set", "calc.so", "Counter", "1", "2")
    assert result.code == 2
    assert "--call" in result.stderr
