"""The texts of /proc and /sys, from the state of this machine; nothing in them is the host's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emuplugin.cpu.address_space import PAGE_SHIFT, PROT_EXEC, PROT_READ, PROT_WRITE

from .. import linux
from .node import Regular

if TYPE_CHECKING:
    from ..kernel import Kernel

Text = Callable[["Kernel"], bytes]


def _fixed(text: str) -> Text:
    return lambda kernel: text.encode()


def cpuinfo(kernel: Kernel) -> bytes:
    flags = "fpu tsc msr cx8 cmov mmx fxsr sse sse2 syscall nx lm pni ssse3 cx16 sse4_1 sse4_2"
    count = kernel.sandbox.cpus
    return "".join(
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 6\n"
        "model name\t: emuplugin virtual processor\nstepping\t: 3\ncpu MHz\t\t: 1000.000\n"
        f"cache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: {count}\ncore id\t\t: {number}\n"
        f"cpu cores\t: {count}\nfpu\t\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: {flags}\n"
        "clflush size\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n"
        for number in range(count)
    ).encode()


def meminfo(kernel: Kernel) -> bytes:
    total = kernel.space.max_pages * 4
    free = (kernel.space.max_pages - kernel.space.present_pages) * 4
    rows = {
        "MemTotal": total, "MemFree": free, "MemAvailable": free, "Buffers": 0, "Cached": 0,
        "SwapCached": 0, "Active": total - free, "Inactive": 0, "SwapTotal": 0, "SwapFree": 0,
        "Dirty": 0, "Writeback": 0, "AnonPages": total - free, "Mapped": 0, "Shmem": 0,
        "CommitLimit": total, "Committed_AS": total - free,
    }  # fmt: skip
    return "".join(f"{name + ':':<15}{size:>9} kB\n" for name, size in rows.items()).encode()


def maps(kernel: Kernel) -> bytes:
    lines = []
    for area in kernel.space:
        letters = "".join(
            letter if area.prot & bit else "-"
            for letter, bit in (("r", PROT_READ), ("w", PROT_WRITE), ("x", PROT_EXEC))
        )
        head = f"{area.start:x}-{area.end:x} {letters}p 00000000 00:00 0"
        lines.append(f"{head:<73}{area.name}".rstrip() + "\n")
    return "".join(lines).encode(errors="surrogateescape")


def _pages(kernel: Kernel) -> int:
    return sum(area.pages for area in kernel.space)


def status(kernel: Kernel, tid: int | None = None) -> bytes:
    threads, space, tree = kernel.threads, kernel.space, kernel.tree
    thread = threads.all.get(tid or kernel.pid, threads.current)
    size, present = _pages(kernel) * 4, space.present_pages * 4
    cpus = kernel.sandbox.cpus
    ignored = caught = 0
    for number, action in kernel.signals.actions.items():
        if action.handler == linux.SIG_IGN:
            ignored |= 1 << number - 1
        elif action.handler != linux.SIG_DFL:
            caught |= 1 << number - 1
    ids = "\t".join([str(tree.user.uid)] * 4), "\t".join([str(tree.user.gid)] * 4)
    rows = [
        ("Name", _name(kernel)), ("Umask", f"{kernel.identity.umask:04o}"),
        ("State", "R (running)"),
        ("Tgid", kernel.pid), ("Ngid", 0), ("Pid", tid or kernel.pid), ("PPid", 1),
        ("TracerPid", 0), ("Uid", ids[0]), ("Gid", ids[1]), ("FDSize", 64),
        ("Groups", tree.user.gid), ("VmPeak", f"{size:8} kB"), ("VmSize", f"{size:8} kB"),
        ("VmHWM", f"{space.peak_pages * 4:8} kB"), ("VmRSS", f"{present:8} kB"),
        ("Threads", len(threads.all)), ("SigQ", "0/1024"), ("SigPnd", f"{0:016x}"),
        ("ShdPnd", f"{0:016x}"), ("SigBlk", f"{thread.signal_mask:016x}"),
        ("SigIgn", f"{ignored:016x}"), ("SigCgt", f"{caught:016x}"), ("CapInh", f"{0:016x}"),
        ("CapPrm", f"{0:016x}"), ("CapEff", f"{0:016x}"), ("CapBnd", f"{0:016x}"),
        ("CapAmb", f"{0:016x}"), ("NoNewPrivs", 1), ("Seccomp", 0),
        ("Cpus_allowed", f"{(1 << cpus) - 1:x}"),
        ("Cpus_allowed_list", f"0-{cpus - 1}" if cpus > 1 else "0"),
    ]  # fmt: skip
    text = "".join(f"{name}:\t{value}\n" for name, value in rows)
    return text.encode(errors="surrogateescape")


def stat(kernel: Kernel, tid: int | None = None) -> bytes:
    size, ticks = _pages(kernel) << PAGE_SHIFT, kernel.clock.monotonic() // 10_000_000
    fields = [
        tid or kernel.pid, f"({_name(kernel)})", "R", 1, kernel.pid, kernel.pid, 0, -1, 0,
        0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, len(kernel.threads.all), 0, 0, size,
        kernel.space.present_pages, (1 << 64) - 1, *[0] * 12, 17, 0, *[0] * 13,
    ]  # fmt: skip
    return (" ".join(map(str, fields)) + "\n").encode(errors="surrogateescape")


def statm(kernel: Kernel) -> bytes:
    present = kernel.space.present_pages
    return f"{_pages(kernel)} {present} 0 0 0 {present} 0\n".encode()


def cmdline(kernel: Kernel) -> bytes:
    return b"".join(a.encode(errors="surrogateescape") + b"\0" for a in kernel.sandbox.args)


def environ(kernel: Kernel) -> bytes:
    return b"".join(
        f"{name}={value}\0".encode(errors="surrogateescape")
        for name, value in kernel.sandbox.env.items()
    )


def _name(kernel: Kernel) -> str:
    arguments = kernel.sandbox.args
    return (arguments[0].rpartition("/")[2] if arguments else "")[:15] or "plugin"


def comm(kernel: Kernel, tid: int | None = None) -> bytes:
    thread = kernel.threads.all.get(tid or kernel.pid)
    name = thread.name if thread is not None else b""
    return (name or _name(kernel).encode(errors="surrogateescape")) + b"\n"


def mounts(kernel: Kernel) -> bytes:
    return "".join(
        f"{_source(system.kind)} {_escaped(path)} {system.kind} "
        f"{'ro' if system.read_only else 'rw'},nosuid,nodev 0 0\n"
        for path, system in kernel.tree.mounted.items()
    ).encode(errors="surrogateescape")


def mountinfo(kernel: Kernel) -> bytes:
    return "".join(
        f"{20 + number} {1 if path == '/' else 20} 0:{system.device} / {_escaped(path)} "
        f"{'ro' if system.read_only else 'rw'},nosuid,nodev - {system.kind} "
        f"{_source(system.kind)} rw\n"
        for number, (path, system) in enumerate(kernel.tree.mounted.items())
    ).encode(errors="surrogateescape")


def _source(kind: str) -> str:
    """What the file system is of: never a path of the host."""
    return kind if kind in ("proc", "sysfs", "tmpfs", "devtmpfs") else "none"


def _escaped(path: str) -> str:
    for character in "\\ \t\n":
        path = path.replace(character, f"\\{ord(character):03o}")
    return path


def limits(kernel: Kernel) -> bytes:
    rows = [("Max stack size", 8 << 20, "bytes"),
            ("Max processes", kernel.sandbox.limits.threads, "processes"),
            ("Max open files", kernel.sandbox.limits.open_files, "files")]  # fmt: skip
    head = f"{'Limit':<26}{'Soft Limit':<21}{'Hard Limit':<21}{'Units':<10}\n"
    return (
        head + "".join(f"{name:<26}{size:<21}{size:<21}{unit:<10}\n" for name, size, unit in rows)
    ).encode()


def uptime(kernel: Kernel) -> bytes:
    seconds = kernel.clock.monotonic() / 1e9
    return f"{seconds:.2f} {seconds:.2f}\n".encode()


def system_stat(kernel: Kernel) -> bytes:
    ticks = kernel.clock.monotonic() // 10_000_000
    lines = [f"cpu  {ticks} 0 0 0 0 0 0 0 0 0"]
    lines += [f"cpu{n} {ticks} 0 0 0 0 0 0 0 0 0" for n in range(kernel.sandbox.cpus)]
    born = (kernel.clock.realtime() - kernel.clock.monotonic()) // 1_000_000_000
    lines += ["intr 0", "ctxt 0", f"btime {born}", "processes 1", "procs_running 1"]
    return ("\n".join(lines) + "\n").encode()


def descriptor(kernel: Kernel, number: int) -> bytes:
    """/proc/self/fdinfo/N."""
    file = kernel.files.table.get(number)
    if file is None:
        return b""
    closing = linux.O_CLOEXEC if number in kernel.files.close_on_exec else 0
    position = getattr(file, "at", 0) if isinstance(getattr(file, "node", None), Regular) else 0
    return f"pos:\t{position}\nflags:\t0{file.flags | closing:o}\nmnt_id:\t1\n".encode()


def uuid(kernel: Kernel) -> bytes:
    """A random UUID, version 4."""
    digits = bytearray(kernel.random(16))
    digits[6], digits[8] = digits[6] & 0x0F | 0x40, digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}\n".encode()


#: Files of /proc.
FILES: dict[str, Text] = {
    "cpuinfo": cpuinfo,
    "meminfo": meminfo,
    "uptime": uptime,
    "stat": system_stat,
    "loadavg": _fixed("0.00 0.00 0.00 1/1 2\n"),
    "version": _fixed("Linux version 6.1.0 (emuplugin) #1 emuplugin\n"),
    "filesystems": _fixed("nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\n"),
    "cmdline": _fixed("\n"),
    "sys/kernel/hostname": _fixed("emuplugin\n"),
    "sys/kernel/domainname": _fixed("(none)\n"),
    "sys/kernel/ostype": _fixed("Linux\n"),
    "sys/kernel/osrelease": _fixed("6.1.0\n"),
    "sys/kernel/version": _fixed("#1 emuplugin\n"),
    "sys/kernel/pid_max": _fixed("32768\n"),
    "sys/kernel/threads-max": _fixed("1024\n"),
    "sys/kernel/random/uuid": uuid,
    "sys/kernel/random/entropy_avail": _fixed("256\n"),
    "sys/kernel/cap_last_cap": _fixed("40\n"),
    "sys/vm/overcommit_memory": _fixed("0\n"),
    "sys/vm/max_map_count": _fixed("65530\n"),
    "sys/fs/file-max": _fixed("1048576\n"),
    "sys/fs/nr_open": _fixed("1048576\n"),
    "sys/fs/pipe-max-size": _fixed("1048576\n"),
    "sys/net/core/somaxconn": _fixed("4096\n"),
}
#: Files of /proc/self.
PROCESS_FILES: dict[str, Text] = {
    "maps": maps,
    "status": status,
    "stat": stat,
    "statm": statm,
    "cmdline": cmdline,
    "environ": environ,
    "comm": comm,
    "mounts": mounts,
    "mountinfo": mountinfo,
    "limits": limits,
    "cgroup": _fixed("0::/\n"),
    "oom_score": _fixed("0\n"),
    "oom_score_adj": _fixed("0\n"),
    "uid_map": _fixed("         0          0 4294967295\n"),
    "gid_map": _fixed("         0          0 4294967295\n"),
    "setgroups": _fixed("allow\n"),
    "loginuid": _fixed("4294967295\n"),
    "io": _fixed("rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"),
}


def system_files(kernel: Kernel) -> dict[str, bytes]:
    """What is in /sys, by path."""
    cpus = kernel.sandbox.cpus
    listed = f"0-{cpus - 1}\n" if cpus > 1 else "0\n"
    cpu = "/sys/devices/system/cpu/"
    return {
        "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": b"0\n",
        "/sys/kernel/mm/transparent_hugepage/enabled": b"always madvise [never]\n",
        cpu + "online": listed.encode(),
        cpu + "possible": listed.encode(),
        cpu + "present": listed.encode(),
    }
