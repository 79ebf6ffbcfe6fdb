"""Files that are whole or not there: what is written under another name first."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write to, which gets its name ``path`` when the block ends.

    Where the block raises, what was at ``path`` stays as it was. Pipes and devices, such as
    /dev/stdout, are written to as they are.
    """
    target = Path(path)
    if _is_special(target):
        with target.open("wb") as stream:
            yield stream
        return
    # Beside the target, which may be the only folder on its file system. A link stays a link.
    target = target.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    # Not with tempfile, whose files are for their owner alone.
    with temporary.open("xb") as stream:
        try:
            yield stream
            stream.close()
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            stream.close()
            temporary.unlink(missing_ok=True)
            raise


def _is_special(target: Path) -> bool:
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
