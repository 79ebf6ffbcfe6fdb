"""What a machine does not do, with the error that Linux has for it.

Three kinds: what a process without privilege may not do in a container (EPERM), what would start
or look into other processes (recorded as such), and what this kernel was built without (ENOSYS):
programs fall back to something else then.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from emuplugin.cpu.memory import GuestMemoryError

from . import linux
from .table import Errno, refuse, syscall

if TYPE_CHECKING:
    from .kernel import Kernel

_PRIVILEGED = "needs a privilege that a container does not have"
_PROCESSES = "no other processes from inside a machine"
_LEFT_OUT = "a kernel built without it"
_NEWER = "newer than the Linux 6.1 that the machine shows"

# (number, name): EPERM.
for _number, _name in (
    (153, "vhangup"), (155, "pivot_root"), (161, "chroot"), (163, "acct"), (165, "mount"),
    (166, "umount2"), (167, "swapon"), (168, "swapoff"), (169, "reboot"), (170, "sethostname"),
    (171, "setdomainname"), (172, "iopl"), (173, "ioperm"), (175, "init_module"),
    (176, "delete_module"), (179, "quotactl"), (246, "kexec_load"), (272, "unshare"),
    (298, "perf_event_open"), (300, "fanotify_init"), (304, "open_by_handle_at"),
    (308, "setns"), (313, "finit_module"), (320, "kexec_file_load"), (321, "bpf"),
    (323, "userfaultfd"), (428, "open_tree"), (429, "move_mount"), (430, "fsopen"),
    (431, "fsconfig"), (432, "fsmount"), (433, "fspick"), (442, "mount_setattr"),
    (443, "quotactl_fd"), (103, "syslog"),
):  # fmt: skip
    refuse(_number, _name, linux.EPERM, _PRIVILEGED)


def _refuse_process(kernel: Kernel, name: str, detail: str = "") -> int:
    kernel.report_refusal(name)
    kernel.report.process(name, detail)
    raise Errno(linux.EPERM)


@syscall(57, "fork", "refused", _PROCESSES)
def fork(kernel: Kernel) -> int:
    return _refuse_process(kernel, "fork")


@syscall(58, "vfork", "refused", _PROCESSES)
def vfork(kernel: Kernel) -> int:
    return _refuse_process(kernel, "vfork")


def _command(kernel: Kernel, path: int, arguments: int) -> str:
    """What was to be run, with its arguments, as far as they can be read."""
    words = [kernel.read_path(path)]
    # The path is what matters.
    with suppress(Errno, GuestMemoryError):
        for index in range(1, _MOST_ARGUMENTS):
            at = kernel.read_u64(arguments + 8 * index) if arguments else 0
            if not at:
                break
            words.append(kernel.read_path(at))
    return " ".join(words)


_MOST_ARGUMENTS = 16


@syscall(59, "execve", "refused", _PROCESSES)
def execve(kernel: Kernel, path: int, arguments: int) -> int:
    return _refuse_process(kernel, "execve", _command(kernel, path, arguments))


@syscall(322, "execveat", "refused", _PROCESSES)
def execveat(kernel: Kernel, directory: int, path: int, arguments: int) -> int:
    return _refuse_process(kernel, "execveat", _command(kernel, path, arguments))


@syscall(101, "ptrace", "refused", _PROCESSES)
def ptrace(kernel: Kernel, request: int, pid: int) -> int:
    return _refuse_process(kernel, "ptrace", f"request {request & 0xFFFFFFFF}")


for _number, _name in (
    (310, "process_vm_readv"), (311, "process_vm_writev"), (312, "kcmp"), (438, "pidfd_getfd"),
    (440, "process_madvise"), (448, "process_mrelease"), (256, "migrate_pages"),
):  # fmt: skip
    refuse(_number, _name, linux.EPERM, _PROCESSES)

# (number, name, errno): what this kernel does not have, as a build of Linux can lack it.
for _number, _name, _errno in (
    (29, "shmget", linux.ENOSYS), (30, "shmat", linux.ENOSYS), (31, "shmctl", linux.ENOSYS),
    (64, "semget", linux.ENOSYS), (65, "semop", linux.ENOSYS), (66, "semctl", linux.ENOSYS),
    (67, "shmdt", linux.ENOSYS), (68, "msgget", linux.ENOSYS), (69, "msgsnd", linux.ENOSYS),
    (70, "msgrcv", linux.ENOSYS), (71, "msgctl", linux.ENOSYS), (220, "semtimedop", linux.ENOSYS),
    (240, "mq_open", linux.ENOSYS), (241, "mq_unlink", linux.ENOSYS),
    (242, "mq_timedsend", linux.ENOSYS), (243, "mq_timedreceive", linux.ENOSYS),
    (244, "mq_notify", linux.ENOSYS), (245, "mq_getsetattr", linux.ENOSYS),
    (206, "io_setup", linux.ENOSYS), (207, "io_destroy", linux.ENOSYS),
    (208, "io_getevents", linux.ENOSYS), (209, "io_submit", linux.ENOSYS),
    (210, "io_cancel", linux.ENOSYS), (333, "io_pgetevents", linux.ENOSYS),
    (237, "mbind", linux.ENOSYS), (238, "set_mempolicy", linux.ENOSYS),
    (239, "get_mempolicy", linux.ENOSYS), (279, "move_pages", linux.ENOSYS),
    (450, "set_mempolicy_home_node", linux.ENOSYS),
    (154, "modify_ldt", linux.ENOSYS), (212, "lookup_dcookie", linux.ENOSYS),
    (317, "seccomp", linux.ENOSYS), (331, "pkey_free", linux.EINVAL),
    (330, "pkey_alloc", linux.ENOSPC), (447, "memfd_secret", linux.ENOSYS),
    (335, "uretprobe", linux.ENOSYS), (336, "uprobe", linux.ENOSYS),
    (444, "landlock_create_ruleset", linux.EOPNOTSUPP),
    (445, "landlock_add_rule", linux.EOPNOTSUPP),
    (446, "landlock_restrict_self", linux.EOPNOTSUPP),
):  # fmt: skip
    refuse(_number, _name, _errno, _LEFT_OUT)
for _number, _name in (
    (425, "io_uring_setup"), (426, "io_uring_enter"), (427, "io_uring_register"),
    (248, "add_key"), (249, "request_key"), (250, "keyctl"), (301, "fanotify_mark"),
):  # fmt: skip
    refuse(_number, _name, linux.EPERM, "switched off, as containers have it")
for _number, _name in (
    (134, "uselib"), (139, "sysfs"), (156, "_sysctl"), (174, "create_module"),
    (177, "get_kernel_syms"), (178, "query_module"), (180, "nfsservctl"), (181, "getpmsg"),
    (182, "putpmsg"), (183, "afs_syscall"), (184, "tuxcall"), (185, "security"),
    (205, "set_thread_area"), (211, "get_thread_area"), (214, "epoll_ctl_old"),
    (215, "epoll_wait_old"), (236, "vserver"),
):  # fmt: skip
    refuse(_number, _name, linux.ENOSYS, "not in Linux for 64-bit programs")
refuse(219, "restart_syscall", linux.EINTR, "only the kernel itself calls it")
for _number, _name in (
    (451, "cachestat"), (453, "map_shadow_stack"), (454, "futex_wake"), (455, "futex_wait"),
    (456, "futex_requeue"), (457, "statmount"), (458, "listmount"), (459, "lsm_get_self_attr"),
    (460, "lsm_set_self_attr"), (461, "lsm_list_modules"), (462, "mseal"), (463, "setxattrat"),
    (464, "getxattrat"), (465, "listxattrat"), (466, "removexattrat"), (467, "open_tree_attr"),
    (468, "file_getattr"), (469, "file_setattr"), (470, "listns"), (471, "rseq_slice_yield"),
):  # fmt: skip
    refuse(_number, _name, linux.ENOSYS, _NEWER)
