"""A file that was read before, and is read again only when something of it is needed."""

from __future__ import annotations

import os
import weakref
from typing import Any

from emuplugin.elf.buildinfo import BuildInfo
from emuplugin.elf.digest import new_digest
from emuplugin.elf.file import ElfFile
from emuplugin.errors import OpenError

_OF_CONTENTS = frozenset(("_view", "_rest", "header", "program_headers", "segments"))


class DeferredFile(ElfFile):
    """See :class:`ElfFile`. ``digest`` is the one (see :mod:`digest`) that its contents had. It
    stays open until it was read; contents that are others by then raise OpenError."""

    def __init__(self, path: str, digest: str) -> None:
        """Raises OSError."""
        self.path, self.digest = path, digest
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        self._fd = os.open(path, flags | getattr(os, "O_BINARY", 0))
        self._close = weakref.finalize(self, os.close, self._fd)
        self.status: os.stat_result = os.fstat(self._fd)

    def set_build_info(self, info: BuildInfo) -> None:
        """What is known of the build."""
        self.__dict__["build_info"] = info

    def check(self) -> None:
        """Read the contents, and set ``digest`` to theirs. Raises OSError."""
        data = self._read()
        self.digest = new_digest(data).hexdigest()
        self.__dict__["_contents"] = data

    def _read(self) -> bytes:
        parts = []
        while part := os.read(self._fd, 1 << 26):
            parts.append(part)
        return b"".join(parts)

    def __getattr__(self, name: str) -> Any:
        if name not in _OF_CONTENTS:
            raise AttributeError(name)
        self._load()
        return self.__dict__[name]

    def _load(self) -> None:
        data = self.__dict__.pop("_contents", None)
        if data is None:
            try:
                data = self._read()
            except OSError as error:
                raise OpenError(
                    f"the file cannot be read any more: {error}", path=self.path
                ) from None
        self._close()
        if new_digest(data).hexdigest() != self.digest:
            raise OpenError(
                "the file was changed since the plugin was opened; open it in a new machine",
                path=self.path,
            )
        ElfFile.__init__(self, data, self.path)
