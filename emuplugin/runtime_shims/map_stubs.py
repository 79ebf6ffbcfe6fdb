"""Code that fills a map: one call into the guest for many entries.

A loop over the runtime's assign function, which finds or makes the place of a key, and
``typedmemmove``, which stores the element there under the write barrier. Its arguments and its
state are eleven words of memory that does not move: the assign function, the map's type and the
map, address and size of the first key; ``typedmemmove``, the elements' type, address and size of
the first element; a word for nothing, and how many entries there are, which counts down. Nothing in
its frame is a pointer that only it knows. What keys and elements refer to must be rooted by the
caller.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_ENTER = (
    b"\x55"  # push rbp
    b"\x48\x89\xe5"  # mov rbp, rsp
    b"\x48\x83\xec\x38"  # sub rsp, 56: room to spill six words, and for the state's address
)
_START = b"\x48\x89\x44\x24\x30"  # mov [rsp + 48], rax
_LOAD = (
    b"\x48\x8b\x54\x24\x30"  # mov rdx, [rsp + 48]
    b"\x48\xff\x4a\x50"  # dec qword ptr [rdx + 80]
)
_ASSIGN = (
    b"\x48\x8b\x42\x08"  # mov rax, [rdx + 8]
    b"\x48\x8b\x5a\x10"  # mov rbx, [rdx + 16]
    b"\x48\x8b\x4a\x18"  # mov rcx, [rdx + 24]
)
_KEY_WORDS = (
    b"\x48\x8b\x79\x08"  # mov rdi, [rcx + 8]
    b"\x48\x8b\x09"  # mov rcx, [rcx]
)
_STORE = (
    b"\xff\x12"  # call [rdx]
    b"\x48\x8b\x54\x24\x30"  # mov rdx, [rsp + 48]
    b"\x48\x89\xc3"  # mov rbx, rax
    b"\x48\x8b\x42\x30"  # mov rax, [rdx + 48]
    b"\x48\x8b\x4a\x38"  # mov rcx, [rdx + 56]
    b"\xff\x52\x28"  # call [rdx + 40]
    b"\x48\x8b\x54\x24\x30"  # mov rdx, [rsp + 48]
    b"\x48\x8b\x42\x20"  # mov rax, [rdx + 32]
    b"\x48\x01\x42\x18"  # add [rdx + 24], rax
    b"\x48\x8b\x42\x40"  # mov rax, [rdx + 64]
    b"\x48\x01\x42\x38"  # add [rdx + 56], rax
)
_LEAVE = b"\x48\x83\xc4\x38"  # add rsp, 56
_RETURN = b"\x5d\xc3"  # pop rbp; ret


class MapStub(NamedTuple):
    """A function of the stub module: its code, and its frame sizes as :mod:`stubs` has them."""

    name: str
    code: bytes
    frames: tuple[tuple[int, int], ...]


def map_stubs() -> tuple[MapStub, MapStub]:
    """``func(state *[11]uintptr)``, for functions that take a pointer to the key (``mapassign``)
    and for those that take the key itself, in one or two words (``mapassign_fast64``)."""
    return _stub("emuplugin.mapassign", _ASSIGN), _stub(
        "emuplugin.mapassign_words", _ASSIGN + _KEY_WORDS
    )


def _stub(name: str, assign: bytes) -> MapStub:
    body = assign + _STORE
    skip = b"\x78" + struct.pack("<b", len(body) + 2)  # js, behind the jump back
    again = b"\xeb" + struct.pack("<b", -(len(_LOAD) + len(skip) + len(body) + 2))  # jmp
    inside = _ENTER + _START + _LOAD + skip + body + again + _LEAVE
    code = inside + _RETURN
    # Where each frame size holds: before the push, behind it, after the sub, behind the add.
    frames = ((1, 0), (len(_ENTER), 8), (len(inside), 64), (len(inside) + 1, 8), (len(code), 0))
    return MapStub(name, code, frames)
