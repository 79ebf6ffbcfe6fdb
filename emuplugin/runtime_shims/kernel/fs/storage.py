"""What files use up of ``Limits.file_bytes``, and what all inodes of one file system share."""

from __future__ import annotations

from collections.abc import Callable

from emuplugin.errors import FileSizeLimitExceeded

from ..state import SAME, WHOLE, state

#: What an inode or a name counts for besides its content: a guest that makes a million empty
#: files must not fill the host's memory.
INODE_BYTES = 512


@state(used=WHOLE, allowed=SAME)
class Storage:
    """Bytes that files have grown by, in memory and in mounts together."""

    def __init__(self, allowed: int | None) -> None:
        self.allowed = allowed
        self.used = 0

    def charge(self, size: int) -> None:
        """Take ``size`` bytes. Raises FileSizeLimitExceeded, and takes nothing then."""
        used = self.used + size
        if self.allowed is not None and used > self.allowed:
            raise FileSizeLimitExceeded(
                f"the plugin's files need more than their limit of {self.allowed} bytes; "
                "grant more with Limits(file_bytes=...)",
                limit="file_bytes",
                allowed=self.allowed,
                used=used,
            )
        self.used = used

    def release(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self.used -= size

    @property
    def free(self) -> int:
        """Bytes that are left, as statfs tells it."""
        return (1 << 40 if self.allowed is None else self.allowed) - self.used


@state(
    _last_inode=WHOLE,
    device=SAME, kind=SAME, magic=SAME, storage=SAME, now=SAME, read_only=SAME,
)  # fmt: skip
class Filesystem:
    """One mounted file system: ``device`` is its st_dev, ``kind`` its name in /proc/mounts and
    ``magic`` its f_type (man 2 statfs)."""

    def __init__(
        self,
        device: int,
        kind: str,
        magic: int,
        storage: Storage,
        now: Callable[[], int],
        *,
        read_only: bool = False,
    ) -> None:
        self.device, self.kind, self.magic = device, kind, magic
        self.storage, self.now, self.read_only = storage, now, read_only
        self._last_inode = 0

    def next_inode(self) -> int:
        """Inode numbers are given in the order in which inodes come up."""
        self._last_inode += 1
        return self._last_inode

    def close(self) -> None:
        """Close what is open on the host for it."""
