"""Types of package variables from DWARF, found without decoding all of it.

An entry for a variable ends in its name, a location and the offset of its type
(``cmd/internal/dwarf/dwarf.go: PutGlobal``: the same bytes from Go 1.21 to 1.27)::

    "example.com/hello.V" 0   9 DW_OP_addr address[8]   offset[4]

and entries for types begin with a number below 128 and their name. So the locations are searched,
and what is found counts only if a symbol of that name lies at that address. Decoding every entry
takes a hundred times as long.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from emuplugin.elf.file import ElfFile
from emuplugin.errors import FormatError

_SHF_COMPRESSED: Final = 0x800
_ELFCOMPRESS_ZLIB: Final = 1
_CHDR: Final = struct.Struct("<IIQQ")  # Elf64_Chdr: type, reserved, size, alignment
_MAX_SIZE: Final = 1 << 29
_MAX_NAME: Final = 1 << 16

_LOCATION: Final = re.compile(rb"\0\x09\x03(.{8})(.{4})", re.DOTALL)  # 3: DW_OP_addr
_ABBREVIATIONS: Final = range(1, 0x80)

# What matters in the name of a type: struct tags, brackets, and import paths, also those of fields
# that are not exported.
_PATH: Final = r"(?:[\w.%~+!-]+/)*[\w%~+!-]+"
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?P<open>\w*\[)|(?P<close>\])'
    rf'|(?P<field>(?<=[{{;] ){_PATH}\.(?=\w+ [^"=}}]))|(?P<path>{_PATH})\.(?=[^\W\d])'
)
_VERSION: Final = re.compile(r"v\d+")


def debug_types(
    file: ElfFile, names: Mapping[int, Iterable[str]], packages: Mapping[str, str]
) -> Iterator[tuple[int, str, str]]:
    """The variables whose types DWARF tells: (address, name, type as Go prints it).

    ``names`` gives the symbols at each address, ``packages`` the names of packages by their import
    paths. Raises FormatError for a section that cannot be unpacked.
    """
    data = _debug_info(file)
    for match in _LOCATION.finditer(data):
        address = int.from_bytes(match[1], "little")
        for name in names.get(address, ()):
            if not data.endswith(name.encode("utf-8", "surrogateescape"), 0, match.start()):
                continue
            found = _type_name(data, int.from_bytes(match[2], "little"))
            if found:
                yield address, name, as_printed(found, packages)


def _debug_info(file: ElfFile) -> bytes:
    """The section ``.debug_info``, empty where there is none or it is packed in an unknown way."""
    section = file.sections.get(".debug_info")
    if section is None:
        return b""
    data = file.section(".debug_info")
    if not section.flags & _SHF_COMPRESSED:
        return bytes(data)
    if len(data) < _CHDR.size:
        raise FormatError("corrupt DWARF: .debug_info is shorter than its own header")
    kind, _, size, _ = _CHDR.unpack_from(data)
    if kind != _ELFCOMPRESS_ZLIB:
        return b""
    if size > _MAX_SIZE:
        raise FormatError(f"corrupt DWARF: .debug_info claims {size:,} bytes")
    try:
        return zlib.decompressobj().decompress(data[_CHDR.size :], size)
    except zlib.error as error:
        raise FormatError(f"corrupt DWARF: .debug_info cannot be unpacked: {error}") from error


def _type_name(data: bytes, offset: int) -> str:
    """The name of the type at ``offset``, empty where there is none."""
    if offset + 1 >= len(data) or data[offset] not in _ABBREVIATIONS:
        return ""
    end = data.find(b"\0", offset + 1, offset + _MAX_NAME)
    return data[offset + 1 : end].decode("utf-8", "replace") if end > 0 else ""


def as_printed(type_name: str, packages: Mapping[str, str]) -> str:
    """A type with the names of packages instead of their import paths, as reflection has it, which
    leaves type arguments as they are. Where the name of a package is not known, it is guessed
    from its path."""
    brackets: list[bool] = []  # whether each open one holds type arguments

    def token(match: re.Match[str]) -> str:
        if match["open"]:
            brackets.append(match["open"] not in ("[", "map["))
        elif match["close"] and brackets:
            brackets.pop()
        elif match["field"] and not any(brackets):
            return ""
        elif match["path"] and not any(brackets):
            path = unquote(match["path"])
            return f"{packages.get(path) or _usual_name(path)}."
        return match[0]

    return _TOKEN.sub(token, type_name)


def _usual_name(path: str) -> str:
    """The last element, without a version: ``yaml`` of ``gopkg.in/yaml.v3``."""
    head, _, last = path.rpartition("/")
    if head and _VERSION.fullmatch(last):
        last = head.rpartition("/")[2]
    head, dot, version = last.rpartition(".")
    return head if dot and _VERSION.fullmatch(version) else last
