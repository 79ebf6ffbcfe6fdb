"""Which functions of the standard library give a program what: the table of capabilities.

A row names a capability, what it means, and the functions that grant it: ``os.Open`` that one,
``net.Dial*`` all that begin so. They are the doors of the public packages and, below them, those
of package syscall; what lies between is followed.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Sink(NamedTuple):
    """A capability and the functions that grant it, between spaces. ``direct`` ones count only
    where code outside the standard library reaches them in one step: the library itself uses them
    for purposes of its own all the time."""

    name: str
    summary: str
    functions: str
    direct: bool = False


SINKS: Final = (
    Sink(
        "files",
        "opens, reads, writes, lists or removes files",
        "os.Open os.OpenFile os.OpenInRoot os.OpenRoot os.Create* os.ReadFile os.WriteFile "
        "os.ReadDir os.Remove* os.Rename os.Mkdir* os.Symlink os.Link os.Readlink os.Stat "
        "os.Lstat os.Chmod os.Chown os.Lchown os.Chtimes os.Truncate os.Chdir os.DirFS "
        "os.CopyFS os.(*Root).* os.dirFS.* io/ioutil.ReadFile io/ioutil.WriteFile "
        "io/ioutil.ReadDir io/ioutil.Temp* path/filepath.Walk* path/filepath.Glob "
        "syscall.Open syscall.openat syscall.Openat syscall.Unlink* syscall.unlinkat "
        "syscall.Rename* syscall.Mkdir* syscall.Rmdir syscall.Symlink* syscall.Link* "
        "syscall.Chmod syscall.Fchmodat syscall.Chown syscall.Truncate syscall.Mknod* "
        "syscall.Mount syscall.Chroot syscall.Creat",
    ),
    Sink(
        "network",
        "connects, listens, or looks names up",
        "net.Dial* net.Listen* net.Lookup* net.(*Dialer).Dial* net.(*ListenConfig).Listen* "
        "net.(*Resolver).Lookup* net.Resolve* net.FileConn net.FileListener "
        "net/http.Get net/http.Post* net/http.Head net/http.ListenAndServe* net/http.Serve* "
        "net/http.(*Client).* net/http.(*Server).ListenAndServe* net/http.(*Server).Serve* "
        "net/http.(*Transport).RoundTrip net/smtp.SendMail net/smtp.Dial net/rpc.Dial* "
        "crypto/tls.Dial* crypto/tls.Listen syscall.Socket* syscall.socket syscall.Connect "
        "syscall.connect syscall.Bind syscall.bind net.socket",
    ),
    Sink(
        "exec",
        "starts or replaces processes",
        "os/exec.Command* os/exec.(*Cmd).* os.StartProcess syscall.Exec syscall.ForkExec "
        "syscall.StartProcess syscall.forkExec syscall.Ptrace*",
    ),
    Sink(
        "signals",
        "catches signals or sends them to processes",
        "os/signal.Notify* os/signal.Ignore os/signal.Reset os/signal.Stop "
        "os.(*Process).Signal os.(*Process).Kill syscall.Kill syscall.Tgkill",
    ),
    Sink(
        "environment",
        "reads or changes environment variables, users or the host's name",
        "os.Getenv os.LookupEnv os.Environ os.Setenv os.Unsetenv os.Clearenv os.ExpandEnv "
        "os.Hostname os.UserHomeDir os.UserConfigDir os.UserCacheDir os.Getwd os.Executable "
        "syscall.Setenv syscall.Unsetenv syscall.Clearenv syscall.Environ "
        "os/user.Current os/user.Lookup*",
    ),
    Sink(
        "system calls",
        "makes system calls of its own",
        "syscall.Syscall* syscall.RawSyscall* syscall.AllThreadsSyscall* "
        "syscall.rawSyscallNoError internal/runtime/syscall.* "
        "golang.org/x/sys/unix.Syscall* golang.org/x/sys/unix.RawSyscall* "
        "golang.org/x/sys/unix.Mmap golang.org/x/sys/unix.Ioctl* syscall.Mmap "
        "syscall.Mprotect",
        direct=True,
    ),
    Sink(
        "reflection",
        "inspects or changes values, or calls functions, by reflection of its own",
        "reflect.*",
        direct=True,
    ),
    Sink(
        "plugins",
        "loads other plugins",
        "plugin.Open plugin.open plugin.(*Plugin).Lookup",
    ),
    Sink(
        "runtime control",
        "changes how the Go runtime works, profiles it or dumps memory",
        "runtime/debug.Set* runtime/debug.FreeOSMemory runtime/debug.WriteHeapDump "
        "runtime.GC runtime.GOMAXPROCS runtime.LockOSThread runtime.SetFinalizer "
        "runtime.AddCleanup* runtime.Breakpoint runtime/pprof.Start* runtime/trace.Start",
        direct=True,
    ),
    Sink("goroutines", "starts goroutines", "runtime.newproc", direct=True),
    Sink("exit", "can end the whole process", "os.Exit syscall.Exit"),
)

NOT_FOLLOWED: Final = (
    "runtime.* internal/runtime/* runtime/internal/* internal/reflectlite.* time.initLocal "
    "time.loadLocation* time.open internal/godebug.* internal/sysinfo.* internal/poll.* os.init* "
    "crypto/internal/*"
)
"""What every program may run into without meaning to: the runtime's own files and threads, the time
zone's file, debug settings, and reads and writes of files that are open already."""


class Patterns:
    """A set of names, of which those that end in ``*`` stand for all that begin so."""

    def __init__(self, patterns: str) -> None:
        names = patterns.split()
        self._exact = frozenset(name for name in names if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in names if name.endswith("*"))

    def __contains__(self, name: str) -> bool:
        return name in self._exact or (bool(self._prefixes) and name.startswith(self._prefixes))
