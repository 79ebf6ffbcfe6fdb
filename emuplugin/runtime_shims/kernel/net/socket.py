"""What all sockets have in common: family, kind, options, pending error, addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..table import Errno
from . import abi
from .addresses import Address, pack
from .queue import CAPACITY, Message

if TYPE_CHECKING:
    from ..kernel import Kernel
    from .network import NetworkStack


class Socket(OpenFile):
    """A socket. The base refuses what only some kinds can do.

    ``options`` holds what was set, by level and name; ``error`` is SO_ERROR.
    ``local`` and ``remote`` are the names it is bound and connected to.
    """

    mode = abi.S_IFSOCK | 0o777

    def __init__(self, network: NetworkStack, family: int, kind: int, protocol: int) -> None:
        super().__init__(linux.O_RDWR)
        self.network = network
        self.family, self.kind, self.protocol = family, kind, protocol
        self.options: dict[tuple[int, int], int] = {}
        self.error = 0
        self.local: Address | None = None
        self.remote: Address | None = None
        self.inode = network.next_inode()

    # --- what kinds of sockets do ----------------------------------------------------------------

    def bind(self, address: Address) -> None:
        raise Errno(abi.EOPNOTSUPP)

    def connect(self, address: Address | None) -> bool:
        """Begin to connect (None: undo it); whether that is done already. Raises Errno."""
        raise Errno(abi.EOPNOTSUPP)

    def connected(self) -> bool:
        """Whether a connect that was begun has ended well. Raises Errno if it failed."""
        return True

    def listen(self, backlog: int) -> None:
        raise Errno(abi.EOPNOTSUPP)

    def accept(self) -> Socket | None:
        """The next connection, None while there is none."""
        raise Errno(abi.EOPNOTSUPP)

    def receive(self, size: int, peek: bool = False, skip: int = 0) -> Message | None:
        """A message, or up to ``size`` bytes of a stream: empty at its end, None if there is
        nothing yet. ``skip`` is where a peek into a stream starts."""
        raise Errno(abi.EOPNOTSUPP)

    def send(self, message: Message, to: Address | None) -> int | None:
        """How many bytes were taken, None if there is no room yet. The rights that the message
        carries are held by the caller, and by the socket's peer when it is taken."""
        raise Errno(abi.EOPNOTSUPP)

    def shutdown(self, how: int) -> None:
        raise Errno(abi.EOPNOTSUPP)

    @property
    def stream(self) -> bool:
        """Whether boundaries between messages mean nothing."""
        return self.kind == abi.SOCK_STREAM

    @property
    def listening(self) -> bool:
        return False

    # --- what they share --------------------------------------------------------------------------

    def option(self, level: int, name: int, otherwise: int = 0) -> int:
        """The value of an option that is kept as it was set."""
        return self.options.get((level, name), otherwise)

    @property
    def reuse_address(self) -> bool:
        return bool(self.option(abi.SOL_SOCKET, abi.SO_REUSEADDR))

    @property
    def reuse_port(self) -> bool:
        return bool(self.option(abi.SOL_SOCKET, abi.SO_REUSEPORT))

    @property
    def receive_capacity(self) -> int:
        """Bytes that wait for the reader at most."""
        return self.option(abi.SOL_SOCKET, abi.SO_RCVBUF, CAPACITY)

    def take_error(self) -> int:
        """SO_ERROR: the pending error, which is forgotten."""
        error, self.error = self.error, 0
        return error

    def raise_error(self) -> None:
        """Fail with the pending error, if there is one."""
        if self.error:
            raise Errno(self.take_error())

    def local_name(self) -> bytes:
        """What getsockname shows."""
        return pack(self.family, self.local)

    def remote_name(self) -> bytes:
        """What getpeername shows. Raises ENOTCONN."""
        if self.remote is None:
            raise Errno(abi.ENOTCONN)
        return pack(self.family, self.remote)

    def arrived(self) -> None:
        """Something came in: an edge for epoll."""
        self.input_edges += 1

    def drained(self) -> None:
        """There is room again."""
        self.output_edges += 1

    def waiting(self) -> int:
        """Bytes that can be read, of a datagram socket those of the first message (FIONREAD)."""
        if self.listening:
            raise Errno(linux.EINVAL)
        message = self.pending()
        return 0 if message is None else len(message.data)

    def pending(self) -> Message | None:
        """What a read would give."""
        return None

    # --- as any file ------------------------------------------------------------------------------

    def read(self, kernel: Kernel, size: int) -> bytes | None:
        if not size and self.stream:
            return b""
        message = self.receive(size)
        return None if message is None else message.data[:size]

    def write(self, kernel: Kernel, data: bytes) -> int | None:
        return self.send(Message(data), None)
