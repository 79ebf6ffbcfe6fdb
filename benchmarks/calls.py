"""What a call costs: ``func Add(a, b int) int`` against other ways to Go code, and calls of other
signatures."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.table import Table

import emuplugin

from .native import run
from .samples import Samples
from .settings import Settings
from .tables import quantity_table

Add = Callable[[int, int], int]

OURS, PIPE, WASM = "emuplugin", "pipe to a process", "wasmtime (Python)"
_SHORT, _LONG = "x" * 10, "x" * 10_000
_NUMBERS = list(range(1000))
_PEER = Path(__file__).parent / "peer_calls.py"

#: Calls of other signatures: what they are called, the function, the arguments.
SIGNATURES: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("func()", "Nothing", ()),
    ("func(int, int) int", "Add", (1, 2)),
    ("func(float64, float64) float64", "Scale", (1.5, 2.0)),
    ("func(int, int) (int, int, error)", "Divide", (7, 2)),
    ("the same, with an error", "Divide", (7, 0)),
    ("func(string) int, 10 bytes", "Length", (_SHORT,)),
    ("func(string) int, 10,000 bytes", "Length", (_LONG,)),
    ("func(string, string) string", "Join", (_SHORT, _SHORT)),
    ("func([]int) int, 1,000 elements", "Count", (_NUMBERS,)),
    ("the same, of an array", "Count", (array("q", _NUMBERS),)),
    ("func(Point) Point", "Move", ({"X": 1.0, "Y": 2.0, "Name": "p"},)),
    ("func(any) bool", "Any", (5,)),
    ("func(func(int) int, int) int", "Apply", (lambda n: n, 5)),
)


def measure(settings: Settings) -> Samples:
    """Seconds per call: ``Add: WAY``, and ``signature: WHAT``."""
    samples = Samples()
    plugin = settings.fixture("add")
    with ExitStack() as stack:
        ways = _ways(stack, settings, plugin)
        for add in ways.values():
            assert add(40, 2) == 42
        batch = stack.enter_context(_opened(plugin))["Add"]
        for _ in range(settings.runs):
            for name, add in ways.items():
                calls = settings.calls if "process" not in name else settings.calls // 5
                samples.add(f"Add: {name}", _seconds(add, max(calls, 1)))
            _batches(samples, batch, max(settings.calls * 10, 10))
            for name, launcher in settings.launchers.items():
                # A native call is too short to measure a few thousand of.
                count = settings.calls * 1000
                times = run(launcher, "call", str(plugin), "Add", str(count))
                samples.add(f"Add: {name}", times["calls"] / count)
                if name == "native":
                    count = max(settings.calls // 5, 1)
                    times = run(launcher, "rpc", str(plugin), "Add", str(count))
                    samples.add("Add: net/rpc, from Go", times["calls"] / count)
        _python_peers(samples, settings)
    _signatures(samples, settings)
    return samples


def _ways(stack: ExitStack, settings: Settings, plugin: Path) -> dict[str, Add]:
    ways: dict[str, Add] = {
        OURS: stack.enter_context(_opened(plugin))["Add"],
        'emuplugin, isolate="process"': stack.enter_context(_opened(plugin, "process"))["Add"],
    }
    if "native" in settings.launchers:
        ways[PIPE] = stack.enter_context(_piped(settings.launchers["native"], plugin))
    return ways


def _seconds(add: Add, calls: int) -> float:
    start = perf_counter()
    for number in range(calls):
        add(number, 2)
    return (perf_counter() - start) / calls


def _batches(samples: Samples, add: emuplugin.Function, count: int) -> None:
    numbers = list(range(count))
    buffer = array("q", numbers)
    for name, call in (
        ("emuplugin, f.map of lists", lambda: add.map(numbers, numbers)),
        ("emuplugin, f.array of arrays", lambda: add.array(buffer, buffer)),
    ):
        start = perf_counter()
        result = call()
        samples.add(f"Add: {name}", (perf_counter() - start) / count)
        assert result[-1] == 2 * (count - 1)


@contextmanager
def _opened(plugin: Path, isolate: Any = None) -> Iterator[emuplugin.Plugin]:
    with emuplugin.Machine(isolate=isolate) as machine:
        yield machine.open(plugin)


@contextmanager
def _piped(launcher: list[str], plugin: Path) -> Iterator[Add]:
    """The least that a plugin in a process of its own can cost: two words there, one back."""
    process = subprocess.Popen(
        [*launcher, "serve", str(plugin), "Add"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    write, read = process.stdin.write, process.stdout.read
    pack, unpack = struct.Struct("<qq").pack, struct.Struct("<q").unpack

    def add(a: int, b: int) -> int:
        write(pack(a, b))
        result: int = unpack(read(8))[0]
        return result

    with process:
        yield add
        process.stdin.close()


def _python_peers(samples: Samples, settings: Settings) -> None:
    """Peers with Python packages of their own, in a process of theirs."""
    python = settings.peers.python
    if python is None:
        return
    command = [str(python), str(_PEER)]
    numbers = [str(max(settings.calls // 5, 1)), str(settings.runs)]
    for seconds in _output([*command, "wasmtime", *numbers]):
        samples.add(f"Add: {WASM}", seconds)
    server = settings.peers.grpc_server
    if server is None:
        return
    socket = settings.folder / "grpc"
    with subprocess.Popen([str(server), str(socket)]) as process:
        try:
            while not socket.exists():
                time.sleep(0.01)
                assert process.poll() is None, "the gRPC server did not start"
            for seconds in _output([*command, "grpc", *numbers, str(socket)]):
                samples.add("Add: gRPC, from Python to Go", seconds)
        finally:
            process.terminate()
    socket.unlink(missing_ok=True)


def _output(command: list[str]) -> list[float]:
    result = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    found: list[float] = json.loads(result.stdout)
    return found


def _signatures(samples: Samples, settings: Settings) -> None:
    count = max(settings.calls // 5, 1)
    with _opened(settings.plugin("calls_data")) as plugin:
        for _ in range(settings.runs + 1):
            for label, name, arguments in SIGNATURES:
                call = plugin[name].results
                if "error" not in label:
                    call = plugin[name]
                start = perf_counter()
                for _ in range(count):
                    call(*arguments)
                samples.add(f"signature: {label}", (perf_counter() - start) / count)
            norm = plugin["Origin"].value.Norm
            start = perf_counter()
            for _ in range(count):
                norm()
            samples.add("signature: a method, func() float64", (perf_counter() - start) / count)


def tables(samples: Samples) -> list[Table]:
    """The ways to ``Add``, as multiples of ours, and the signatures."""
    ways = quantity_table(
        "One call of Add(int, int) int", samples.part("Add"), "us", 1e6, compared_with=OURS
    )
    signatures = quantity_table("One call, by signature", samples.part("signature"), "us", 1e6)
    return [ways, signatures]
