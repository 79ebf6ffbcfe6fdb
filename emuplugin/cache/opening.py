"""Finding a machine in the cache, and putting it there."""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from emuplugin.cpu.engine_probe import assume, internals, is_known
from emuplugin.cpu.page_store import PageStore
from emuplugin.elf.deferred import DeferredFile
from emuplugin.elf.digest import new_digest
from emuplugin.elf.file import ElfFile
from emuplugin.errors import CorruptDataError, EmulationError, OpenError
from emuplugin.runtime_shims.process import Process
from emuplugin.runtime_shims.program import Module, Program
from emuplugin.sandbox import Sandbox
from emuplugin.snapshots.saved import NotSavedError, finish, load, load_build_info, save

from .entry import BadEntryError, Known, Pages, check_pages, copies, read, write
from .folder import CacheFolder, Link, Stamp
from .key import OURS, key_of, link_of
from .writer import writer

#: ``off`` switches the cache off; a path says where it is.
SWITCH = "EMUPLUGIN_CACHE"
# What a description raises that is whole, and not what we have written.
_SENSELESS = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError,
    struct.error, CorruptDataError, EmulationError, OpenError,
)  # fmt: skip
_OFF = frozenset(("off", "0", "no", "false"))


class Kept(NamedTuple):
    """What was found: of it programs are made."""

    description: dict[str, Any]
    store: PageStore
    file: ElfFile
    discard: Callable[[], None]

    def program(self, process: Process) -> Program | None:
        """A program in that state, in an empty process; None if none can be made of it, and the
        process is closed then. Raises nothing."""
        try:
            return load(self.description, process, self.file, self.store)
        except _SENSELESS:
            self.discard()
        except OSError:
            pass  # the host has no room for it
        return None


def folder() -> CacheFolder | None:
    """The cache; None where it is switched off."""
    wanted = os.environ.get(SWITCH, "")
    if wanted.lower() in _OFF:
        return None
    return _folder(wanted)


@cache
def _folder(wanted: str) -> CacheFolder:
    if wanted:
        return CacheFolder(Path(wanted).absolute())
    return CacheFolder(platformdirs.user_cache_path("emuplugin") / "opened")


def find(path: str, sandbox: Sandbox) -> Kept | None:
    """The kept machine for the file at a real path. Anything that is not as it should be is as if
    it were not there, and is removed; nothing is raised."""
    where = folder()
    if where is None or not sandbox.repeats:
        return None
    # Whether the inits look at files is the same each time, so there is one of the two at most.
    for files in (False, True):
        name = link_of(path, sandbox, files=files)
        writer.wait(name)
        if not where.is_ours():
            return None
        link = where.find(name)
        if link is None:
            continue
        try:
            if link.entry == key_of(path, link.contents, sandbox, files=files):
                return _find(where, name, link, path)
        except BadEntryError:
            where.discard(link.entry)
        except OSError:
            pass  # somebody has removed something
        if not sandbox.files:
            break  # both are one
    return None


def recall_engine() -> None:
    """Spare this process the look into the engine, where another one had it. To be called before
    the first machine is made; nothing is raised."""
    where = None if is_known() else folder()
    if where is not None and where.is_ours():
        known = where.engine(OURS)
        if known is not None:
            with suppress(TypeError, ValueError):
                assume(known)


def _find(where: CacheFolder, name: str, link: Link, path: str) -> Kept | None:
    file = DeferredFile(path, link.contents)
    if not stat.S_ISREG(file.status.st_mode):
        return None
    stamp = Stamp.of(file.status)
    looked, known = time.time_ns(), link
    if stamp != link.file or not stamp.proves(link.file_looked):
        file.check()  # reads it
        if file.digest != link.contents:
            return None
        known = known._replace(file=stamp, file_looked=looked)
    description, store = read(where.open(link.entry))
    if description.get("entry") != link.entry:
        raise BadEntryError("it is another machine's")
    assert store.fd is not None
    stamp = Stamp.of(os.fstat(store.fd))
    if stamp != link.pages or not stamp.proves(link.pages_looked):
        check_pages(description, store)
        known = known._replace(pages=stamp, pages_looked=looked)
    with suppress(OSError):
        if known != link:
            where.link(name, known)
        else:
            where.used(name)
    try:
        file.set_build_info(load_build_info(description["description"]))
        return Kept(description["description"], store, file, partial(where.discard, link.entry))
    except _SENSELESS as error:
        raise BadEntryError("its description is no description") from error


def keep(program: Program, path: str, sandbox: Sandbox) -> Callable[[], str]:
    """Keep a machine whose first plugin was just opened: as it is now, though it is written while
    the plugin is in use already. What waits for that, and returns why it was not kept; empty if it
    was."""
    where = folder()
    if where is None:
        return lambda: "the cache is switched off"
    try:
        description = save(program)
    except NotSavedError as error:
        reason = str(error)
        return lambda: reason
    (module,) = program.modules
    name = link_of(path, sandbox, files=description["looked at files"])
    kept = _Keeping(
        name,
        path,
        sandbox,
        module.image.file,
        {"path": path, "go": program.build_info.go_version},
        description,
        copies(program.process.physical, _contents(module)),
    )
    return writer.write(name, partial(_write, where, kept))


def _contents(module: Module) -> Iterator[Known]:
    """What of a plugin's file was mapped where nothing is written to, unless the guest has changed
    that: see :func:`copies`."""
    image = module.image
    for segment in image.file.segments:
        if not segment.writable:
            at = module.runtime.memory.physical(image.base + segment.vaddr, 1)
            end = segment.offset + segment.filesz
            yield Known(at, image.file.so_far, segment.offset, end)


class _Keeping(NamedTuple):
    """What an entry is made of, and the link to it."""

    name: str
    path: str
    sandbox: Sandbox
    file: ElfFile
    about: dict[str, Any]
    description: dict[str, Any]
    pages: Pages


def _write(where: CacheFolder, kept: _Keeping) -> str:
    """Put it into the cache. Why that was not possible, or nothing."""
    file = kept.file
    try:
        contents = new_digest(file.data).hexdigest()
        files = kept.description["looked at files"]
        entry = key_of(kept.path, contents, kept.sandbox, files=files)
        whole = {"entry": entry, **kept.about, "description": finish(kept.description)}
        pages = where.keep(entry, lambda out: write(out, whole, kept.pages))
        stamp = Stamp.of(os.stat(kept.path))
        if file.status is None or stamp != Stamp.of(file.status):
            return "the file was changed meanwhile"
        # The entry is what we have just written, so it was looked at.
        link = Link(contents, entry, stamp, file.looked, pages, pages.settled)
        where.link(kept.name, link)
        if where.engine(OURS) is None:
            where.keep_engine(OURS, internals())
    except (OSError, OpenError) as error:
        return f"the cache cannot be written: {error}"
    return ""
