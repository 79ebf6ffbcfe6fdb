"""drcov, DynamoRIO's list of blocks that ran: Lighthouse (IDA, Binary Ninja), lightkeeper and
Cartographer (Ghidra) read it.

Version 2 with module table version 2 in the form that Linux has (id, base, end, entry, path): all
readers know it, QEMU's plugin writes the same, and it holds all there is to tell. A module's base
is what was added to the addresses in the file, so offsets are those addresses themselves. How often
a block ran has no place in the format. Format: DynamoRIO, clients/drcov; Lighthouse,
reader/parsers/drcov.py.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emuplugin.errors import ConfigurationError
from emuplugin.printable import plain

from .files import written_whole

if TYPE_CHECKING:
    from emuplugin.tracing.trace import Trace

#: Offset from the module's base, size, number of the module (bb_entry_t).
_BLOCK: Final = struct.Struct("<IHH")
_LONGEST: Final = 0xFFFF


def save(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a finished trace."""
    if not trace.coverage:
        raise ConfigurationError("the trace has no blocks: trace with blocks=True")
    entries = list(_entries(trace))
    with written_whole(path) as stream:
        modules = trace.functions.modules
        lines = [
            "DRCOV VERSION: 2",
            "DRCOV FLAVOR: drcov-64",
            f"Module Table: version 2, count {len(modules)}",
            "Columns: id, base, end, entry, path",
            *(
                f"{number:2}, {module.base:#018x}, {module.end:#018x}, {0:#018x}, "
                f"{plain(os.fspath(module.path))}"
                for number, module in enumerate(modules)
            ),
            f"BB Table: {len(entries)} bbs",
        ]
        stream.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        for entry in entries:
            stream.write(entry)


def _entries(trace: Trace) -> Iterator[bytes]:
    """The table's entries by address. Code that came from no file is left out."""
    numbers = {module.base: number for number, module in enumerate(trace.functions.modules)}
    for pc, (size, _) in sorted(trace.coverage.items()):
        module = trace.functions.module(pc)
        if module is None:
            continue
        offset = pc - module.base
        while size > 0:
            yield _BLOCK.pack(offset, min(size, _LONGEST), numbers[module.base])
            offset += _LONGEST
            size -= _LONGEST
