"""Making, removing and moving names (man 2 mkdir, unlink, rmdir, rename, link, symlink, mknod)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import linux
from ..table import Errno
from .node import Directory, Node, Symlink
from .walk import EXECUTE, READ, WRITE, Place, User, too_long

if TYPE_CHECKING:
    from .tree import Tree

# linux/inotify.h
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = (
    0x40, 0x80, 0x100, 0x200, 0x400, 0x800,
)  # fmt: skip


def _last(tree: Tree, start: Directory, path: str) -> Place:
    """Where a path leads whose last component is meant itself: a slash at the end does not follow a
    link there."""
    stripped = path.rstrip("/")
    place = tree.walk(start, stripped or path, follow=False, last=False)
    return place._replace(slash=len(stripped) != len(path))


def _check_length(place: Place) -> None:
    if too_long(place.name):
        raise Errno(linux.ENAMETOOLONG)


def _new(tree: Tree, start: Directory, path: str, *, directory: bool = False) -> Place:
    """Where something new goes. The errors come in Linux's order (fs/namei.c: filename_create)."""
    place = _last(tree, start, path)
    _check_length(place)
    if place.dot or place.node is not None or place.directory is None:
        raise Errno(linux.EEXIST)
    if place.slash and not directory:
        raise Errno(linux.ENOENT)
    if place.directory.filesystem.read_only:
        raise Errno(linux.EROFS)
    return place


def _may_create(place: Place, user: User) -> Directory:
    assert place.directory is not None
    if not place.directory.links:
        raise Errno(linux.ENOENT)
    user.check(place.directory, WRITE | EXECUTE)
    return place.directory


def _may_delete(place: Place, user: User) -> None:
    """fs/namei.c: may_delete, but for the kind of what is deleted."""
    directory, node = place.directory, place.found
    assert directory is not None
    user.check(directory, WRITE | EXECUTE)
    if directory.permissions & linux.S_ISVTX and not user.owns(node) and not user.owns(directory):
        raise Errno(linux.EPERM)


def _created(tree: Tree, place: Place, directory: bool = False) -> None:
    tree.report(place.path(), "create")
    assert place.directory is not None
    if place.directory.watches is not None:
        place.directory.watches.happened(_CREATE, directory, place.name)


def mkdir(tree: Tree, start: Directory, path: str, permissions: int) -> None:
    place, user = _new(tree, start, path, directory=True), tree.user
    directory = _may_create(place, user)
    directory.make_directory(place.name, permissions & 0o1777, user.uid, user.gid)
    _created(tree, place, directory=True)


def symlink(tree: Tree, target: str, start: Directory, path: str) -> None:
    if not target:
        raise Errno(linux.ENOENT)
    place, user = _new(tree, start, path), tree.user
    _may_create(place, user).make_symlink(place.name, target, user.uid, user.gid)
    _created(tree, place)


def make_special(tree: Tree, start: Directory, path: str, mode: int) -> Node:
    """A fifo or a socket (``mode`` with its type)."""
    place, user = _new(tree, start, path), tree.user
    node = _may_create(place, user).make_special(place.name, mode, user.uid, user.gid)
    _created(tree, place)
    return node


def make_file(tree: Tree, start: Directory, path: str, permissions: int) -> None:
    """An empty regular file that must not be there yet (mknod)."""
    place, user = _new(tree, start, path), tree.user
    _may_create(place, user).create(place.name, permissions & 0o7777, user.uid, user.gid)
    _created(tree, place)


def link(tree: Tree, node: Node, start: Directory, path: str) -> None:
    """Another name for ``node``."""
    place, user = _new(tree, start, path), tree.user
    assert place.directory is not None
    if node.filesystem is not place.directory.filesystem:
        raise Errno(linux.EXDEV)
    # fs.protected_hardlinks, as every distribution has it.
    if not user.owns(node) and not (
        node.kind == linux.S_IFREG
        and not node.permissions & linux.S_ISUID
        and user.may(node, READ | WRITE)
    ):
        raise Errno(linux.EPERM)
    directory = _may_create(place, user)
    if isinstance(node, Directory):
        raise Errno(linux.EPERM)
    if node.links <= 0:
        raise Errno(linux.ENOENT)
    directory.link(place.name, node)
    _created(tree, place)


def unlink(tree: Tree, start: Directory, path: str) -> None:
    place = _last(tree, start, path)
    if place.dot:
        raise Errno(linux.EISDIR)
    directory, node = _removable(place)
    if place.slash:
        raise Errno(linux.EISDIR if isinstance(node, Directory) else linux.ENOTDIR)
    _may_delete(place, tree.user)
    if isinstance(node, Directory):
        raise Errno(linux.EISDIR)
    where = place.path()
    directory.remove(place.name, node)
    _removed(tree, directory, place.name, node, where)


