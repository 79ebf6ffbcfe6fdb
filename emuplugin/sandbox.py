"""What a machine may do and what it may use up: frozen, and safe as it comes."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import IO, Any, Final, Literal, Self, get_args

from .network import Network
from .streams import Sink, Source, sink, source

Clock = Literal["virtual", "host"]
Mode = Literal["read", "write", "overlay"]

#: 2026-01-01T00:00:00Z, where the virtual clock starts unless told otherwise.
DEFAULT_EPOCH = 1767225600.0
# What the emulated kernel itself keeps there cannot be covered.
_KERNELS_OWN: Final = ("/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a machine may use up. A limit that is used up raises LimitExceeded or a kind of it, but
    for ``open_files`` and ``threads``, which the plugin sees as Linux shows them (EMFILE, EAGAIN).
    ``None`` means no limit.

    ``memory``: bytes of guest memory that is present (code, data, stacks, heap).
    ``seconds``: host time for one call (and for opening).
    ``instructions``: of the guest, for one call (and for opening); exact and repeatable.
    ``output``: bytes written to stdout and stderr together.
    ``file_bytes``: bytes that files may grow by, in memory and in mounts together.
    ``open_files``, ``goroutines``, ``threads``: how many at once.
    """

    memory: int = 1 << 30
    seconds: float | None = 300.0
    instructions: int | None = None
    output: int | None = 64 << 20
    file_bytes: int | None = 256 << 20
    open_files: int = 1024
    goroutines: int | None = 100_000
    threads: int = 256

    def __post_init__(self) -> None:
        for name in (entry.name for entry in fields(self)):
            value = getattr(self, name)
            if value is None:
                if name in _ALWAYS:
                    raise ValueError(
                        f"Limits({name}=None): must be a number, there is no machine without it"
                    )
                continue
            wanted = int | float if name == "seconds" else int
            if not isinstance(value, wanted) or isinstance(value, bool):
                what = "a number" if name == "seconds" else "a whole number"
                raise ValueError(
                    f"Limits({name}={value!r}): must be {what}{_EXAMPLES.get(name, '')}"
                )
            if not value > 0:
                raise ValueError(f"Limits({name}={value!r}): must be greater than 0")


