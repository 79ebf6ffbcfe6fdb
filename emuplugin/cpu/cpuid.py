"""What CPUID says in a machine: one fixed processor, the same on every host.

Only features that the engine computes correctly are offered. Everything that needs the AVX
state (AVX, AVX2, FMA, AVX-512) is absent: the engine computes VEX-encoded instructions wrongly,
without an error. OSXSAVE is clear, so code that asks properly never tries. RDRAND and RDSEED
would give the host's randomness; the engine's model of the processor is one that has neither, so
they are invalid instructions also for code that does not ask.
Bit names: Intel SDM vol. 2A, CPUID.
"""

from __future__ import annotations

from functools import lru_cache

_FEATURES_1_EDX = {
    "FPU": 0, "TSC": 4, "MSR": 5, "PAE": 6, "CX8": 8, "CMOV": 15, "CLFSH": 19,
    "MMX": 23, "FXSR": 24, "SSE": 25, "SSE2": 26,
}  # fmt: skip
_FEATURES_1_ECX = {
    "SSE3": 0, "PCLMULQDQ": 1, "SSSE3": 9, "CMPXCHG16B": 13, "SSE4.1": 19, "SSE4.2": 20,
    "POPCNT": 23, "AESNI": 25,
}  # fmt: skip
_FEATURES_7_EBX = {"ERMS": 9}
_FEATURES_80000001_EDX = {"SYSCALL": 11, "NX": 20, "RDTSCP": 27, "LM": 29}
_FEATURES_80000001_ECX = {"LAHF": 0}
#: Names as in Go's ``internal/cpu.X86`` (without ``Has``) that the machine offers.
GO_FEATURES = frozenset(
    (
        "AES",
        "ERMS",
        "PCLMULQDQ",
        "POPCNT",
        "RDTSCP",
        "SSE3",
        "SSSE3",
        "SSE41",
        "SSE42",
    )
)

_VENDOR = b"GenuineIntel"
_BRAND = b"emuplugin virtual x86-64".ljust(48, b"\0")
# Family 6, model 44 (Westmere), stepping 1: what the features come nearest to.
_SIGNATURE = 0x000206C1


def _bits(features: dict[str, int]) -> int:
    return sum(1 << bit for bit in features.values())


def _text(part: bytes) -> int:
    return int.from_bytes(part, "little")


@lru_cache(maxsize=64)
def cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """EAX, EBX, ECX, EDX for a leaf and subleaf; zeros for leaves that do not exist."""
    if leaf == 0:
        return 7, _text(_VENDOR[0:4]), _text(_VENDOR[8:12]), _text(_VENDOR[4:8])
    if leaf == 1:
        # EBX: CLFLUSH line of 8 * 8 bytes, one logical processor.
        return _SIGNATURE, 0x00010800, _bits(_FEATURES_1_ECX), _bits(_FEATURES_1_EDX)
    if leaf == 7 and subleaf == 0:
        return 0, _bits(_FEATURES_7_EBX), 0, 0
    if leaf == 0x80000000:
        return 0x80000008, 0, 0, 0
    if leaf == 0x80000001:
        return 0, 0, _bits(_FEATURES_80000001_ECX), _bits(_FEATURES_80000001_EDX)
    if 0x80000002 <= leaf <= 0x80000004:
        part = _BRAND[(leaf - 0x80000002) * 16 :][:16]
        return _text(part[0:4]), _text(part[4:8]), _text(part[8:12]), _text(part[12:16])
    if leaf == 0x80000008:
        return 0x3028, 0, 0, 0  # 40 physical, 48 virtual address bits
    return 0, 0, 0, 0
