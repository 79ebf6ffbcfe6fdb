"""The two hash tables by which a loader finds dynamic symbols by name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import mul
from typing import Final

from emuplugin.errors import FormatError

_MASK32: Final = 0xFFFF_FFFF
_MAX_CHAIN: Final = 1 << 12
"""Steps in one chain. Linkers size the table for chains of a few; a corrupt table must not make
every look-up a walk through all symbols."""

_BLOCK: Final = 128
_POWERS: Final = tuple(pow(33, exponent, 1 << 32) for exponent in range(_BLOCK + 1))


class GnuHash:
    """``DT_GNU_HASH``: header, Bloom filter, buckets, and one chain word for each defined symbol.

    ``data`` starts at the table and may go on behind it.
    """

    _HEADER: Final = struct.Struct("<IIII")

    def __init__(self, data: memoryview) -> None:
        if len(data) < self._HEADER.size:
            raise FormatError("GNU hash table is cut off")
        buckets, first, bloom_size, shift = self._HEADER.unpack_from(data)
        self._first: int = first
        self._shift: int = shift
        bloom_end = self._HEADER.size + bloom_size * 8
        buckets_end = bloom_end + buckets * 4
        if buckets == 0 or bloom_size == 0 or shift > 31 or buckets_end > len(data):
            raise FormatError("GNU hash table is corrupt")
        self._bloom = data[self._HEADER.size : bloom_end].cast("Q")
        self._bloom_size = bloom_size
        self._bucket_count = buckets
        self._buckets: memoryview[int] = data[bloom_end:buckets_end].cast("I")
        chains = data[buckets_end:]
        self._chains: memoryview[int] = chains[: len(chains) & ~3].cast("I")
        self.symbol_count = self._count()

    def _count(self) -> int:
        """One more than the highest symbol: the end of the chain that starts last."""
        last = max(self._buckets.tolist())
        if last == 0:
            return self._first
        at = last - self._first
        for _ in range(_MAX_CHAIN):
            if not 0 <= at < len(self._chains):
                break
            if self._chains[at] & 1:
                return self._first + at + 1
            at += 1
        raise FormatError("GNU hash table is corrupt: a chain has no end")

    def candidates(self, name: bytes) -> Iterator[int]:
        """Indices of the symbols whose hash, but for its lowest bit, is that of ``name``."""
        value = gnu_hash(name)
        bits = 1 << (value & 63) | 1 << ((value >> self._shift) & 63)
        if self._bloom[(value >> 6) % self._bloom_size] & bits != bits:
            return
        index = self._buckets[value % self._bucket_count]
        if index == 0:
            return
        chains = self._chains
        wanted = value | 1
        start = index - self._first
        for at in range(start, start + _MAX_CHAIN):
            if not 0 <= at < len(chains):
                break
            hashed = chains[at]
            if hashed | 1 == wanted:
                yield self._first + at
            if hashed & 1:
                return
        raise FormatError("GNU hash table is corrupt: a chain has no end")


class SysvHash:
    """``DT_HASH``: bucket and chain counts, buckets, and one chain word for each symbol."""

    def __init__(self, data: memoryview) -> None:
        if len(data) < 8:
            raise FormatError("hash table is cut off")
        buckets, self.symbol_count = struct.unpack_from("<II", data)
        buckets_end = 8 + buckets * 4
        end = buckets_end + self.symbol_count * 4
        if buckets == 0 or end > len(data):
            raise FormatError("hash table is corrupt")
        self._buckets = data[8:buckets_end].cast("I")
        self._chains = data[buckets_end:end].cast("I")

    def candidates(self, name: bytes) -> Iterator[int]:
        """Indices of the symbols in the bucket of ``name``."""
        index = self._buckets[sysv_hash(name) % len(self._buckets)]
        for _ in range(_MAX_CHAIN):
            if index == 0:
                return
            if index >= len(self._chains):
                break
            yield index
            index = self._chains[index]
        raise FormatError("hash table is corrupt: a chain has no end")


def gnu_hash(name: bytes) -> int:
    """The hash of ``DT_GNU_HASH`` (``elf/dl-lookup.c: _dl_new_hash``), 32 bits.

    It is ``value * 33 + byte`` for each byte, beginning with 5381; here as the polynomial that
    it is, which Python sums faster than it loops.
    """
    value = 5381
    for start in range(0, len(name), _BLOCK):
        block = name[start : start + _BLOCK]
        value = (value * _POWERS[len(block)] + sum(map(mul, reversed(block), _POWERS))) & _MASK32
    return value


def sysv_hash(name: bytes) -> int:
    """The hash of ``DT_HASH`` (System V ABI, "Hash Table"), 28 bits."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF000_0000
        value = (value ^ (high >> 24)) & 0x0FFF_FFFF
    return value
