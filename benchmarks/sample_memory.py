"""What machines take: ``python -m benchmarks.sample_memory PLUGIN MACHINES``.

Prints bytes as JSON. Only Linux tells how much memory is a process's own.
"""

from __future__ import annotations

import gc
import json
import sys


def main() -> None:
    """Measure."""
    path, count = sys.argv[1], int(sys.argv[2])
    python = own_memory()
    import emuplugin

    _ = emuplugin.Machine
    imported = own_memory()
    first = emuplugin.Machine()
    first.open(path)
    opened = own_memory()
    snapshot = first.snapshot()
    clones = [snapshot.clone() for _ in range(count)]
    cloned = own_memory()
    for clone in clones:
        clone.plugins[0]["F"]()
    called = own_memory()
    for clone in clones:
        clone.close()
    clones.clear()
    gc.collect()
    others = []
    before = own_memory()
    for _ in range(count):
        others.append(emuplugin.Machine())
        others[-1].open(path)
    after = own_memory()
    found = {
        "imports": imported - python,
        "the first machine, with hello": opened - imported,
        "imports and the first machine": opened - python,
        "each further machine": (after - before) / count,
        "each clone": (cloned - opened) / count,
        "each clone, after a call of F": (called - opened) / count,
    }
    print(json.dumps(found), file=sys.stderr)


def own_memory() -> int:
    """Bytes of memory that only this process has; 0 where the system does not tell."""
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
            return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    except OSError:
        return 0


if __name__ == "__main__":
    main()
