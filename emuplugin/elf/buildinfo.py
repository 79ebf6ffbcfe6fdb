"""Go's build info: which toolchain, modules and settings made the file (``go version -m``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from emuplugin.errors import FormatError, UnsupportedGoVersionError

if TYPE_CHECKING:
    from emuplugin.elf.file import ElfFile

MAGIC: Final = b"\xff Go buildinf:"
_ALIGN: Final = 16
_HEADER_SIZE: Final = 32
_FLAGS_AT: Final = 15
_FLAG_INLINE: Final = 2
_FRAME: Final = 16
# How a toolchain's name begins.
_VERSIONS: Final = ("go", "devel")
_VERSION: Final = re.compile(r"\bgo(\d+\.\d+)")
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))"
)
_SIMPLE: Final = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


@dataclass(frozen=True)
class Module:
    """A module that gave packages to the build; ``replace`` is what stood in for it."""

    path: str = ""
    version: str = ""
    sum: str = ""
    replace: Module | None = None


@dataclass(frozen=True)
class BuildInfo:
    """``runtime/debug.BuildInfo``.

    ``go_version`` is as the toolchain calls itself ("go1.24.11", "go1.27rc1", "devel go1.28-...");
    ``path`` the import path of package main, ``main`` its module (empty outside modules).
    """

    go_version: str
    path: str = ""
    main: Module = field(default_factory=Module)
    deps: tuple[Module, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def minor(self) -> str:
        """The language version, "1.24"; empty when the version names none."""
        match = _VERSION.search(self.go_version)
        return match.group(1) if match else ""

    @cached_property
    def experiments(self) -> tuple[str, ...]:
        """GOEXPERIMENT as far as it differs from the toolchain's default ("noswissmap"): what the
        version ends with after " X:", or the setting."""
        _, mark, suffix = self.go_version.partition(" X:")
        listed = suffix if mark else self.settings.get("GOEXPERIMENT", "")
        return tuple(name for name in listed.strip().split(",") if name)


def find_build_info(file: ElfFile) -> BuildInfo | None:
    """The build info of a file, None when it holds none. FormatError when it is corrupt,
    UnsupportedGoVersionError when Go 1.17 or earlier wrote it.

    It lies in section ``.go.buildinfo``; without section headers it is searched, as the
    toolchain does, in the writable segments (``debug/buildinfo: searchMagic``). That is done too
    where section headers would have to be waited for; what is found must then make sense, for
    programs may hold the magic for other reasons.
    """
    if not file.is_whole:
        for place, at in _search(_segments(file)):
            with suppress(FormatError, UnsupportedGoVersionError):
                info = _parse_blob(place, at)
                if info.go_version.startswith(_VERSIONS):
                    return info
    if ".go.buildinfo" in file.sections:
        places: Iterable[memoryview] = (file.section(".go.buildinfo"),)
    else:
        places = _segments(file)
    for place, at in _search(places):
        return _parse_blob(place, at)
    return None


def _segments(file: ElfFile) -> Iterator[memoryview]:
    for segment in file.segments:
        if segment.writable and segment.filesz:
            # Alignment is that of addresses, and a segment need not begin at a multiple of it.
            yield file.content(segment)[-segment.vaddr % _ALIGN :]


def _search(places: Iterable[memoryview]) -> Iterator[tuple[bytes, int]]:
    """Where the magic is."""
    for place in places:
        data = bytes(place)
        at = data.find(MAGIC)
        while at >= 0:
            if not at % _ALIGN:
                yield data, at
            at = data.find(MAGIC, at + 1)


def _parse_blob(data: bytes, at: int) -> BuildInfo:
    if at + _HEADER_SIZE > len(data):
        raise FormatError("Go build info is cut off")
    if not data[at + _FLAGS_AT] & _FLAG_INLINE:
        raise UnsupportedGoVersionError(
            "built with Go 1.17 or earlier: its build info is in another format; "
            "build it with a later Go"
        )
    version, at = _string(data, at + _HEADER_SIZE)
    framed, _ = _string(data, at)
    # cmd/go/internal/modload: 16 bytes of infoStart and infoEnd frame the text.
    if len(framed) > 2 * _FRAME and framed[-_FRAME - 1 : -_FRAME] == b"\n":
        text = framed[_FRAME:-_FRAME]
    else:
        text = b""
    return parse_build_info(_decode(version), _decode(text))


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """The string behind a varint length at ``at``, and where it ends."""
    length = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise FormatError("Go build info is corrupt: a length has no end")
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if at + length > len(data):
        raise FormatError("Go build info is cut off")
    return data[at : at + length], at + length


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def parse_build_info(go_version: str, text: str) -> BuildInfo:
    """The tab-separated lines that `go version -m` shows (``runtime/debug: ParseBuildInfo``).

    Lines of unknown kinds are passed over, as there; malformed ones are a FormatError.
    """
    path = ""
    modules: list[Module] = []
    kinds: list[str] = []
    settings: dict[str, str] = {}
    for line in text.split("\n"):
        kind, _, rest = line.partition("\t")
        if kind == "path":
            path = rest
        elif kind in ("mod", "dep"):
            modules.append(_module(rest))
            kinds.append(kind)
        elif kind == "=>":
            if not modules:
                raise FormatError("Go build info replaces a module that it does not name")
            old = modules[-1]
            modules[-1] = Module(old.path, old.version, old.sum, _module(rest))
        elif kind == "build":
            key, value = _setting(rest)
            settings[key] = value
    pairs = list(zip(kinds, modules, strict=True))
    return BuildInfo(
        go_version,
        path,
        next((module for kind, module in pairs if kind == "mod"), Module()),
        tuple(module for kind, module in pairs if kind == "dep"),
        settings,
    )


def _module(text: str) -> Module:
    columns = text.split("\t")
    if len(columns) not in (2, 3):
        raise FormatError(f"Go build info has a module of {len(columns)} columns")
    return Module(columns[0], columns[1], "".join(columns[2:]))


def _setting(text: str) -> tuple[str, str]:
    key, rest = _maybe_quoted(text, "=")
    if not key or not rest.startswith("="):
        raise FormatError("Go build info has a setting without a key")
    value, rest = _maybe_quoted(rest[1:], "\n")
    if rest:
        raise FormatError("Go build info has a badly quoted setting")
    return key, value


def _maybe_quoted(text: str, end: str) -> tuple[str, str]:
    """A Go string literal at the start of ``text``, or else all up to ``end``; and the rest."""
    if text.startswith("`"):
        value, mark, rest = text[1:].partition("`")
        if not mark:
            raise FormatError("Go build info has a badly quoted setting")
        return value, rest
    if text.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text)
        if not match:
            raise FormatError("Go build info has a badly quoted setting")
        return _unquote(match.group(1)), text[match.end() :]
    at = text.find(end)
    return (text, "") if at < 0 else (text[:at], text[at:])


def _unquote(body: str) -> str:
    """The value of a Go interpreted string literal, without its quotes."""

    def replace(match: re.Match[str]) -> str:
        simple, byte, short, long, octal = match.groups()
        if simple:
            return _SIMPLE[simple]
        code = int(octal, 8) if octal else int(byte or short or long, 16)
        if code > 0x10FFFF:
            raise FormatError("Go build info has a badly quoted setting")
        return chr(code)

    return _ESCAPE.sub(replace, body)
