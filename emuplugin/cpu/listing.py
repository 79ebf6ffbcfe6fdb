"""Machine code for the host, as listings that people can read.

Every line of a listing is the code, ``|``, and what it says in Intel syntax; a test disassembles
them. Names in braces stand for values that are known only when the code is made, and for the
displacements of *cells*: data of the code's, at offsets from an address before it, which the code
reaches relative to RIP. So the code is the same wherever it lies.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping


def assemble(listing: str, at: int, values: Mapping[str, bytes], cells: Mapping[str, int]) -> bytes:
    """The code of ``listing``, to be placed at the offset ``at`` from the address that ``cells``
    are offsets from. ``values`` are put in as they are, cells as 32-bit displacements."""
    content = bytearray()
    for line in listing.strip().splitlines():
        content += assemble_line(line, at + len(content), values, cells)
    return bytes(content)


def assemble_line(
    line: str, at: int, values: Mapping[str, bytes], cells: Mapping[str, int]
) -> bytes:
    """One line; see :func:`assemble`."""
    code = line.partition("|")[0].strip()
    while "{" in code:
        before, _, rest = code.partition("{")
        name, _, behind = rest.partition("}")
        value = values.get(name)
        if value is None:
            end = at + (len(before) + 8 + len(behind)) // 2
            value = struct.pack("<i", cells[name] - end)
        code = before + value.hex() + behind
    return bytes.fromhex(code)
