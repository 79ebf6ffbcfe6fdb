"""What the code refers to: calls, and addresses that it loads. Found without decoding all of it.

Go's compiler reaches everything relative to the instruction pointer, in few forms: ``CALL rel32``
(e8), ``JMP rel32`` (e9), ``LEAQ d(RIP), r`` (8d), and for what other packages define
``MOVQ sym@GOT(RIP), r`` (8b; cmd/internal/obj/x86: rewriteToUseGot). These bytes are searched, and
what is found counts only if it leads exactly to something known: the entry of a function, a slot of
the offset table, a type, a string. None is missed; a wrong hit
needs four arbitrary bytes that do, which is one in some ten thousand hits: the tests compare with a
disassembly, instruction by instruction. This is some ten times faster than one.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from emuplugin.inspection.functions import Function
from emuplugin.inspection.module import Module

_BRANCH: Final = re.compile(b"[\xe8\xe9]")
# REX.W with or without REX.R; LEA or MOV; a ModRM byte of mode 0 with r/m 5: RIP plus disp32.
_RIP: Final = re.compile(rb"[\x48\x4c][\x8b\x8d][\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")
_JMP_GOT: Final = b"\xff\x25"
_ENDBR64: Final = b"\xf3\x0f\x1e\xfa"
_BND: Final = 0xF2
_CALL: Final = 0xE8
_LEA: Final = 0x8D
_DISP: Final = struct.Struct("<i")
_RIP_SIZE: Final = 7
_MAX_HITS: Final = 1 << 24


class Call(NamedTuple):
    """A ``CALL`` or, with ``tail``, a ``JMP`` into another function. ``caller`` is the index of
    the function that holds it, ``target`` the address of another's entry or of an import."""

    site: int
    caller: int
    target: int
    tail: bool


class Use(NamedTuple):
    """An instruction that loads an address (or, with ``load``, what lies there) into
    ``register``. ``caller`` is the index of the function."""

    site: int
    caller: int
    address: int
    load: bool
    register: int


class References:
    """Calls and uses of a plugin's code. ``functions`` must be sorted by address."""

    def __init__(self, module: Module, functions: Sequence[Function]) -> None:
        self._module = module
        self._functions = functions
        self._starts = [function.address for function in functions]
        self._entries = {function.address: index for index, function in enumerate(functions)}
        self._areas = [
            (segment.vaddr, bytes(module.image.view(segment.vaddr, segment.filesz)))
            for segment in module.file.segments
            if segment.executable and segment.filesz
        ]
        self._stubs: dict[int, int | None] = {}

    def index_at(self, address: int) -> int | None:
        """The index of the function whose code holds ``address``."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._functions[at].end:
            return None
        return at

    def entry_at(self, address: int) -> int | None:
        """The index of the function that begins at ``address``."""
        return self._entries.get(address)

    def import_behind(self, address: int) -> str:
        """The undefined symbol that a stub of the procedure linkage table jumps to, or ""."""
        target = self._through_stub(address)
        return "" if target is None else self._module.image.imports.get(target, "")

    # --- calls ------------------------------------------------------------------------------

    @cached_property
    def calls(self) -> list[Call]:
        """All direct calls, by address."""
        return [call for base, code in self._areas for call in self._calls_in(base, code)]

    def _calls_in(self, base: int, code: bytes) -> Iterator[Call]:
        entries, functions, starts = self._entries, self._functions, self._starts
        unpack = _DISP.unpack_from
        low, high = self._module.text, self._module.etext
        last = len(code) - 4
        for match in _BRANCH.finditer(code):
            at = match.start() + 1
            if at > last:
                return
            target = base + at + 4 + unpack(code, at)[0]
            if target not in entries:
                if low <= target < high:
                    continue
                through = self._through_stub(target)
                if through is None:
                    continue
                target = through
            site = base + at - 1
            caller = bisect_right(starts, site) - 1
            if caller < 0 or site >= functions[caller].end:
                continue
            tail = code[at - 1] != _CALL
            if tail and target == starts[caller]:
                continue  # the loop behind runtime.morestack, back to the start
            yield Call(site, caller, target, tail)

    def _through_stub(self, address: int) -> int | None:
        """Where a stub of the procedure linkage table at ``address`` jumps, None if none is
        there."""
        if address in self._stubs:
            return self._stubs[address]
        found = self._stubs[address] = self._read_stub(address)
        return found

    def _read_stub(self, address: int) -> int | None:
        segment = self._module.image.segment_at(address, 16)
        if segment is None or not segment.executable:
            return None
        code = self._module.image.read(address, 16)
        at = len(_ENDBR64) if code.startswith(_ENDBR64) else 0
        at += code[at] == _BND
        if code[at : at + 2] != _JMP_GOT:
            return None
        slot = address + at + 6 + _DISP.unpack_from(code, at + 2)[0]
        if not self._module.image.holds(slot, 8):
            return None
        target = self._module.image.read_u64(slot)
        known = target in self._entries or target in self._module.image.imports
        return target if known else None

    def targets_of(self, index: int) -> Iterator[int]:
        """What one function calls, in the order of its code."""
        at = bisect_left(self.calls, (self._functions[index].address,))
        while at < len(self.calls) and self.calls[at].site < self._functions[index].end:
            yield self.calls[at].target
            at += 1

    # --- addresses --------------------------------------------------------------------------

    @cached_property
    def uses(self) -> list[Use]:
        """All addresses that the code loads, by the address of the instruction."""
        return [use for base, code in self._areas for use in self._uses_in(base, code)]

    def _uses_in(self, base: int, code: bytes) -> Iterator[Use]:
        image, functions, starts = self._module.image, self._functions, self._starts
        relocated = self._slots
        unpack, last = _DISP.unpack_from, len(code) - _RIP_SIZE
        limit = len(image)
        for match in _RIP.finditer(code):
            at = match.start()
            if at > last:
                return
            address = base + at + _RIP_SIZE + unpack(code, at + 3)[0]
            if not 0 <= address < limit:
                continue
            load = code[at + 1] != _LEA
            if load and address in relocated:
                address, load = image.read_u64(address), False
            site = base + at
            caller = bisect_right(starts, site) - 1
            if caller < 0 or site >= functions[caller].end:
                continue
            register = code[at + 2] >> 3 & 7 | (code[at] & 4) << 1
            yield Use(site, caller, address, load, register)

    @cached_property
    def _slots(self) -> set[int]:
        """The words outside of variables that hold addresses: the global offset table, mostly."""
        in_data = self._module.in_data
        return {address for address in self._module.image.relocated if not in_data(address)}
