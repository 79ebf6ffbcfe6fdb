"""Reading a file while something else is done."""

from __future__ import annotations

import threading

from .elf.file import ElfFile


class Reading:
    """A file that is being read: the host copies it while Python does other things."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: ElfFile | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name=f"reading {path}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread, or the interpreter is about to end
            self._read()

    def _read(self) -> None:
        try:
            self._file = ElfFile.open(self._path)
        except BaseException as error:
            self._error = error

    def file(self) -> ElfFile:
        """Wait for it. Raises what :meth:`ElfFile.open` raises."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._file is None:
            assert self._error is not None
            raise self._error
        return self._file
