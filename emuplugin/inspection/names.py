"""Which package a function or type belongs to, by the names that the linker gives."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import unquote

#: What the compiler makes and assigns to no package: ``type:.eq.[2]string``, ``go:buildid``.
GENERATED_PREFIXES: Final = ("type:", "go:", "type..")


@lru_cache(maxsize=1 << 16)
def package_of(function: str) -> str:
    """The import path in a function's name, empty where it has none.

    ``encoding/json.(*Decoder).Decode`` is of ``encoding/json``, ``slices.Sort[go.shape.int]`` of
    ``slices``. In a path's last element dots stand as ``%2e`` (cmd/internal/objabi: PathToPrefix).
    """
    if function.startswith(GENERATED_PREFIXES):
        return _wrapped(function)
    dot = _package_end(function)
    # What the compiler takes out of inlined functions is of no package: _.goready.func1.
    return unquote(function[:dot]) if dot > 0 and function[:dot] != "_" else ""


def _package_end(function: str) -> int:
    """Where the dot behind the import path is, -1 where there is none.

    Usually the first one behind the last slash, but methods of embedded types have paths of their
    own: ``text/template.Template.text/template/parse.Copy``.
    """
    base = function[: _head(function)]
    dot = base.find(".", base.find("/") + 1)
    while dot >= 0:
        following = base.find(".", dot + 1)
        name = base[dot + 1 : following if following >= 0 else None]
        if "/" not in name and not name[:1].isdigit():
            return dot
        dot = following
    return -1


def _wrapped(function: str) -> str:
    """The package of ``go:(*struct { os.file }).os.close``: of the method, which has one only
    where it is not exported."""
    if not function.startswith("go:("):
        return ""
    _, _, method = function.rpartition(").")
    return package_of(method) if "." in method else ""


def short_name(function: str) -> str:
    """The name with the path in front of its package left out: ``json.(*Decoder).Decode``."""
    end = _package_end(function)
    return function[function.rfind("/", 0, end if end >= 0 else _head(function)) + 1 :]


def readable(function: str) -> str:
    """The name with the import path as people write it: ``gopkg.in/yaml.v3.Marshal``."""
    package = package_of(function)
    if not package or "%" not in function:
        return function
    return package + function[_package_end(function) :]


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
