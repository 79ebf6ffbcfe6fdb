"""Which packages are the runtime's own: their init functions run before all others."""

from __future__ import annotations

# What the runtime imports, as far as it may have init functions: go list -deps runtime.
_BELOW_RUNTIME = frozenset(
    ("internal/abi", "internal/bytealg", "internal/chacha8rand", "internal/cpu",
     "internal/godebugs", "internal/strconv", "internal/stringslite", "math/bits", "runtime")
)  # fmt: skip
_BELOW_RUNTIME_FOLDERS = ("internal/runtime/", "runtime/internal/")


def is_of_runtime(package: str) -> bool:
    """Whether a package is the runtime or below it. Their init functions run first, as in
    ``runtime.main``; in a plugin's list they stand among the others, by name."""
    return package in _BELOW_RUNTIME or package.startswith(_BELOW_RUNTIME_FOLDERS)
