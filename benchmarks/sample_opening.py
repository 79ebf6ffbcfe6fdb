"""One opening, in this process: ``python -P -m benchmarks.sample_opening PLUGIN [FUNCTION]``.

Prints seconds by step as JSON. Imports nothing before the clock runs but what the clock needs.
"""

from __future__ import annotations

import sys
from time import perf_counter


def main() -> None:
    """Open the plugin, call its function, open it again in a second machine."""
    start = perf_counter()
    import unicorn  # noqa: F401  (its share of the imports)

    engine = perf_counter()
    import emuplugin

    # The package imports the rest when it is first used.
    from emuplugin import Function, machine, opening  # noqa: F401

    imported = perf_counter()
    plugin = emuplugin.open(sys.argv[1])
    opened = perf_counter()
    calls = {}
    if len(sys.argv) > 2:
        function = plugin.lookup(sys.argv[2])
        looked_up = perf_counter()
        assert isinstance(function, Function)
        function()
        calls = {"look up F": looked_up - opened, "first call of F": perf_counter() - looked_up}
    again = emuplugin.Machine().open(sys.argv[1])
    steps = {
        "import unicorn": engine - start,
        "import emuplugin": imported - engine,
        **plugin.timings,
        "total": opened - imported,
        **calls,
        "second machine": again.timings["total"],
    }
    import json

    print(json.dumps(steps), file=sys.stderr)


if __name__ == "__main__":
    main()
