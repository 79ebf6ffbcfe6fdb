"""Python functions and objects that Go holds: forged handles, and calls from where none belong."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from emuplugin import CorruptDataError, EmulationError, EmupluginError, GoFatal, TimeLimitExceeded
from tests.hostile.conftest import Attack, Hostile, limits


class Loud:
    def Shout(self, text: str) -> str:
        return text.upper()


def add_one(x: int) -> int:
    return x + 1


def kept(attack: Attack) -> tuple[int, int, int]:
    """Address, code and number of a Python function that Go holds."""
    attack.call("Keep", add_one)
    address, code, number = attack.call("FuncWords")
    return address, code, number


def test_forged_functions(hostile: Hostile) -> None:
    """Go can call what it was given, and nothing else."""
    attack = hostile()
    _, code, number = kept(attack)
    assert attack.call("CallForged", [code, number], 5) == 6
    for other in (0, number + 1, number + 1000, 1 << 32, (1 << 64) - 1):
        error = attack.fails("CallForged", [code, other], 5)
        # A number near it may be emuplugin's own function, which looks at its argument.
        assert isinstance(error, EmulationError | CorruptDataError)
        attack.again()
        kept(attack)
    for words in ([code - 1, number], [0, 0], [1 << 63, 0], [8, 8], [code + 4096, number]):
        assert isinstance(attack.fails("CallForged", words, 5), EmupluginError)
        attack.again()


def test_functions_that_go_has_dropped(hostile: Hostile) -> None:
    attack = hostile()
    _, code, number = kept(attack)
    attack.call("Keep", None)
    gc.collect()
    for _ in range(4):
        attack.program.call_runtime("runtime.GC")
    attack.machine.run_goroutines()
    error = attack.ends("CallForged", [code, number], 5)
    assert error is None or "does not hold" in str(error)
    attack.again()


def test_functions_at_any_address(hostile: Hostile) -> None:
    attack = hostile()
    attack.call("Sane", 1, 2)
    variable = attack.call("Address", "VarInts")
    for address in (0, 8, 1 << 47, 1 << 62, (1 << 64) - 8, variable):
        assert isinstance(attack.fails("CallForgedAt", address, 5), EmupluginError)
        attack.again()


def test_functions_called_as_another_type(hostile: Hostile) -> None:
    """Arguments are what the registers hold: wrong, and harmless."""
    attack = hostile()
    kept(attack)
    assert attack.call("CallWrongly") is not None
    attack.again()


def test_functions_called_as_methods(hostile: Hostile) -> None:
    attack = hostile()
    _, _, number = kept(attack)
    methods = attack.program.runtime.stubs.methods
    for code in (methods[0], methods[1], methods[-1]):
        assert isinstance(attack.fails("CallForged", [code, number], 5), EmulationError)
        attack.again()
        kept(attack)


def test_forged_objects(hostile: Hostile) -> None:
    attack = hostile()
    attack.call("KeepShouter", Loud())
    assert attack.call("Shout", "hi") == "HI"
    table, data = attack.call("ShouterWords")
    function, code, _ = kept(attack)
    number = int.from_bytes(attack.call("Peek", data + 8, 8), "little")
    for words in (
        (table, 0), (table, function), (table, data + 8), (table, 1 << 62), (0, data), (8, data),
        (data, data), (1 << 47, data),
    ):  # fmt: skip
        assert isinstance(attack.fails("ShoutForged", *words), EmupluginError)
        if attack.machine.state == "dead":
            attack.again()
            attack.call("KeepShouter", Loud())
            kept(attack)
    error = attack.fails("CallForged", [code, number], 5)
    assert "does not have" in str(error) or "does not hold" in str(error)
    attack.again()


def test_calls_from_odd_places(hostile: Hostile) -> None:
    """A finalizer, many threads, the system stack."""
    attack = hostile()
    kept(attack)
    attack.call("CallFromFinalizer")
    assert attack.call("CallOnThreads", 50) == sum(range(1, 51))
    at = attack.program.symbol("runtime.systemstack.abi0")
    assert attack.call("CallOnSystemStack", at) == 2
    assert attack.call("Sane", 1, 2) == 3


@pytest.mark.parametrize("kind", ["calls", "raises"])
def test_no_way_back_from_the_system_stack(hostile: Hostile, kind: str) -> None:
    attack = hostile()
    at = attack.program.symbol("runtime.systemstack.abi0") if attack.plugin else 0

    def serve(x: int) -> int:
        if kind == "raises":
            raise ValueError("no")
        result: int = attack.call("Sane", x, x)
        return result

    attack.call("Keep", serve)
    assert isinstance(attack.fails("CallOnSystemStack", at), GoFatal)
    attack.again()


def test_calls_without_end(hostile: Hostile) -> None:
    attack = hostile(limits=limits(seconds=0.5))
    kept(attack)
    assert isinstance(attack.fails("CallEndlessly"), TimeLimitExceeded)
    attack.again()


def test_calls_into_each_other(hostile: Hostile) -> None:
    """Python's stack ends before Go's."""
    attack = hostile()
    serve: Callable[[int], object] = lambda n: attack.call("Recurse", n)  # noqa: E731
    attack.call("Keep", serve)
    assert attack.call("Recurse", 15) == 15
    error = attack.fails("Recurse", 100_000)
    assert "too deeply" in str(error)
    attack.again()