def rmdir(tree: Tree, start: Directory, path: str) -> None:
    place = _last(tree, start, path)
    if place.dot:
        codes = {".": linux.EINVAL, "..": linux.ENOTEMPTY, "/": linux.EBUSY}
        raise Errno(codes[place.dot])
    directory, node = _removable(place)
    _may_delete(place, tree.user)
    if not isinstance(node, Directory):
        raise Errno(linux.ENOTDIR)
    if place.name in directory.mounts:
        raise Errno(linux.EBUSY)
    if not node.is_empty():
        raise Errno(linux.ENOTEMPTY)
    where = place.path()
    directory.remove(place.name, node)
    _removed(tree, directory, place.name, node, where)


def _removable(place: Place) -> tuple[Directory, Node]:
    directory = place.directory
    if directory is None:
        # Behind a link of /proc that leads to an open file.
        raise Errno(linux.EBUSY)
    if directory.filesystem.read_only:
        raise Errno(linux.EROFS)
    _check_length(place)
    return directory, place.found


def _removed(tree: Tree, directory: Directory, name: str, node: Node, where: str) -> None:
    tree.report(where, "remove")
    if directory.watches is not None:
        directory.watches.happened(_DELETE, isinstance(node, Directory), name)
    if node.watches is not None and node.links <= 0:
        node.watches.happened(_DELETE_SELF, False)
        node.watches.gone()


def rename(
    tree: Tree, start: Directory, path: str, new_start: Directory, new_path: str, flags: int = 0
) -> None:
    """The errors come in Linux's order (fs/namei.c: do_renameat2, vfs_rename)."""
    exchange = bool(flags & linux.RENAME_EXCHANGE)
    no_replace = bool(flags & linux.RENAME_NOREPLACE)
    source, target = _last(tree, start, path), _last(tree, new_start, new_path)
    old_parent, new_parent = source.directory, target.directory
    # Where there is no parent the path ends in a dot, which has a node.
    if (old_parent or source.found).filesystem is not (new_parent or target.found).filesystem:
        raise Errno(linux.EXDEV)
    if source.dot or old_parent is None:
        raise Errno(linux.EBUSY)
    if target.dot or new_parent is None:
        raise Errno(linux.EEXIST if no_replace else linux.EBUSY)
    if old_parent.filesystem.read_only:
        raise Errno(linux.EROFS)
    _check_length(source)
    node, replaced = source.found, target.node
    _check_length(target)
    if no_replace and replaced is not None:
        raise Errno(linux.EEXIST)
    if exchange and replaced is None:
        raise Errno(linux.ENOENT)
    if exchange and target.slash and not isinstance(replaced, Directory):
        raise Errno(linux.ENOTDIR)
    if not isinstance(node, Directory) and (source.slash or (not exchange and target.slash)):
        raise Errno(linux.ENOTDIR)
    if any(node is above for above in new_parent.ancestors()):
        raise Errno(linux.EINVAL)
    if replaced is not None and any(replaced is above for above in old_parent.ancestors()):
        raise Errno(linux.EINVAL if exchange else linux.ENOTEMPTY)
    if node is replaced:
        return
    _check_rename(tree.user, source, target, exchange)
    if source.name in old_parent.mounts or target.name in new_parent.mounts:
        raise Errno(linux.EBUSY)
    if not exchange and isinstance(replaced, Directory) and not replaced.is_empty():
        raise Errno(linux.ENOTEMPTY)
    paths = source.path(), target.path()
    if exchange:
        assert replaced is not None
        old_parent.exchange(source.name, node, new_parent, target.name, replaced)
    else:
        old_parent.rename(source.name, node, new_parent, target.name, replaced)
    tree.report(paths[0], "remove")
    tree.report(paths[1], "create")
    _moved(tree, source, target, node, replaced)


def _check_rename(user: User, source: Place, target: Place, exchange: bool) -> None:
    node, replaced = source.found, target.node
    _may_delete(source, user)
    if replaced is None:
        _may_create(target, user)
    else:
        _may_delete(target, user)
        if not exchange and isinstance(node, Directory) is not isinstance(replaced, Directory):
            directory = isinstance(node, Directory)
            raise Errno(linux.ENOTDIR if directory else linux.EISDIR)
    if source.directory is not target.directory:
        # Its ".." changes.
        if isinstance(node, Directory):
            user.check(node, WRITE)
        if exchange and isinstance(replaced, Directory):
            user.check(replaced, WRITE)


def _moved(tree: Tree, source: Place, target: Place, node: Node, replaced: Node | None) -> None:
    is_directory = isinstance(node, Directory)
    cookie = 0
    assert source.directory is not None
    assert target.directory is not None
    if source.directory.watches is not None or target.directory.watches is not None:
        cookie = tree.next_cookie()
    if source.directory.watches is not None:
        source.directory.watches.happened(_MOVED_FROM, is_directory, source.name, cookie)
    if target.directory.watches is not None:
        target.directory.watches.happened(_MOVED_TO, is_directory, target.name, cookie)
    if node.watches is not None:
        node.watches.happened(_MOVE_SELF, False)
    if replaced is not None and replaced.watches is not None and replaced.links <= 0:
        replaced.watches.happened(_DELETE_SELF, False)
        replaced.watches.gone()


def read_link(place: Place) -> str:
    """The text of the link at a place that was walked to without following it."""
    node = place.found
    if not isinstance(node, Symlink):
        raise Errno(linux.EINVAL)
    return node.target()
