"""What the arguments of system calls are: one line for each call of the table.

A line names the kinds of a call's arguments, in order (``man 2``); :mod:`.call_arguments` knows
what to make of each. A kind may name a set of flags or an enumeration of :mod:`.call_flags`:
``flags:open``, ``enum:whence``. Behind ``->`` stands what the result is, where that is not a
number.
"""

from __future__ import annotations

from typing import Final

_TEXT: Final = """
read fd out size
write fd in size
open path flags:open mode -> fd
close fd
stat path stat
fstat fd stat
lstat path stat
poll pollfds int ms
lseek fd offset enum:whence
mmap ptr size flags:prot flags:map fd offset -> ptr
mprotect ptr size flags:prot
munmap ptr size
brk ptr -> ptr
rt_sigaction signal sigaction sigaction_out size
rt_sigprocmask enum:sigmask sigset sigset_out size
rt_sigreturn
ioctl fd enum:ioctl hex
pread64 fd out size offset
pwrite64 fd in size offset
readv fd iov_out int
writev fd iov_in int
access path flags:access
pipe fds
select int hex hex hex timeval
sched_yield
mremap ptr size size flags:mremap ptr -> ptr
msync ptr size flags:msync
mincore ptr size ptr
madvise ptr size enum:madvise
dup fd -> fd
dup2 fd fd -> fd
pause
nanosleep timespec timespec_out
getitimer enum:itimer ptr
alarm int
setitimer enum:itimer itimerval ptr
getpid
sendfile fd fd ptr size
socket enum:family flags:socket int -> fd
connect fd sockaddr int
accept fd sockaddr_out ptr -> fd
sendto fd in size flags:msg sockaddr int
recvfrom fd out size flags:msg sockaddr_out ptr
sendmsg fd msghdr flags:msg
recvmsg fd msghdr_out flags:msg
shutdown fd enum:shutdown
bind fd sockaddr int
listen fd int
getsockname fd sockaddr_out ptr
getpeername fd sockaddr_out ptr
socketpair enum:family flags:socket int fds
setsockopt fd enum:sol sockopt optval int
getsockopt fd enum:sol sockopt optval_out ptr
clone flags:clone ptr ptr ptr ptr
execve path ptr ptr
exit int
wait4 int ptr flags:wait ptr
kill int signal
uname ptr
fcntl fd enum:fcntl fcntl -> fcntl
flock fd flags:flock
fsync fd
fdatasync fd
truncate path offset
ftruncate fd offset
getdents fd dirents size
getcwd path_out size
chdir path
fchdir fd
rename path path
mkdir path mode
rmdir path
creat path mode -> fd
link path path
unlink path
symlink path path
readlink path out size
chmod path mode
fchmod fd mode
chown path int int
fchown fd int int
lchown path int int
umask mode -> mode
gettimeofday timeval_out ptr
getrlimit enum:rlimit rlimit_out
getrusage int ptr
sysinfo ptr
times ptr
ptrace int int
getuid
getgid
setuid int
setgid int
geteuid
getegid
setpgid int int
getppid
getpgrp
setsid
setreuid int int
setregid int int
getgroups int ptr
setgroups int ptr
setresuid int int int
getresuid ptr ptr ptr
setresgid int int int
getresgid ptr ptr ptr
getpgid int
setfsuid int
setfsgid int
getsid int
capget ptr ptr
capset ptr ptr
rt_sigpending sigset_out size
rt_sigtimedwait sigset ptr timespec size -> signal
rt_sigqueueinfo int signal ptr
rt_sigsuspend sigset size
sigaltstack sigaltstack sigaltstack_out
utime path ptr
mknod path mode hex
personality hex
statfs path ptr
fstatfs fd ptr
getpriority int int
setpriority int int int
sched_setparam int ptr
sched_getparam int ptr
sched_setscheduler int int ptr
sched_getscheduler int
sched_get_priority_max int
sched_get_priority_min int
sched_rr_get_interval int timespec_out
mlock ptr size
munlock ptr size
mlockall flags:mlockall
munlockall
prctl enum:prctl hex hex hex hex
arch_prctl enum:arch_prctl hex
adjtimex ptr
setrlimit enum:rlimit rlimit
sync
gettid
readahead fd offset size
setxattr path
lsetxattr path
fsetxattr fd
getxattr path
lgetxattr path
fgetxattr fd
listxattr path
llistxattr path
flistxattr fd
removexattr path
lremovexattr path
fremovexattr fd
tkill int signal
time ptr
futex futex enum:futex uint timespec_or_int ptr hex
sched_setaffinity int size ptr
sched_getaffinity int size cpuset_out
epoll_create int -> fd
remap_file_pages ptr size
getdents64 fd dirents64 size
set_tid_address ptr
fadvise64 fd offset size int
timer_create enum:clock ptr int_out
timer_settime int flags:timer itimerspec ptr
timer_gettime int ptr
timer_getoverrun int
timer_delete int
clock_settime enum:clock timespec
clock_gettime enum:clock timespec_out
clock_getres enum:clock timespec_out
clock_nanosleep enum:clock flags:timer timespec timespec_out
exit_group int
epoll_wait fd epoll_events int ms
epoll_ctl fd enum:epoll_ctl fd epoll_event
tgkill int int signal
utimes path ptr
waitid int int ptr flags:wait ptr
ioprio_set int int int
ioprio_get int int
inotify_init -> fd
inotify_add_watch fd path hex
inotify_rm_watch fd int
openat dirfd path flags:open mode -> fd
mkdirat dirfd path mode
mknodat dirfd path mode hex
fchownat dirfd path int int flags:at
futimesat dirfd path ptr
newfstatat dirfd path stat flags:at
unlinkat dirfd path flags:unlinkat
renameat dirfd path dirfd path
linkat dirfd path dirfd path flags:at
symlinkat path dirfd path
readlinkat dirfd path out size
fchmodat dirfd path mode
faccessat dirfd path flags:access
pselect6 int hex hex hex timespec ptr
ppoll pollfds int timespec sigset size
set_robust_list ptr size
get_robust_list int ptr ptr
splice fd ptr fd ptr size hex
tee fd fd size hex
sync_file_range fd offset size hex
vmsplice fd iov_in int hex
utimensat dirfd path timespecs flags:at
epoll_pwait fd epoll_events int ms sigset size
signalfd fd sigset size -> fd
timerfd_create enum:clock flags:timerfd -> fd
eventfd uint -> fd
fallocate fd flags:fallocate offset offset
timerfd_settime fd flags:timer itimerspec ptr
timerfd_gettime fd ptr
accept4 fd sockaddr_out ptr flags:accept -> fd
signalfd4 fd sigset size flags:descriptor -> fd
eventfd2 uint flags:eventfd -> fd
epoll_create1 flags:epoll -> fd
dup3 fd fd flags:descriptor -> fd
pipe2 fds flags:descriptor
inotify_init1 flags:descriptor -> fd
preadv fd iov_out int offset hex
pwritev fd iov_in int offset hex
rt_tgsigqueueinfo int int signal ptr
recvmmsg fd ptr int flags:msg timespec
prlimit64 int enum:rlimit rlimit rlimit_out
name_to_handle_at dirfd path ptr ptr int
clock_adjtime enum:clock ptr
syncfs fd
sendmmsg fd ptr int flags:msg
getcpu ptr ptr
sched_setattr int ptr int
sched_getattr int ptr int int
renameat2 dirfd path dirfd path flags:rename
getrandom out size flags:getrandom
memfd_create path flags:memfd -> fd
execveat dirfd path ptr
membarrier int int
mlock2 ptr size int
copy_file_range fd ptr fd ptr size int
preadv2 fd iov_out int offset hex hex
pwritev2 fd iov_in int offset hex hex
pkey_mprotect ptr size flags:prot int
statx dirfd path flags:at hex statx
pidfd_send_signal fd signal ptr int
pidfd_open int flags:descriptor -> fd
clone3 ptr size
close_range uint uint int
openat2 dirfd path open_how size -> fd
faccessat2 dirfd path flags:access flags:at
epoll_pwait2 fd epoll_events int timespec sigset size
fchmodat2 dirfd path mode flags:at
"""


class CallForm:
    """The kinds of a call's arguments, and of its result."""

    __slots__ = ("arguments", "result")

    def __init__(self, arguments: tuple[str, ...], result: str) -> None:
        self.arguments = arguments
        self.result = result


def _read() -> dict[str, CallForm]:
    forms = {}
    for line in _TEXT.strip().splitlines():
        words, _, result = line.partition("->")
        name, *arguments = words.split()
        forms[name] = CallForm(tuple(arguments), result.strip() or "int")
    return forms


#: By name. Calls that are not here, all of them refused, show what their registers hold.
FORMS: Final = _read()
