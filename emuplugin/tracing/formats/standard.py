"""Telling the standard library's packages from others, by name and by where their source lay."""

from __future__ import annotations

from typing import Final

#: The folders of GOROOT/src with packages in them, Go 1.21 to 1.27.
ROOTS: Final = frozenset(
    """
    archive arena bufio builtin bytes cmd cmp compress container context crypto database debug
    embed encoding errors expvar flag fmt go hash html image index internal io iter log maps
    math mime net os path plugin reflect regexp runtime simd slices sort strconv strings structs
    sync syscall testing text time unicode unique unsafe uuid vendor weak
    """.split()  # noqa: SIM905
)


def is_standard(package: str, file: str, plugin_path: str, goroot: str | None) -> bool:
    """Whether a package is Go's own. ``goroot`` is where the runtime's source lay; where
    ``-trimpath`` hides that, the name of the package decides."""
    if package == "main" or package == plugin_path or package.startswith(f"{plugin_path}/"):
        return False
    if goroot is not None and file.startswith("/"):
        return file.startswith(goroot)
    return package.partition("/")[0] in ROOTS
