"""Random system calls through the kernel's real dispatch, from the guest's own instruction.

``python -m tests.kernel.fuzzing --calls 1000000 --seed 1`` runs a million. Whatever the arguments
are, a call gives a result, waits, or ends the process in one of the ways that processes end.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import random
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from emuplugin import Limits, Machine, Sandbox
from emuplugin.cpu import registers as reg
from emuplugin.cpu.address_space import PROT_EXEC, PROT_READ, PROT_WRITE
from emuplugin.errors import LimitExceeded
from emuplugin.runtime_shims.kernel.kernel import AllAsleepError, ExitError, Fatal
from emuplugin.runtime_shims.kernel.table import TABLE
from emuplugin.runtime_shims.process import Process
from tests.kernel.raw import BAD, CODE, DATA, SECRET, SIZE

#: How a process may end in the middle of a call.
ENDS = (ExitError, AllAsleepError, Fatal, LimitExceeded)
# Calls that end the process, or lead anywhere, are made seldom: a process should live for a while.
_RARE = frozenset((15, 60, 62, 129, 200, 231, 234, 297))
_RARELY = 0.02
_EVERYWHERE = (0, 1, 2, 3, 4, 5, 7, 8, 16, 24, 32, 64, 100, 128, 4096, 65536, (1 << 64) - 1)
_ODD = (1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 100)
_WORDS = (
    b"/", b"/tmp", b"/tmp/a", b"/tmp/b/c", b"/dev/null", b"/dev/zero", b"/proc/self/fd/3", b"..",
    b"/proc/self/mem", b"/etc/passwd", b"a/../../..", b"/proc/self/../self/maps", b"", b"x" * 300,
    b"/tmp/a/", b"//tmp//a", b"/data", b"/data/../..", b"/data/link", b"\xff\xfe", b"user.name",
    struct.pack("<HH4s8x", 2, 0x901F, b"\x7f\0\0\1"), struct.pack("<H", 1) + b"/tmp/socket",
    struct.pack("<HHI16sI", 10, 0x901F, 0, b"\0" * 15 + b"\1", 0), struct.pack("<H", 1) + b"\0name",
)  # fmt: skip
# What a process begins with: files and descriptors of most kinds.
_PRELUDE_DATA = b"/tmp/a\0\0/tmp/b\0\0" + bytes(8) + struct.pack("<HH", 2, 0) + bytes(36)
_PRELUDE = (
    (2, DATA, 0o102, 0o644), (83, DATA + 8, 0o755), (2, DATA + 8, 0o200000, 0),
    (1, 3, SECRET, 5000), (293, DATA + 64, 0o4000), (290, 3, 0o4000), (291, 0),
    (283, 1, 0o4000), (289, (1 << 64) - 1, DATA + 16, 8, 0o4000), (319, DATA, 0), (294, 0o4000),
    (53, 1, 1 | 0o4000, 0, DATA + 64), (41, 2, 1 | 0o4000, 0), (41, 2, 2 | 0o4000, 0),
    (41, 10, 1 | 0o4000, 0), (41, 1, 2, 0), (434, 2, 0),
)  # fmt: skip
#: Host seconds that a single call may take before it counts as hanging.
HANG = 60.0


class Nowhere(io.BytesIO):
    """A stream for what nobody wants to read."""

    def write(self, data: Any) -> int:
        return len(memoryview(data))


class Fuzzer:
    """One process after another, with random calls in them."""

    def __init__(self, seed: int, sandbox: Sandbox | None = None) -> None:
        self.random = random.Random(seed)
        self.sandbox = sandbox or default_sandbox()
        self.ends: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.made: Counter[int] = Counter()
        self.slowest = (0.0, "")
        self.calls = 0
        self._numbers = sorted(TABLE)
        self._answered = [n for n in self._numbers if TABLE[n].level != "refused"]

    def run(self, calls: int, plugin: Path | None = None) -> None:
        """Make so many calls, in machines with ``plugin`` open, or in processes without Go."""
        left = calls
        while left > 0:
            left -= self._one_machine(left, plugin)

    def _one_machine(self, calls: int, plugin: Path | None) -> int:
        """Calls in one process until it ends; how many there were."""
        if plugin is None:
            process = Process(self.sandbox)
            try:
                return self._one_process(calls, process)
            finally:
                process.close()
        with Machine(self.sandbox) as machine:
            machine.open(plugin)
            made = self._one_process(calls, machine.life.program.process)
        return made

    def _one_process(self, calls: int, process: Process) -> int:
        prepare(process)
        numbers = process.engine.batch(
            reg.RAX, reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9, reg.RSP
        )
        for index in range(calls):
            if index == len(_PRELUDE) or index % 64 == 0:
                self._fill(process)
            chosen = self._call()
            if index < len(_PRELUDE):
                process.memory.write(DATA, _PRELUDE_DATA)
                chosen = [*_PRELUDE[index], *[0] * (7 - len(_PRELUDE[index]))]
            numbers.values[:] = [*chosen, process.stack[1] - 4096]
            numbers.store()
            self.made[chosen[0]] += 1
            self.calls += 1
            start = monotonic()
            faulthandler.dump_traceback_later(HANG, exit=True)
            try:
                process.kernel.start_clock()
                process.kernel.run(CODE)
                result = process.engine.read_register(reg.RAX)
                if result >= (1 << 64) - 4096:
                    self.errors[f"{(1 << 64) - result}"] += 1
            except ENDS as end:
                self.ends[type(end).__name__] += 1
                return index + 1
            except BaseException:
                print(f"call {self.calls}: {describe(chosen)}", file=sys.stderr)
                raise
            finally:
                faulthandler.cancel_dump_traceback_later()
                took = monotonic() - start
                if took > self.slowest[0]:
                    self.slowest = (took, describe(chosen))
        return calls

    def _fill(self, process: Process) -> None:
        """New content where pointers point."""
        draw = self.random
        data = bytearray(draw.randbytes(SIZE) if draw.random() < 0.3 else bytes(SIZE))
        for at in range(0, SIZE, 64):
            kind = draw.random()
            if kind < 0.4:
                word = draw.choice(_WORDS)
                data[at : at + len(word)] = word
            elif kind < 0.8:
                data[at : at + 64] = struct.pack("<8Q", *(self.value() for _ in range(8)))
        space = process.space
        area = space.find(DATA)
        if area is not None and area.start <= DATA and area.end >= DATA + SIZE and area.physical:
            process.memory.write(DATA, bytes(data[:SIZE]))

    def _call(self) -> list[int]:
        draw = self.random
        while True:
            numbers = self._answered if draw.random() < 0.9 else self._numbers
            number = draw.choice(numbers) if draw.random() < 0.98 else draw.randrange(1 << 10)
            if number not in _RARE or draw.random() < _RARELY:
                return [number, *(self.value() for _ in range(6))]

    def value(self) -> int:
        """An argument: a pointer, a descriptor, a flag, a length, or nonsense."""
        draw = self.random
        kind = draw.random()
        if kind < 0.35:
            return DATA + 64 * draw.randrange(SIZE // 64)
        if kind < 0.6:
            return draw.choice(_EVERYWHERE)
        if kind < 0.75:
            return draw.randrange(24)  # descriptors, commands
        if kind < 0.8:
            return draw.choice(_ODD)
        if kind < 0.85:
            return draw.choice((*BAD, SECRET, CODE, DATA + SIZE - 4, DATA + 1))
        if kind < 0.95:
            return 1 << draw.randrange(33) | 1 << draw.randrange(33)  # flags
        return draw.getrandbits(64)


def default_sandbox() -> Sandbox:
    """Small limits: nothing may take long or become large."""
    limits = Limits(memory=64 << 20, seconds=20, output=1 << 24, threads=16, open_files=64)
    return Sandbox(limits=limits, stdout=Nowhere(), stderr=Nowhere())


def prepare(process: Process) -> None:
    """Map code that makes one call, and memory for its arguments."""
    space = process.space
    for at, prot in (
        (CODE, PROT_READ | PROT_EXEC),
        (DATA, PROT_READ | PROT_WRITE),
        (SECRET, PROT_READ),
    ):
        space.map(at, SIZE, prot)
    # A call that waits ends the run behind it: that must not be the trap already.
    process.memory.write(CODE, b"\x0f\x05\x90\xf4")
    space.flush_code()
    process.trap(CODE + 3, lambda: True)


def describe(call: Sequence[int]) -> str:
    entry = TABLE.get(call[0])
    name = entry.name if entry else str(call[0])
    return f"{name}({', '.join(hex(value) for value in call[1:])})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plugin", type=Path, help="open this plugin in each machine")
    parser.add_argument("--step", type=int, default=50_000, help="report after so many calls")
    options = parser.parse_args()
    fuzzer = Fuzzer(options.seed)
    start = monotonic()
    while fuzzer.calls < options.calls:
        fuzzer.run(min(options.step, options.calls - fuzzer.calls), options.plugin)
        print(
            f"{fuzzer.calls} calls, {monotonic() - start:.0f} s; ends: {dict(fuzzer.ends)}; "
            f"slowest: {fuzzer.slowest[0]:.2f} s {fuzzer.slowest[1]}",
            flush=True,
        )
    print(f"errors: {dict(fuzzer.errors.most_common())}")
    print(f"not called: {sorted(set(TABLE) - set(fuzzer.made))}")


if __name__ == "__main__":
    main()
