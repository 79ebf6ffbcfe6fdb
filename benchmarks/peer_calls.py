"""Run by the peers' Python (:mod:`benchmarks.peers`): what their calls cost.

    python peer_calls.py wasmtime CALLS RUNS
    python peer_calls.py grpc CALLS RUNS SOCKET

Prints seconds per call, of each run, as JSON. Imports nothing of emuplugin.
"""

import json
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from time import perf_counter

_WASM = (
    '(module (func (export "Add") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add))'
)
_PAIR, _WORD = struct.Struct("<qq"), struct.Struct("<q")


def wasmtime() -> Callable[[int, int], int]:
    """The function in WebAssembly."""
    engine = import_module("wasmtime")

    store = engine.Store()
    module = engine.Module(store.engine, _WASM)
    function = engine.Instance(store, module, []).exports(store)["Add"]
    return lambda a, b: function(store, a, b)


def grpc(socket: str) -> Callable[[int, int], int]:
    """The function behind a gRPC server."""
    library = import_module("grpc")

    channel = library.insecure_channel(f"unix:{socket}")
    method = channel.unary_unary(
        "/bench.Calls/Add",
        request_serializer=lambda pair: _PAIR.pack(*pair),
        response_deserializer=lambda data: _WORD.unpack(data)[0],
    )
    return lambda a, b: method((a, b))


def main() -> None:
    """Measure."""
    kind, calls, runs, *rest = sys.argv[1:]
    add = grpc(*rest) if kind == "grpc" else wasmtime()
    assert add(40, 2) == 42
    for number in range(100):
        add(number, 2)
    found = []
    for _ in range(int(runs)):
        start = perf_counter()
        for number in range(int(calls)):
            add(number, 2)
        found.append((perf_counter() - start) / int(calls))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
