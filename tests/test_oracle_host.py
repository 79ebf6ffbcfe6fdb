"""The native oracle: what the other tests compare with must itself be right."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Native, PluginPath
from tests.support.oracle import (
    ErrorValue,
    NativeError,
    NativeExit,
    NativeGoexit,
    NativePanic,
    NativePlugin,
    can_run_natively,
)

pytestmark = pytest.mark.skipif(
    not can_run_natively(), reason="Go's package plugin needs Linux on x86-64"
)

WIDTHS = {"Int": 64, "Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64, "Rune": 32}
UNSIGNED = {"Uint": 64, "Uint8": 8, "Uint16": 16, "Uint32": 32, "Uint64": 64, "Uintptr": 64}


@pytest.fixture(scope="module")
def scalars(native: Native, go_version: str) -> NativePlugin:
    return native("scalars", go_version)


@pytest.mark.parametrize("stripped", [False, True])
def test_the_example_of_the_documentation(native: Native, go_version: str, stripped: bool) -> None:
    plugin = native("hello", go_version, stripped=stripped)
    for number in (7, -8):
        plugin.set("V", number)
        result = plugin.call("F")
        assert result.values == ()
        assert result.stdout == f"Hello, number {number}\n".encode()
        assert result.stderr == b""


def test_integers(scalars: NativePlugin) -> None:
    for name, bits in WIDTHS.items():
        for value in (-(1 << bits - 1), -1, 0, (1 << bits - 1) - 1):
            assert scalars.call(f"Id{name}", value).value == value
        with pytest.raises(NativeError, match="out of range"):
            scalars.call(f"Id{name}", 1 << bits - 1)
    for name, bits in UNSIGNED.items():
        for value in (0, (1 << bits) - 1):
            assert scalars.call(f"Id{name}", value).value == value
        with pytest.raises(NativeError, match="invalid syntax"):
            scalars.call(f"Id{name}", -1)


def test_floats_keep_their_bits(scalars: NativePlugin) -> None:
    for value in (0.0, -0.0, 1.5, 5e-324, math.inf, -math.inf, 1.7976931348623157e308):
        assert struct.pack("d", scalars.call("IdFloat64", value).value) == struct.pack("d", value)
    assert math.isnan(scalars.call("IdFloat64", math.nan).value)
    assert scalars.call("IdFloat32", 0.1).value == struct.unpack("f", struct.pack("f", 0.1))[0]
    assert scalars.call("IdComplex128", complex(-0.0, 2.5)).value == complex(-0.0, 2.5)
    assert scalars.call("Conj", 1 + 2j).value == 1 - 2j


@pytest.mark.parametrize("text", ["", "plain", "häß€🐹", "zero\0inside", "\udcff\udc80 not UTF-8"])
def test_strings(scalars: NativePlugin, text: str) -> None:
    assert scalars.call("IdString", text).value == text
    assert scalars.call("Len", text).value == len(text.encode("utf-8", "surrogateescape"))


def test_bytes_and_nil(scalars: NativePlugin) -> None:
    assert scalars.call("IdBytes", bytes(range(256))).value == bytes(range(256))
    assert scalars.call("IdBytes", b"").value == b""
    assert scalars.call("IdBytes", None).value is None
    assert [scalars.call("IsNil", value).value for value in (None, b"")] == [True, False]


def test_named_types(scalars: NativePlugin) -> None:
    result = scalars.call("IdCelsius", 21.5)
    assert (result.value, result.types) == (21.5, ("main.Celsius",))
    assert scalars.call("Greet", "gopher").value == "hello, gopher"
    assert scalars.call("IdBlob", b"\x00\xff").value == b"\x00\xff"
    assert scalars.call("IdPhasor", 1j).value == 1j


def test_arguments_on_the_stack(scalars: NativePlugin) -> None:
    numbers = list(range(3, 15))
    total = sum((i + 1) * number for i, number in enumerate(numbers))
    assert scalars.call("Ints12", *numbers).values == (total, 11)
    floats = [x / 4 for x in range(18)]
    expected = sum((i + 1) * x for i, x in enumerate(floats))
    assert scalars.call("Floats18", *floats).values == (expected, floats[17])
    mixed: list[Any] = [-1, 0.5, "s", 2, 0.25, b"t", True, 1 + 2j, 3, "u", 4, 1j, 5, None, "v"]
    text = '-1 0.5 "s" 2 0.25 [116] true (1+2i) 3 "u" 4 (0+1i) 5 <nil> "v"'
    assert scalars.call("Mixed", *mixed).value == text


def test_many_results(scalars: NativePlugin) -> None:
    result = scalars.call("Results10", -2)
    unsigned = [(1 << bits) - 2 for bits in (64, 8, 16, 32, 64)]
    assert result.values == (-2, -2, -2, -2, -2, *unsigned)
    assert result.types[:2] == ("int", "int8")
    assert scalars.call("ResultsFloats", 0.5).values == tuple(i / 2 for i in range(1, 18))
    with pytest.raises(ValueError, match="too many values"):
        _ = result.value


def test_errors(scalars: NativePlugin) -> None:
    assert scalars.call("Div", 7, 2).values == (3, None)
    assert scalars.call("Div", 7, 0).values == (0, ErrorValue("division by zero"))
    assert scalars.call("MustBePositive", -3).value == ErrorValue("code -3", "main.CodeError")
    _, error = scalars.call("Operate", "copy", 5).values
    assert error == ErrorValue("copy failed with code 5", "*main.OpError")
    assert scalars.call("Wrap", "x").value == ErrorValue("wrapped: x", "*fmt.wrapError")
    assert scalars.call("Describe", ErrorValue("from Python")).value == "error: from Python"
    assert scalars.call("Describe", None).value == "no error"


def test_variadic(scalars: NativePlugin) -> None:
    assert scalars.call("Sum").value == 0
    assert scalars.call("Sum", 1, 2, 3).value == 6
    assert scalars.call("Join", "-", "a", "b").value == "a-b"
    assert scalars.call("AllBytes", 1, b"\x02", None, b"\x03").value == b"\x01\x02\x03"
    assert scalars.call("CountNil").value == -1


def test_variables(scalars: NativePlugin) -> None:
    assert scalars.get("Int") == -(1 << 63)
    assert scalars.get("Uint") == (1 << 64) - 1
    assert scalars.get("Rune") == ord("€")
    assert scalars.get("Complex128") == -3.5 - 4.5j
    assert scalars.get("Err") == ErrorValue("variable")
    assert (scalars.get("NilErr"), scalars.get("NilBytes"), scalars.get("EmptyBytes")) == (
        None,
        None,
        b"",
    )
    scalars.set("Counter", 40)
    assert scalars.call("Next", 2).value == 42
    assert scalars.get("Counter") == 42
    for text in ("new", "häßlich \0 \udcff end"):
        scalars.set("String", text)
        assert scalars.call("ReadString").value == text


def test_types(scalars: NativePlugin) -> None:
    assert scalars.type("Div") == "func(int, int) (int, error)"
    assert scalars.type("Join") == "func(string, ...string) string"
    assert scalars.type("Temperature") == "main.Celsius"


def test_requests_that_do_not_fit(scalars: NativePlugin) -> None:
    refused: list[tuple[str, tuple[Any, ...], str]] = [
        ("Missing", (), "symbol Missing not found in plugin example.com/scalars"),
        ("Add", (1,), r"func\(int, int\) int called with 1 arguments"),
        ("Add", (1, "2"), "argument 1: cannot make a int"),
        ("Int", (), "Int is not a function"),
    ]
    for name, arguments, message in refused:
        with pytest.raises(NativeError, match=message):
            scalars.call(name, *arguments)
    with pytest.raises(NativeError, match="Add is a function"):
        scalars.set("Add", 1)
    assert scalars.call("Add", 1, 2).value == 3


def test_panics(native: Native, go_version: str) -> None:
    plugin = native("runtime", go_version)
    for name in plugin.call("Triggers").value.split("\n"):
        kind, value, is_runtime = plugin.call("Recover", name).values
        with pytest.raises(NativePanic) as caught:
            plugin.call("Panic", name)
        assert caught.value.type == kind
        assert value in ("pointer", caught.value.text)
        assert ("runtime" in kind) == is_runtime
        assert "runtime.Panic" in caught.value.stack
    with pytest.raises(NativeGoexit):
        plugin.call("Goexit")


def test_output(native: Native, go_version: str) -> None:
    plugin = native("runtime", go_version)
    assert plugin.call("Print", "häß\n").stdout == "häß\n".encode()
    assert plugin.call("PrintError", "oh\n").stderr == b"oh\n"
    assert plugin.call("Println", "n", 3).stderr == b"n 3 true\n"
    assert plugin.call("Print", "").stdout == b""


def test_input_arguments_environment(plugin_path: PluginPath, go_version: str) -> None:
    path = plugin_path("runtime", go_version)
    plugin = NativePlugin(
        path, go_version, args=["one", "two"], env={"EMUPLUGIN_TEST": "x y"}, stdin=b"a\nb"
    )
    try:
        assert plugin.call("Args").value.split("\n") == [str(path), "one", "two"]
        assert plugin.call("Getenv", "EMUPLUGIN_TEST").value == "x y"
        assert plugin.call("ReadAll").values == ("a\nb", None)
    finally:
        plugin.close()


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (("Exit", 7), 7, b""),
        (("PanicElsewhere", "error"), 2, b"panic: an error"),
        (("ConcurrentMapWrites",), 2, b"fatal error: concurrent map writes"),
        (("StackOverflow",), 2, b"fatal error: stack overflow"),
        (("Fault", 0xDEAD0000), 2, b"unexpected fault address 0xdead0000"),
        (("PanicUnprintable",), 2, b"String panicked"),
    ],
)
def test_the_end_of_the_process(
    call: tuple[Any, ...], code: int, text: bytes, plugin_path: PluginPath, go_version: str
) -> None:
    plugin = NativePlugin(plugin_path("runtime", go_version), go_version)
    with pytest.raises(NativeExit) as caught:
        plugin.call(*call)
    assert caught.value.code == code
    assert text in caught.value.stderr
    assert not plugin.alive
    with pytest.raises(NativeError, match="has ended"):
        plugin.call("Version")


def test_init_that_fails(plugin_path: PluginPath, go_version: str) -> None:
    with pytest.raises(NativeExit) as caught:
        NativePlugin(plugin_path("initpanic", go_version), go_version)
    assert caught.value.stderr.startswith(b"panic: init went wrong")
    with pytest.raises(NativeExit) as caught:
        NativePlugin(plugin_path("initexit", go_version), go_version)
    assert (caught.value.code, caught.value.stdout) == (3, b"leaving\n")


def test_a_file_that_is_no_plugin(go_version: str) -> None:
    with pytest.raises(NativeError, match=r'plugin\.Open\(".*test_oracle_host\.py"\)'):
        NativePlugin(Path(__file__), go_version)


def test_a_call_that_hangs(plugin_path: PluginPath, go_version: str) -> None:
    plugin = NativePlugin(plugin_path("runtime", go_version), go_version)
    with pytest.raises(TimeoutError):
        plugin.call("Hang", timeout=0.2)
    assert not plugin.alive


def test_init_order(native: Native, go_version: str) -> None:
    order = native("runtime", go_version).call("InitOrder").value.split("\n")
    assert order[0] == "record.init"
    assert order[-3:] == ["main.early", "main.init 1", "main.init 2"]
    assert order.index("shared.init") < order.index("first.B")
    assert "second.init 328350 true" in order
