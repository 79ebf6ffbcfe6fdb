"""Errors of the host's calls as Linux numbers: the numbers of other systems differ."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from .. import linux
from ..table import Errno

_LINUX = {
    errno.EPERM: linux.EPERM,
    errno.ENOENT: linux.ENOENT,
    errno.EIO: linux.EIO,
    errno.EACCES: linux.EACCES,
    errno.EBUSY: linux.EBUSY,
    errno.EEXIST: linux.EEXIST,
    errno.EXDEV: linux.EXDEV,
    errno.ENOTDIR: linux.ENOTDIR,
    errno.EISDIR: linux.EISDIR,
    errno.EINVAL: linux.EINVAL,
    errno.ENFILE: linux.ENFILE,
    errno.EMFILE: linux.ENFILE,  # it is the host's table that is full, not the guest's
    errno.EFBIG: linux.EFBIG,
    errno.ENOSPC: linux.ENOSPC,
    errno.EROFS: linux.EROFS,
    errno.EMLINK: linux.EMLINK,
    errno.ENAMETOOLONG: linux.ENAMETOOLONG,
    errno.ENOTEMPTY: linux.ENOTEMPTY,
    errno.ELOOP: linux.ENOENT,  # somebody put a link where there was none: it is not there now
    errno.ENXIO: linux.ENXIO,
    errno.EOPNOTSUPP: linux.EOPNOTSUPP,
    errno.ENOMEM: linux.ENOMEM,
}
if hasattr(errno, "EDQUOT"):
    _LINUX[errno.EDQUOT] = linux.EDQUOT
if hasattr(errno, "EFTYPE"):  # BSD, for O_NOFOLLOW
    _LINUX[errno.EFTYPE] = linux.ENOENT


@contextmanager
def host_errors() -> Iterator[None]:
    """An OSError of the host becomes the guest's; what has no counterpart is EIO."""
    try:
        yield
    except OSError as error:
        raise Errno(_LINUX.get(error.errno or 0, linux.EIO)) from None
    except ValueError:
        # A name that the host cannot have: a NUL in it, or not in its encoding.
        raise Errno(linux.EINVAL) from None
