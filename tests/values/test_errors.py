"""Go errors become GoError, and go back as the values they were."""

from __future__ import annotations

import inspect

import pytest

from emuplugin.errors import GoError
from emuplugin.plugin import Plugin
from tests.values.symbols import func_of


def test_a_last_error_is_raised(scalars: Plugin) -> None:
    divide = func_of(scalars, "Div")
    assert divide(7, 2) == 3
    assert divide.results(7, 2) == (3, None)
    with pytest.raises(GoError) as caught:
        divide(1, 0)
    assert str(caught.value) == caught.value.message == "division by zero"
    assert caught.value.type == "*errors.errorString"


def test_results_gives_errors_as_values(scalars: Plugin) -> None:
    text, error = func_of(scalars, "Operate").results("read", 5)
    assert text == "partial read"
    assert isinstance(error, GoError)
    assert (error.message, error.type) == ("read failed with code 5", "*main.OpError")


def test_errors_of_other_kinds(scalars: Plugin) -> None:
    assert func_of(scalars, "MustBePositive")(1) is None
    with pytest.raises(GoError, match=r"^code -7$") as caught:
        func_of(scalars, "MustBePositive")(-7)
    assert caught.value.type == "main.CodeError"
    with pytest.raises(GoError, match=r"^wrapped: deep$") as caught:
        func_of(scalars, "Wrap")("deep")
    assert caught.value.type == "*fmt.wrapError"


def test_an_error_that_is_not_last_is_a_value(scalars: Plugin) -> None:
    error, number = func_of(scalars, "ErrorFirst")(-2)
    assert (error.message, number) == ("code -2", -2)
    assert func_of(scalars, "ErrorFirst")(2) == (None, 2)


def test_two_errors(scalars: Plugin) -> None:
    two = func_of(scalars, "TwoErrors")
    first, second = two.results(True, True)
    assert (first.message, second.message) == ("first", "second")
    assert two(True, False).message == "first"
    with pytest.raises(GoError, match=r"^second$"):
        two(False, True)


def test_a_nil_pointer_in_an_error(scalars: Plugin) -> None:
    """Its Error method panics; fmt prints <nil> in that case, and the plugin lives on."""
    with pytest.raises(GoError, match=r"^<nil>$") as caught:
        func_of(scalars, "TypedNil")()
    assert caught.value.type == "*main.OpError"
    assert func_of(scalars, "Add")(1, 1) == 2


def test_errors_go_back_as_they_were(scalars: Plugin) -> None:
    describe = func_of(scalars, "Describe")
    _, error = func_of(scalars, "Operate").results("read", 5)
    assert describe(error) == "error: read failed with code 5"
    with pytest.raises(GoError) as caught:
        func_of(scalars, "IdError")(error)
    assert caught.value.type == "*main.OpError"
    assert describe(None) == "no error"
    assert describe(GoError("made in Python")) == "error: made in Python"


def test_inspection(scalars: Plugin) -> None:
    join = func_of(scalars, "Join")
    assert join.type == "func(string, ...string) string"
    assert join.signature == inspect.signature(join)
    assert str(inspect.signature(join)) == "(arg1: 'string', /, *arg2: 'string') -> 'string'"
    assert join.__name__ == "Join"
