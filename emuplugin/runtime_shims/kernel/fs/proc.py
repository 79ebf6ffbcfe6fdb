"""/proc: files whose content is made when they are read (man 5 proc)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import linux
from ..open_file import OpenFile
from ..state import BYTES, optional, state
from ..table import Errno
from . import proc_text
from .node import Directory, Listed, MagicLink, Node, Stat, Symlink
from .regular import NodeFile, UnwritableFile
from .storage import Filesystem
from .walk import User

if TYPE_CHECKING:
    from ..kernel import Kernel
    from .opening import Opening

USER = User()
Text = Callable[["Kernel"], bytes]


class TextNode(Node):
    """A file that is made by a function when it is opened. Its size is 0, as in Linux."""

    kind = linux.S_IFREG

    def __init__(
        self, filesystem: Filesystem, kernel: Kernel, text: Text, permissions: int = 0o444
    ) -> None:
        super().__init__(filesystem, permissions, USER.uid, USER.gid)
        self.kernel, self.text = kernel, text

    def open(self, opening: Opening) -> OpenFile:
        return TextFile(self, opening)


@state(_text=optional(BYTES))
class TextFile(UnwritableFile):
    """One reading of such a file: the text of the moment of its first read."""

    node: TextNode

    def __init__(self, node: TextNode, opening: Opening) -> None:
        super().__init__(node, opening)
        self._text: bytes | None = None

    def read(self, kernel: Kernel, size: int) -> bytes:
        data = self.pread(size, self._at)
        self._at += len(data)
        return data

    def pread(self, size: int, offset: int) -> bytes:
        if self._text is None or not offset:
            self._text = self.node.text(self.node.kernel)
        return self._text[offset : offset + size]


class Folder(Directory):
    """A directory whose entries come from two functions; or from ``fixed`` alone."""

    def __init__(self, filesystem: Filesystem, permissions: int = 0o555) -> None:
        super().__init__(filesystem, permissions)
        self.fixed: dict[str, Node] = {}

    def lookup(self, name: str) -> Node | None:
        return self.fixed.get(name)

    def entries(self) -> list[Listed]:
        return [Listed(name, node.inode, node.kind) for name, node in self.fixed.items()]

    def put(self, path: str, node: Node) -> None:
        """Place a node, with the folders on the way to it."""
        head, _, rest = path.partition("/")
        if rest:
            folder = self.fixed.get(head)
            if not isinstance(folder, Folder):
                folder = Folder(self.filesystem)
                self.put(head, folder)
            folder.put(rest, node)
            return
        self.fixed[head] = node
        if isinstance(node, Directory):
            node.parent, node.name = self, head
            self.links += 1


class Descriptors(Folder):
    """/proc/self/fd and /proc/self/fdinfo: one entry for each open descriptor."""

    def __init__(
        self, filesystem: Filesystem, kernel: Kernel, make: Callable[[int], Node], permissions: int
    ) -> None:
        super().__init__(filesystem, permissions)
        self.uid, self.gid = USER.uid, USER.gid
        self._kernel, self._make = kernel, make

    def lookup(self, name: str) -> Node | None:
        if not name.isascii() or not name.isdigit() or len(name) > 9 or str(int(name)) != name:
            return None
        number = int(name)
        if number not in self._kernel.files.table:
            self.fixed.pop(name, None)
            return None
        if name not in self.fixed:
            self.fixed[name] = self._make(number)
        return self.fixed[name]

    def entries(self) -> list[Listed]:
        names = [str(number) for number in self._kernel.files.table]
        found = [(name, self.lookup(name)) for name in names]
        return [Listed(name, node.inode, node.kind) for name, node in found if node is not None]


class DescriptorLink(MagicLink):
    """/proc/self/fd/N."""

    def __init__(self, filesystem: Filesystem, kernel: Kernel, number: int) -> None:
        super().__init__(filesystem, "", USER.uid, USER.gid)
        self.permissions = 0o700
        self._kernel, self._number = kernel, number

    def _file(self) -> OpenFile:
        file = self._kernel.files.table.get(self._number)
        if file is None:
            raise Errno(linux.ENOENT)
        return file

    def target(self) -> str:
        return self._file().describe()

    def size(self) -> int:
        return 64

    def destination(self) -> Node:
        file = self._file()
        return file.node if isinstance(file, NodeFile) else Nameless(self._kernel, file)


class Nameless(Node):
    """A stream, a pipe or a socket, reached through /proc/self/fd. Opening a stream or a pipe
    gives the same open file; Linux opens pipes anew, with the same ends."""

    def __init__(self, kernel: Kernel, file: OpenFile) -> None:
        super().__init__(kernel.tree.anonymous, 0o600, 1000, 1000)
        self.kind = file.mode & linux.S_IFMT
        self._file = file

    def stat(self) -> Stat:
        return self._file.stat()

    def open(self, opening: Opening) -> OpenFile:
        if self.kind not in (linux.S_IFIFO, linux.S_IFCHR):
            raise Errno(linux.ENXIO)
        return self._file


class Jump(MagicLink):
    """/proc/self/cwd and /proc/self/root."""

    def __init__(self, filesystem: Filesystem, directory: Callable[[], Directory]) -> None:
        super().__init__(filesystem, "")
        self._directory = directory

    def target(self) -> str:
        return self._directory().path()

    def destination(self) -> Node:
        return self._directory()


class ExecutableLink(Symlink):
    """/proc/self/exe: what ``os.Args[0]`` says."""

    def __init__(self, filesystem: Filesystem, kernel: Kernel) -> None:
        arguments = kernel.sandbox.args
        super().__init__(filesystem, arguments[0] if arguments else "")


class Tasks(Folder):
    """/proc/self/task: one folder for each thread."""

    def __init__(self, filesystem: Filesystem, kernel: Kernel) -> None:
        super().__init__(filesystem)
        self._kernel = kernel

    def lookup(self, name: str) -> Node | None:
        numbers = {str(tid): tid for tid in self._kernel.threads.all}
        if name not in numbers:
            return None
        if name not in self.fixed:
            folder, tid = Folder(self.filesystem), numbers[name]
            self.put(name, folder)
            for entry, text in (
                ("status", lambda kernel: proc_text.status(kernel, tid)),
                ("stat", lambda kernel: proc_text.stat(kernel, tid)),
                ("comm", lambda kernel: proc_text.comm(kernel, tid)),
            ):
                folder.put(entry, TextNode(self.filesystem, self._kernel, text))
        return self.fixed[name]

    def entries(self) -> list[Listed]:
        found = [(str(tid), self.lookup(str(tid))) for tid in self._kernel.threads.all]
        return [Listed(name, node.inode, node.kind) for name, node in found if node is not None]


def root(kernel: Kernel, filesystem: Filesystem) -> Folder:
    """/proc."""
    top, pid = Folder(filesystem), str(kernel.pid)
    for path, text in proc_text.FILES.items():
        top.put(path, TextNode(filesystem, kernel, text))
    process = Folder(filesystem)
    top.put(pid, process)
    for path, text in proc_text.PROCESS_FILES.items():
        permissions = 0o400 if path in ("environ", "auxv", "io") else 0o444
        process.put(path, TextNode(filesystem, kernel, text, permissions))
    process.put("exe", ExecutableLink(filesystem, kernel))
    process.put("cwd", Jump(filesystem, lambda: kernel.tree.working))
    process.put("root", Jump(filesystem, lambda: kernel.tree.root))
    process.put("task", Tasks(filesystem, kernel))

    def link(number: int) -> Node:
        return DescriptorLink(filesystem, kernel, number)

    def info(number: int) -> Node:
        return TextNode(filesystem, kernel, lambda k: proc_text.descriptor(k, number), 0o400)

    process.put("fd", Descriptors(filesystem, kernel, link, 0o500))
    process.put("fdinfo", Descriptors(filesystem, kernel, info, 0o555))
    top.put("self", Symlink(filesystem, pid))
    top.put("thread-self", Symlink(filesystem, f"{pid}/task/{pid}"))
    top.put("mounts", Symlink(filesystem, "self/mounts"))
    return top
