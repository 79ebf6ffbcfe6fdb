"""Where a plugin keeps its ``runtime.moduledata``, the root of all that Go knows about it.

Unstripped files name it (``local.moduledata``), Go 1.26 and later give it a section. But every
plugin has an initialising function that hands it to the runtime, and that is looked at first
because it is what a loader would run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from emuplugin.errors import FormatError, NotAPluginError, OpenError

if TYPE_CHECKING:
    from emuplugin.elf.file import ElfFile

# cmd/link/internal/amd64/asm.go: gentext
#   48 8d 3d disp32   LEAQ disp32(RIP), DI
#   e8 rel32          CALL runtime.addmoduledata
#   c3                RET
_ADDMODULEDATA: Final = struct.Struct("<3siBiB")
_LEA_RIP_DI: Final = b"\x48\x8d\x3d"
_CALL: Final = 0xE8
_RET: Final = 0xC3
_LEA_SIZE: Final = 7
_CALL_END: Final = 12

PCLNTAB_MAGICS: Final = frozenset({0xFFFFFFFB, 0xFFFFFFFA, 0xFFFFFFF0, 0xFFFFFFF1})
"""internal/abi/symtab.go: the magic numbers of Go 1.2, 1.16, 1.18 and 1.20."""


def find_moduledata(file: ElfFile) -> int:
    """The address of the module data, counted from the base.

    Raises NotAPluginError when there is none.
    """
    for address in _candidates(file):
        if _is_moduledata(file, address):
            return address
    raise NotAPluginError(
        "no plugin module data: the file does not register itself with a Go runtime; "
        "build it with go build -buildmode=plugin"
    )


def _candidates(file: ElfFile) -> Iterator[int]:
    for function in file.init_array:
        address = _argument_of_addmoduledata(file, function)
        if address is not None:
            yield address
    if ".go.module" in file.sections:
        yield file.sections[".go.module"].addr
    if file.static_symbols is not None:
        symbol = file.static_symbols.find("local.moduledata")
        if symbol is not None:
            yield symbol.value


def _argument_of_addmoduledata(file: ElfFile, function: int) -> int | None:
    """What ``go:link.addmoduledata`` passes on, None for any other function."""
    try:
        code = file.read_vaddr(function, _ADDMODULEDATA.size)
    except FormatError:
        return None
    lea, displacement, call, relative, ret = _ADDMODULEDATA.unpack(code)
    if (lea, call, ret) != (_LEA_RIP_DI, _CALL, _RET):
        return None
    callee = file.symbols.find("runtime.addmoduledata.abi0")
    if callee is not None and callee.value != function + _CALL_END + relative:
        return None  # a C++ constructor of one static object has the same three instructions
    address: int = function + _LEA_SIZE + displacement
    return address


def _is_moduledata(file: ElfFile, address: int) -> bool:
    """Whether the first word there points to a pcHeader."""
    try:
        header = file.read_vaddr(file.relocations.word_at(address), 8)
    except OpenError:
        return False
    magic, pad, _quantum, pointer_size = struct.unpack("<IHBB", header)
    return magic in PCLNTAB_MAGICS and pad == 0 and pointer_size == 8
