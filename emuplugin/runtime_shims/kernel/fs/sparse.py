"""File content in memory, by pages: holes take no room."""

from __future__ import annotations

from bisect import bisect_left

from ..state import BUFFER, WHOLE, collected, forgotten, mapped, reference, state
from .storage import Storage

PAGE = 4096
_SHIFT, _MASK = 12, PAGE - 1
_ZERO = bytes(PAGE)


@state(
    size=WHOLE, _storage=reference(Storage), _pages=mapped(WHOLE, BUFFER),
    _unwritten=collected(WHOLE), _order=forgotten(None),
)  # fmt: skip
class SparseData:
    """Bytes of which whole pages may be absent and read as zero. Pages count in ``storage``."""

    def __init__(self, storage: Storage) -> None:
        self.size = 0
        self._storage = storage
        self._pages: dict[int, bytearray] = {}
        # Pages that fallocate has put there and nobody has written to: they are holes to lseek.
        self._unwritten: set[int] = set()
        # The numbers of the pages in order, made when it is asked for.
        self._order: list[int] | None = None

    @property
    def page_count(self) -> int:
        return len(self._pages)

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer at the end."""
        end = min(offset + size, self.size)
        if end <= offset:
            return b""
        first, last = offset >> _SHIFT, (end - 1) >> _SHIFT
        if first == last:
            low = offset & _MASK
            page = self._pages.get(first)
            return bytes(end - offset) if page is None else bytes(page[low : low + end - offset])
        get = self._pages.get
        whole = b"".join([get(index, _ZERO) for index in range(first, last + 1)])
        start = offset & _MASK
        return whole if not start and len(whole) == end - offset else whole[start:][: end - offset]

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if not data:
            return
        end = offset + len(data)
        first, last = offset >> _SHIFT, (end - 1) >> _SHIFT
        self._provide(first, last)
        if self._unwritten:
            self._written(first, last)
        done = 0
        for index in range(first, last + 1):
            low = offset + done - (index << _SHIFT)
            part = data[done : done + PAGE - low]
            self._pages[index][low : low + len(part)] = part
            done += len(part)
        self.size = max(self.size, end)

    def resize(self, size: int) -> None:
        """Cut, or make longer by a hole."""
        if size < self.size:
            self.punch(size, self.size)
            keep = (size + _MASK) >> _SHIFT
            # Pages behind the end, which fallocate may have put there.
            self._drop([index for index in self._pages if index >= keep])
        self.size = size

    def allocate(self, offset: int, size: int) -> None:
        """Put pages where there are none."""
        first, last = offset >> _SHIFT, (offset + size - 1) >> _SHIFT
        self._unwritten.update(self._provide(first, last))

    def punch(self, start: int, end: int) -> None:
        """Make ``[start, end)`` read as zero, without the pages that lie in it as a whole."""
        first, last = (start + _MASK) >> _SHIFT, end >> _SHIFT
        if end >= self.size:
            last = max(last, (end + _MASK) >> _SHIFT)
        if last - first > len(self._pages):
            self._drop([index for index in self._pages if first <= index < last])
        else:
            self._drop([index for index in range(first, last) if index in self._pages])
        for low, high in ((start, min(end, first << _SHIFT)), (max(start, last << _SHIFT), end)):
            page = self._pages.get(low >> _SHIFT)
            if low < high and page is not None:
                page[low & _MASK : (low & _MASK) + high - low] = bytes(high - low)

    def next_data(self, offset: int) -> int | None:
        """The first byte at or behind ``offset`` that lies in a page."""
        index = offset >> _SHIFT
        if index not in self._pages or index in self._unwritten:
            if self._order is None:
                self._order = sorted(self._pages.keys() - self._unwritten)
            at = bisect_left(self._order, index)
            if at == len(self._order) or self._order[at] << _SHIFT >= self.size:
                return None
            index = self._order[at]
        return max(offset, index << _SHIFT)

    def next_hole(self, offset: int) -> int:
        """The first byte at or behind ``offset`` that lies in no page; the end is a hole."""
        index = offset >> _SHIFT
        pages, unwritten = self._pages, self._unwritten
        while index in pages and index not in unwritten and index << _SHIFT < self.size:
            index += 1
        return min(max(offset, index << _SHIFT), self.size)

    def _written(self, first: int, last: int) -> None:
        self._unwritten.difference_update(range(first, last + 1))
        self._order = None

    def _provide(self, first: int, last: int) -> list[int]:
        """Put pages where there are none; which ones."""
        count = last - first + 1
        # Not a list of the missing ones before it is clear that there is room for that many.
        missing = count - len(self._pages)
        if missing > 0 and self._storage.allowed is not None:
            self._storage.charge(missing << _SHIFT)
            self._storage.release(missing << _SHIFT)
        absent = [index for index in range(first, last + 1) if index not in self._pages]
        if absent:
            self._storage.charge(len(absent) << _SHIFT)
            self._order = None
            for index in absent:
                self._pages[index] = bytearray(PAGE)
        return absent

    def _drop(self, indexes: list[int]) -> None:
        if indexes:
            self._storage.release(len(indexes) << _SHIFT)
            self._order = None
            self._unwritten.difference_update(indexes)
            for index in indexes:
                del self._pages[index]
