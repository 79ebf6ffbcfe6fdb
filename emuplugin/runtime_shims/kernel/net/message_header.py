"""What the message calls of both directions take: ``struct msghdr`` (man 2 sendmsg)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from .. import linux
from ..table import Errno, signed, signed32
from . import abi

if TYPE_CHECKING:
    from ..kernel import Kernel
    from ..open_file import OpenFile

IOV_MAX = 1024
CMSG = struct.Struct("<QII")  # struct cmsghdr: len, level, type
#: Sizes of ``struct msghdr`` and ``struct mmsghdr``.
MSGHDR, MMSGHDR = 56, 64
_CONTROL_MAX = 1 << 16
_NAME_MAX = 128

#: Places in guest memory: address and size.
Pieces = list[tuple[int, int]]
#: Open files that travel with a message.
Rights = tuple["OpenFile", ...]


class Header(NamedTuple):
    """``struct msghdr``, its vector read out."""

    name: int
    name_size: int
    pieces: Pieces
    control: int
    control_size: int


def read_header(kernel: Kernel, at: int) -> Header:
    """Read a ``struct msghdr``. Raises Errno."""
    name, size, vector, count, control, control_size, _ = struct.unpack(
        "<QI4xQQQQI4x", kernel.read(at, MSGHDR)
    )
    if count > IOV_MAX:
        raise Errno(abi.EMSGSIZE)
    if signed32(size) < 0:
        raise Errno(linux.EINVAL)
    numbers = struct.unpack(f"<{2 * count}Q", kernel.read(vector, 16 * count)) if count else ()
    pieces = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(signed(length) < 0 for _, length in pieces):
        raise Errno(linux.EINVAL)
    if control_size > _CONTROL_MAX:
        raise Errno(abi.ENOBUFS)
    return Header(name, min(size, _NAME_MAX), pieces, control, control_size)
