"""Reading and writing guest memory by virtual address, from Python."""

from __future__ import annotations

from struct import Struct

from emuplugin.errors import CorruptDataError

from .address_space import PAGE_SHIFT, AddressSpace

_U8 = Struct("<B")
_U16, _U32, _I32 = Struct("<H"), Struct("<I"), Struct("<i")
_U64, _I64 = Struct("<Q"), Struct("<q")


class GuestMemoryError(CorruptDataError):
    """Python touched guest addresses where nothing is mapped. The kernel answers EFAULT, everybody
    else lets the caller see which pointer was bad."""

    def __init__(self, address: int, size: int, what: str = "no guest memory at") -> None:
        super().__init__(f"{what} {address:#x} ({size} bytes)")
        self.address = address


class Memory:
    """Typed access to an address space. Little-endian; protection is the processor's affair."""

    def __init__(self, space: AddressSpace) -> None:
        self.space = space
        self._bytes = space.physical.bytes
        # The area where something was looked for last: the space's generation, start, end, and how
        # far ahead of it it lies in physical memory.
        self._last = 0, 0, 0, 0
        #: So many bytes can hold something. More are never read at once, or what is mapped and was
        #: never touched would cost the host as much memory.
        self.most = space.max_pages << PAGE_SHIFT

    def physical(self, address: int, size: int) -> int:
        """Where ``size`` bytes at ``address`` lie in physical memory, in one piece."""
        generation, start, end, ahead = self._last
        space = self.space
        if start <= address and address + size <= end and generation == space.generation:
            return address + ahead
        area = space.find(address)
        if area is None or area.physical is None:
            raise GuestMemoryError(address, size)
        ahead = area.physical - area.start
        self._last = space.generation, area.start, area.end, ahead
        at = address + ahead
        while address + size > area.end:
            behind = area.physical + area.end - area.start
            area = space.find(area.end)
            if area is None or area.physical is None or area.physical != behind:
                raise GuestMemoryError(address, size)
        return at

    def view(self, address: int, size: int) -> memoryview | None:
        """A writable view, or None where the bytes are not one piece of host memory."""
        try:
            at = self.physical(address, size)
        except GuestMemoryError:
            return None
        return self._bytes[at : at + size]

    def check(self, address: int, size: int) -> None:
        """GuestMemoryError unless there is memory in all of ``[address, address + size)``."""
        if size > self.most:
            raise GuestMemoryError(address, size, "more than the machine's memory at")
        if size:
            try:
                self.physical(address, size)
            except GuestMemoryError:
                self.pieces(address, size)

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes at ``address``; they may span areas."""
        if not size:
            return b""
        if size > self.most:
            raise GuestMemoryError(address, size, "more than the machine's memory at")
        try:
            at = self.physical(address, size)
            return bytes(self._bytes[at : at + size])
        except GuestMemoryError:
            return b"".join(bytes(piece) for piece in self.pieces(address, size))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store ``data`` at ``address``; it may span areas."""
        size = len(data)
        if not size:
            return
        try:
            at = self.physical(address, size)
            self._bytes[at : at + size] = data
        except GuestMemoryError:
            done = 0
            for piece in list(self.pieces(address, size)):
                piece[:] = data[done : done + len(piece)]
                done += len(piece)

    def pieces(self, address: int, size: int) -> list[memoryview]:
        """The contiguous pieces that make up a range; GuestMemoryError where there is a hole."""
        views: list[memoryview] = []
        end = address + size
        while address < end:
            area = self.space.find(address)
            if area is None or area.physical is None:
                raise GuestMemoryError(address, end - address)
            stop = min(area.end, end)
            at = area.physical + address - area.start
            views.append(self._bytes[at : at + stop - address])
            address = stop
        return views

    def read_string(self, address: int, limit: int = 4096) -> bytes:
        """The bytes before the first NUL, at most ``limit`` of them."""
        result = b""
        while len(result) < limit:
            # Never past the page: the next one may not be mapped.
            part = self.read(address, min(4096 - (address & 4095), limit - len(result)))
            head, nul, _ = part.partition(b"\0")
            result += head
            if nul:
                return result
            address += len(part)
        return result

    def read_u8(self, address: int) -> int:
        return self._bytes[self.physical(address, 1)]

    def read_u16(self, address: int) -> int:
        value: int = _U16.unpack_from(self._bytes, self.physical(address, 2))[0]
        return value

    def read_u32(self, address: int) -> int:
        value: int = _U32.unpack_from(self._bytes, self.physical(address, 4))[0]
        return value

    def read_i32(self, address: int) -> int:
        value: int = _I32.unpack_from(self._bytes, self.physical(address, 4))[0]
        return value

    def read_u64(self, address: int) -> int:
        value: int = _U64.unpack_from(self._bytes, self.physical(address, 8))[0]
        return value

    def read_i64(self, address: int) -> int:
        value: int = _I64.unpack_from(self._bytes, self.physical(address, 8))[0]
        return value

    def write_u8(self, address: int, value: int) -> None:
        _U8.pack_into(self._bytes, self.physical(address, 1), value)

    def write_u16(self, address: int, value: int) -> None:
        _U16.pack_into(self._bytes, self.physical(address, 2), value)

    def write_u32(self, address: int, value: int) -> None:
        _U32.pack_into(self._bytes, self.physical(address, 4), value & 0xFFFFFFFF)

    def write_u64(self, address: int, value: int) -> None:
        _U64.pack_into(self._bytes, self.physical(address, 8), value & 0xFFFFFFFFFFFFFFFF)
