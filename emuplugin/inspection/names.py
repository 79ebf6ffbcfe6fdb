"""Which package a function or type belongs to, by the names that the linker gives."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import unquote

#: What the compiler makes and assigns to no package: ``type:.eq.[2]string``, ``go:buildid``.
GENERATED_PREFIXES: Final = ("type:", "go:", "go.", "type..")


@lru_cache(maxsize=1 << 16)
def package_of(function: str) -> str:
    """The import path in a function's name, empty where it has none.

    ``encoding/json.(*Decoder).Decode`` is of ``encoding/json``, ``slices.Sort[go.shape.int]`` of
    ``slices``. In a path's last element dots stand as ``%2e`` (cmd/internal/objabi: PathToPrefix).
    """
    if function.startswith(GENERATED_PREFIXES):
        return _wrapped(function)
    end = min((at for at in (function.find("["), function.find("(")) if at >= 0), default=None)
    base = function[:end]
    dot = base.find(".", base.rfind("/") + 1)
    return unquote(base[:dot]) if dot > 0 else ""


def _wrapped(function: str) -> str:
    """The package of ``go:(*struct { os.file }).os.close``: of the method, which has one only
    where it is not exported."""
    if not function.startswith("go:("):
        return ""
    _, _, method = function.rpartition(").")
    return package_of(method) if "." in method else ""


def short_name(function: str) -> str:
    """The name with the path in front of its package left out: ``json.(*Decoder).Decode``."""
    end = min((at for at in (function.find("["), function.find("(")) if at >= 0), default=None)
    return function[function.rfind("/", 0, end) + 1 :]


def readable(function: str) -> str:
    """The name with the import path as people write it: ``gopkg.in/yaml.v3.Marshal``."""
    package = package_of(function)
    if not package or "%" not in function:
        return function
    escaped = function.find(".", function.rfind("/", 0, _head(function)) + 1)
    return package + function[escaped:]


def _head(function: str) -> int:
    return min(
        (at for at in (function.find("["), function.find("(")) if at >= 0), default=len(function)
    )


def generic_parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The generic name and its type arguments: ``Pair[int,string]`` gives ``Pair`` and two.
    Without brackets there are none."""
    start = name.find("[")
    if start <= 0 or not name.endswith("]"):
        return name, ()
    arguments, depth, begin = [], 0, start + 1
    for at in range(start + 1, len(name) - 1):
        char = name[at]
        depth += (char in "[({") - (char in "])}")
        if char == "," and depth == 0:
            arguments.append(name[begin:at].strip())
            begin = at + 1
    arguments.append(name[begin:-1].strip())
    return name[:start], tuple(arguments)
