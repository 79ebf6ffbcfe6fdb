"""The bytes of a file on disk, and how they get into memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from emuplugin.beside import Beside
from emuplugin.elf.header import parse_header
from emuplugin.elf.segments import parse_segments
from emuplugin.errors import FormatError, OpenError, PathError, TruncatedError
from emuplugin.private_memory import private_memory

MAX_FILE_SIZE: Final = 1 << 31
# Of the first page, which holds the program headers, wherever linkers put them.
_START: Final = 4096
# From so many bytes on that are not needed at once they are read beside.
_WORTH_WHILE: Final = 1 << 18
_SHRANK: Final = "file too short: it shrank while it was read"
#: Waits for something, and raises OpenError if it did not come.
Rest = Callable[[], None]


def read(name: str, *, in_parts: bool) -> tuple[memoryview, os.stat_result, Rest | None]:
    """A regular file, whose header is checked before the rest is read, and what it was before that;
    with ``in_parts`` perhaps what waits for all that lies behind the segments.

    Raises PathError where there is none or it cannot be read, and other OpenErrors."""
    if not name or "\0" in name:
        raise PathError("realpath failed: the path is empty or holds a null character")
    try:
        with ExitStack() as opened:
            file = opened.enter_context(open(name, "rb", buffering=0, opener=_open_without_waiting))
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise PathError("cannot read file data: Is a directory")
            if not stat.S_ISREG(status.st_mode):
                raise PathError("cannot read file data: not a regular file")
            start = file.read(_START)
            parse_header(start)
            if status.st_size > MAX_FILE_SIZE:
                raise FormatError(f"file too large: {status.st_size} bytes")
            file.seek(0)
            end = _end_of_segments(start) if in_parts else status.st_size
            if status.st_size - end >= _WORTH_WHILE:
                room = memoryview(private_memory(status.st_size))
                _fill(file, room[:end])
                opened.pop_all()
                rest = Beside(partial(_read_rest, file, room[end:])).outcome
                return room, status, rest
            data = file.readall()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathError(f"realpath failed: {error.strerror}") from error
    except IsADirectoryError as error:
        raise PathError("cannot read file data: Is a directory") from error
    except OSError as error:
        if Path(name).is_dir():  # Windows says: permission denied
            raise PathError("cannot read file data: Is a directory") from error
        raise PathError(f"cannot open shared object file: {error.strerror}") from error
    if len(data) < status.st_size:
        raise TruncatedError(_SHRANK)
    return memoryview(data), status, None


def _end_of_segments(start: bytes) -> int:
    """How much of a file there is to the end of the last segment, from its first bytes; more than
    any file has where these do not tell."""
    try:
        segments = parse_segments(start, parse_header(start))
        return max(segment.offset + segment.filesz for segment in segments)
    except (OpenError, ValueError):
        return MAX_FILE_SIZE


def _fill(file: FileIO, room: memoryview) -> None:
    """Read as many bytes as there is room for."""
    while room:
        count = file.readinto(room)
        if not count:
            raise TruncatedError(_SHRANK)
        room = room[count:]


def _read_rest(file: FileIO, room: memoryview) -> None:
    with file:
        try:
            _fill(file, room)
        except OSError as error:
            raise OpenError(f"the end of the file cannot be read: {error.strerror}") from error


def _open_without_waiting(name: str, flags: int) -> int:
    # A named pipe without a writer would block the open for ever; Windows has neither.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
