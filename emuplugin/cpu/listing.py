"""Machine code for the host, as listings that people can read.

Every line of a listing is the code, ``|``, and what it says in Intel syntax; a test disassembles
them. Names in braces stand for values that are known only when the code is made, and for the
displacements of *cells*: data of the code's, at offsets from an address before it, which the code
reaches relative to RIP. So the code is the same wherever it lies.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

_CODE = re.compile(r"^ *(\S+) *\|.*", re.MULTILINE)


def assemble(listing: str, at: int, values: Mapping[str, bytes], cells: Mapping[str, int]) -> bytes:
    """The code of ``listing``, to be placed at the offset ``at`` from the address that ``cells``
    are offsets from. ``values`` are put in as they are, cells as 32-bit displacements."""
    content, plain = bytearray(), ""
    for code in _CODE.findall(listing):
        if "{" in code:
            content += bytes.fromhex(plain)
            plain = ""
            content += assemble_line(code, at + len(content), values, cells)
        else:
            plain += code
    return bytes(content + bytes.fromhex(plain))


def assemble_line(
    code: str, at: int, values: Mapping[str, bytes], cells: Mapping[str, int]
) -> bytes:
    """The code of one line; see :func:`assemble`."""
    while "{" in code:
        before, _, rest = code.partition("{")
        name, _, behind = rest.partition("}")
        value = values.get(name)
        if value is None:
            end = at + (len(before) + 8 + len(behind)) // 2
            value = struct.pack("<i", cells[name] - end)
        code = before + value.hex() + behind
    return bytes.fromhex(code)
