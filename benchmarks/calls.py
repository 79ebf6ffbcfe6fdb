"""What a call of ``func Add(a, b int) int`` costs, and what other ways to Go code cost."""

from __future__ import annotations

import importlib
import importlib.util
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import emuplugin

from .native import run
from .samples import Samples

_WASM = (
    '(module (func (export "Add") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add))'
)

Add = Callable[[int, int], int]


def measure(
    plugin: Path, peers: dict[str, list[str]], runs: int, calls: int, progress: Callable[[], None]
) -> Samples:
    """Seconds per call. In each of the ``runs``, every way makes ``calls`` calls."""
    samples = Samples()
    with ExitStack() as stack:
        ways: dict[str, Add] = {"emuplugin": stack.enter_context(_emulated(plugin))}
        if "native" in peers:
            ways["pipe to a process"] = stack.enter_context(_piped(peers["native"], plugin))
        wasm = _webassembly()
        if wasm is not None:
            ways["wasmtime"] = wasm
        for add in ways.values():
            assert add(40, 2) == 42
        for _ in range(runs):
            for name, add in ways.items():
                samples.add(name, _seconds(add, calls))
            for name, launcher in peers.items():
                # A native call is too short to measure a few thousand of.
                count = calls * 1000
                times = run(launcher, "call", str(plugin), "Add", str(count))
                samples.add(name, times["calls"] / count)
            progress()
    return samples


def _seconds(add: Add, calls: int) -> float:
    start = perf_counter()
    for number in range(calls):
        add(number, 2)
    return (perf_counter() - start) / calls


@contextmanager
def _emulated(plugin: Path) -> Iterator[Add]:
    with emuplugin.Machine() as machine:
        function = machine.open(plugin).lookup("Add")
        assert isinstance(function, emuplugin.Function)
        yield function


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


def _webassembly() -> Add | None:
    """The same function in WebAssembly, if the package wasmtime is installed."""
    if importlib.util.find_spec("wasmtime") is None:
        return None
    wasmtime = importlib.import_module("wasmtime")
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, _WASM)
    function = wasmtime.Instance(store, module, []).exports(store)["Add"]

    def add(a: int, b: int) -> int:
        result: int = function(store, a, b)
        return result

    return add
