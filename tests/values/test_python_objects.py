"""Python objects where Go wants interfaces."""

from __future__ import annotations

import gc
import weakref
from contextlib import closing
from typing import Any

import pytest

import emuplugin
from emuplugin import ConversionError, GoError
from emuplugin.plugin import Plugin
from tests.conftest import PluginPath
from tests.values.symbols import Symbols


class Reader:
    """An ``io.Reader`` that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def Read(self, buffer: memoryview) -> int:
        if not self.data:
            raise EOFError
        count = min(len(buffer), len(self.data), 7)
        buffer[:count], self.data = self.data[:count], self.data[count:]
        return count

    def Close(self) -> None:
        self.closed = True


class DirectReader(Reader):
    """One with the method that ``io.Copy`` asks for."""

    def WriteTo(self, writer: Any) -> int:
        count: int = writer.Write(b"direct")
        return count


class Writer:
    def __init__(self) -> None:
        self.data = b""

    def Write(self, data: memoryview) -> int:
        self.data += data
        return len(data)


class Name:
    def __init__(self, name: str) -> None:
        self.name = name

    def String(self) -> str:
        return f"Name {self.name}"


class Cards(list[int]):
    """A ``sort.Interface``."""

    def Len(self) -> int:
        return len(self)

    def Less(self, i: int, j: int) -> bool:
        return self[i] < self[j]

    def Swap(self, i: int, j: int) -> None:
        self[i], self[j] = self[j], self[i]


class Square:
    def __init__(self, side: float) -> None:
        self.side = side

    def Area(self) -> float:
        return self.side**2

    def Scale(self, by: float) -> Square:
        return Square(self.side * by)


class CodedError(Exception):
    def Code(self) -> int:
        return 42


def test_reader(go: Symbols) -> None:
    text = "hello\nworld, this is\n" * 30
    assert go.ReadAll(Reader(text.encode())) == text
    assert list(go.Lines(Reader(text.encode()))) == text.splitlines()
    reader = Reader(b"abc")
    assert go.CloseAfter(reader) == "abc"
    assert reader.closed


def test_writer(go: Symbols) -> None:
    writer = Writer()
    assert go.Print(writer, 5) == 4
    assert go.CopyText(writer, "text " * 2000) == 10000
    assert writer.data == b"n=5\n" + b"text " * 2000
    writer = Writer()
    assert go.Copy(writer, Reader(b"x" * 50)) == 50
    assert writer.data == b"x" * 50


def test_other_interfaces_are_found_by_assertion(go: Symbols) -> None:
    writer = Writer()
    assert go.Copy(writer, DirectReader(b"")) == 6
    assert writer.data == b"direct"
    assert go.Switch(Name("x")) == "stringer Name x"
    assert go.Switch(Reader(b"")) == "reader"
    assert go.Switch(ValueError("v")) == "error ValueError: v"
    assert go.AsCoder(CodedError()) == 42
    assert go.AsCoder(ValueError()) == -1


def test_stringer_and_printing(go: Symbols) -> None:
    assert go.Text(Name("x")) == "Name x"
    assert go.Describe(Name("y")) == "*python.Name Name y"
    assert go.Describe(Square(1)).startswith("*python.Square")
    assert go.Detailed(Name("y")).startswith("&python.Name{")
    assert go.MethodValue(Name("z"))() == "Name z"


def test_sort(go: Symbols) -> None:
    cards = Cards([5, 3, 9, 1, 7, 1] * 10)
    go.Sort(cards)
    assert cards == sorted(cards)


def test_reflection(go: Symbols) -> None:
    assert go.Reflect(Name("x")) == "  ptr true [Stringfunc(*python.Name) string]"
    assert go.CallByName(Name("x"), "String") == "Name x"


def test_methods_that_go_calls_by_reflection(go: Symbols) -> None:
    class Encoded:
        def MarshalJSON(self) -> bytes:
            return b'{"made":"here"}'

    assert go.JSON(Encoded()) == '{"made":"here"}'


def test_identity(go: Symbols) -> None:
    name, other = Name("x"), Name("x")
    assert go.Equal(name, name)
    assert not go.Equal(name, other)
    assert go.Distinct([name, other, name]) == 2
    assert go.Return(name) is name
    go.Stored = name
    assert go.Stored is name
    go.Stored = None
    square = Square(2)
    assert go.ReturnShape(square) is square


def test_results_that_are_objects(go: Symbols) -> None:
    assert go.TotalArea([Square(2), Square(3)]) == 13
    assert go.ScaledArea(Square(2), 1.5) == 9


def test_missing_methods(go: Symbols) -> None:
    with pytest.raises(ConversionError, match=r"argument 1: expected io.Reader, got Name without"):
        go.ReadAll(Name("x"))
    with pytest.raises(ConversionError, match="without the methods Len, Less, Swap"):
        go.Sort([1, 2])
    with pytest.raises(ConversionError, match="without the method Close"):
        go.CloseAfter(Writer.__new__(type("R", (), {"Read": Reader.Read})))
    with pytest.raises(ConversionError, match=r"\[1\]: expected main.Shape, got object"):
        go.TotalArea([Square(1), object()])

    class Opener:
        def Open(self) -> None: ...

        def secret(self) -> None: ...

    with pytest.raises(ConversionError, match="method secret is not exported"):
        go.Touch(Opener())


def test_wrong_results_of_methods(go: Symbols) -> None:
    class Wrong:
        def String(self) -> int:
            return 3

    with pytest.raises(ConversionError, match=r"result of Wrong\.String: expected string, got int"):
        go.MethodValue(Wrong())()


def test_exceptions_of_methods(go: Symbols) -> None:
    class Failing(Reader):
        def Read(self, buffer: memoryview) -> int:
            raise error

    error: Exception = OSError("disk")
    with pytest.raises(OSError, match="disk") as caught:
        go.ReadAll(Failing(b""))
    assert caught.value is error
    error = GoError("as an error")
    with pytest.raises(GoError, match="as an error"):
        go.ReadAll(Failing(b""))


def test_exceptions_as_errors(go: Symbols) -> None:
    assert go.ErrorText(ValueError("v")) == "ValueError: v"
    assert go.ErrorText(OSError()) == "OSError"
    assert go.ErrorText(GoError("words")) == "words"
    assert go.ErrorText(EOFError()) == "EOF"
    error = KeyError("k")
    assert go.ReturnError.results(error) == (error,)
    with pytest.raises(KeyError) as caught:
        go.ReturnError(error)
    assert caught.value is error
    assert go.SameError(error, error)
    assert not go.SameError(error, KeyError("k"))
    with pytest.raises(ConversionError, match="expected error as an exception or None, got str"):
        go.ErrorText("text")


def test_errors_that_wrap_exceptions(go: Symbols) -> None:
    error = ValueError("v")
    (wrapped,) = go.Wrap.results(error)
    assert str(wrapped) == "wrapped: ValueError: v"
    assert go.Is(wrapped, error)
    assert go.Unwrap.results(wrapped) == (error,)


def test_exceptions_that_were_raised_from_others(go: Symbols) -> None:
    cause, error = ValueError("cause"), RuntimeError("outer")
    error.__cause__ = cause
    assert go.Is(error, cause)
    assert not go.Is(error, ValueError("cause"))
    assert go.Unwrap.results(error) == (cause,)


def test_objects_with_an_error_method(go: Symbols) -> None:
    class Problem:
        def Error(self) -> str:
            return "a problem"

    problem = Problem()
    assert go.ErrorText(problem) == "a problem"
    with pytest.raises(GoError, match="a problem") as caught:
        go.ReturnError(problem)
    assert caught.value.type == "*python.Problem"
    assert go.SameError(caught.value, problem)


def test_objects_live_as_long_as_go_holds_them(go: Symbols, callbacks: Plugin) -> None:
    def collect() -> None:
        gc.collect()
        go.Collect()

    objects = callbacks.machine.context.python_objects
    for number in range(30):
        go.TotalArea([Square(number), Square(1)])
    name = Name("stored")
    watched = weakref.ref(name)
    go.Stored = name
    del name
    collect()
    assert go.Describe(go.Stored) == "*python.Name Name stored"
    held = len(objects)
    go.Stored = None
    collect()
    assert watched() is None
    assert len(objects) < max(held, 20)


def test_values_of_go_still_fit(go: Symbols) -> None:
    reader = go.NewReader("from Go")
    assert go.ReadAll(reader) == "from Go"
    assert go.Copy(Writer(), go.NewReader("from Go")) == 7


def test_an_error_that_wraps_an_exception_has_it_as_its_cause(go: Symbols) -> None:
    error = ValueError("deep")
    (wrapped,) = go.Wrap.results(error)
    assert isinstance(wrapped, GoError)
    assert wrapped.__cause__ is error
    (twice,) = go.Wrap.results(wrapped)
    assert (twice.message, twice.__cause__) == ("wrapped: wrapped: ValueError: deep", error)
    with pytest.raises(GoError) as caught:
        go.Wrap(error)
    assert caught.value.__cause__ is error
    (plain,) = go.Wrap.results(GoError("from Go"))
    assert plain.__cause__ is None


def test_a_goroutine_that_panics_with_an_exception(
    go_version: str, plugin_path: PluginPath
) -> None:
    error = LookupError("nothing there")

    def fail(number: int) -> int:
        raise error

    path = plugin_path("callbacks", go_version, stripped=True)
    with closing(emuplugin.Machine()) as machine:
        plugin = machine.open(path)
        with pytest.raises(emuplugin.GoroutinePanic, match="nothing there") as caught:
            plugin["InGoroutines"](fail, 2)
        assert caught.value.__cause__ is error
        with pytest.raises(emuplugin.DeadMachineError) as later:
            plugin["Count"]()
        assert later.value.__cause__ is caught.value