# The guest's kernel reports these: there is no Linux without them.
_ALWAYS: Final = ("memory", "open_files", "threads")
_EXAMPLES: Final = {
    "memory": " of bytes, such as 256 << 20",
    "output": " of bytes, such as 1 << 20",
    "file_bytes": " of bytes, such as 16 << 20",
    "seconds": ", such as 5 or 0.5",
}


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the host that the plugin finds in its own file tree.

    ``path``: the folder; a relative one counts from the working folder of the moment.
    ``mode``: ``"read"``; ``"write"``, which changes the host's files; or ``"overlay"``: the plugin
    may write, and what it changes stays in the machine's memory.
    """

    path: str
    mode: Mode = "read"

    def __init__(self, path: str | os.PathLike[str], mode: Mode = "read") -> None:
        if not os.fspath(path):
            raise ValueError("Mount(''): must name a folder")
        if mode not in get_args(Mode):
            raise ValueError(f"Mount(mode={mode!r}): must be 'read', 'write' or 'overlay'")
        absolute = os.path.abspath(os.fspath(path))
        if not os.path.isdir(absolute):
            what = "is not a folder" if os.path.exists(absolute) else "does not exist"
            raise ValueError(f"Mount({os.fspath(path)!r}): {absolute} {what}")
        object.__setattr__(self, "path", absolute)
        object.__setattr__(self, "mode", mode)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a plugin finds in its machine: nothing of the host's but what is given here.

    ``args`` and ``env`` are ``os.Args`` and the environment. ``stdin``, ``stdout``, ``stderr`` are
    file objects, binary or text; by default standard input is empty and output goes to whatever
    ``sys.stdout`` and ``sys.stderr`` are at the time. ``mounts`` puts folders of the host at paths
    of the guest, ``files`` puts contents there (text is UTF-8). ``network`` is what may be
    reached. ``clock`` is ``"virtual"``, starting at ``epoch`` (seconds since 1970), or
    ``"host"``. ``seed`` feeds all randomness; ``None`` takes the host's. ``cpus`` is
    ``runtime.NumCPU()``. With ``accelerators`` the host runs some loops of the standard library,
    like that of SHA-256; nothing but the time it takes tells.
    """

    args: tuple[str, ...] = ("plugin",)
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: IO[Any] | None = None
    stdout: IO[Any] | None = None
    stderr: IO[Any] | None = None
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    clock: Clock = "virtual"
    epoch: float = DEFAULT_EPOCH
    seed: int | None = 0
    cpus: int = 1
    accelerators: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if isinstance(self.args, str):
            raise ValueError(f"Sandbox(args={self.args!r}): must be a list of strings")
        # Copies: who made the sandbox may change what it was made from.
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "env", dict(self.env))
        object.__setattr__(self, "mounts", _by_guest_path("mounts", self.mounts, Mount))
        object.__setattr__(self, "files", _by_guest_path("files", self.files, bytes | str))
        for kind, name in ((Network, "network"), (Limits, "limits")):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"Sandbox({name}=...): must be a {kind.__name__}(...)")
        if self.clock not in get_args(Clock):
            raise ValueError(f"Sandbox(clock={self.clock!r}): must be 'virtual' or 'host'")
        if not 1 <= self.cpus <= 64:
            raise ValueError(f"Sandbox(cpus={self.cpus!r}): must be between 1 and 64")
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name or "\0" in value:
                raise ValueError(f"Sandbox(env=...): {name!r} cannot be an environment variable")
        for path in self.files:
            for mounted in self.mounts:
                if path == mounted or path.startswith(mounted.rstrip("/") + "/"):
                    raise ValueError(
                        f"Sandbox(files=...): {path} lies in the mount {mounted}; "
                        f"put the file into {self.mounts[mounted].path}, or elsewhere"
                    )

    @classmethod
    def strict(cls, **changes: Any) -> Self:
        """For plugins that nobody knows, in numbers: 128 MiB of memory, 5 seconds and two thousand
        million instructions for a call, 1 MiB of output, 16 MiB of files, 64 open files, 1000
        goroutines, 32 threads. Nothing of the host; virtual clock, fixed seed."""
        return cls._preset("strict", changes)

    @classmethod
    def default(cls, **changes: Any) -> Self:
        """What ``Sandbox()`` is. Nothing of the host; virtual clock, fixed seed; limits that honest
        plugins hardly meet and endless ones do."""
        return cls._preset("default", changes)

    @classmethod
    def trusted(cls, **changes: Any) -> Self:
        """For plugins that mean well and have much to do: the host's clock and chance, 4 GiB of
        memory, 65,536 open files, 4096 threads, no other limits. Files, variables and connections
        of the host are still granted one by one: ``network=Network(connect=["*:*"])``."""
        return cls._preset("trusted", changes)

    @classmethod
    def _preset(cls, name: str, changes: Mapping[str, Any]) -> Self:
        from .presets import PRESETS

        return cls(**{**PRESETS[name], **changes})

    @classmethod
    def load(cls, path: str | os.PathLike[str], **changes: Any) -> Self:
        """The sandbox that a TOML or JSON file describes (by its ending, ``.toml`` or ``.json``).
        Relative paths in it count from its folder. ``changes`` win over the file.

        Raises ConfigurationError, which names the place, for anything that is not understood.
        """
        from .sandbox_file import load

        return cls(**{**load(path), **changes})

    @classmethod
    def from_toml(cls, text: str, *, folder: str | os.PathLike[str] = ".", **changes: Any) -> Self:
        """As :meth:`load`, from TOML text. Relative paths count from ``folder``."""
        from .sandbox_file import from_toml

        return cls(**{**from_toml(text, folder), **changes})

    @classmethod
    def from_json(cls, text: str, *, folder: str | os.PathLike[str] = ".", **changes: Any) -> Self:
        """As :meth:`load`, from JSON text. Relative paths count from ``folder``."""
        from .sandbox_file import from_json

        return cls(**{**from_json(text, folder), **changes})

    @property
    def repeats(self) -> bool:
        """Whether a machine that begins anew is the same again: clock and chance are its own."""
        return self.clock == "virtual" and self.seed is not None

    def streams(self) -> tuple[Source, Sink, Sink]:
        """Standard input, output and error as functions over bytes."""
        return (
            source(self.stdin),
            sink(lambda: self.stdout or sys.stdout),
            sink(lambda: self.stderr or sys.stderr),
        )


def _by_guest_path(argument: str, given: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """A copy with paths brought to one form. ValueError where they or the values cannot be."""
    result: dict[str, Any] = {}
    for path, value in given.items():
        where = f"Sandbox({argument}=...): {path!r}"
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            raise ValueError(f"{where} must be an absolute path of the guest, such as '/data'")
        if ".." in path.split("/"):
            raise ValueError(f"{where} must not have '..' in it")
        normal = posixpath.normpath("/" + path.lstrip("/"))
        if any(normal == own or normal.startswith(own + "/") for own in _KERNELS_OWN):
            raise ValueError(f"{where} belongs to the emulated kernel; choose another place")
        if argument == "files" and (normal == "/" or path.endswith("/")):
            raise ValueError(f"{where} is a folder; name a file")
        if normal in result:
            raise ValueError(f"{where} is there twice")
        if not isinstance(value, kind):
            wanted = "Mount(...)" if kind is Mount else "bytes or str"
            raise ValueError(f"{where} must have a value of {wanted}, not {value!r}")
        result[normal] = value
    return result
