"""The C functions that every Go plugin names, because ``runtime/cgo`` is linked into it.

Those of all Go versions from 1.21 to 1.27 together, linked by gcc or zig. Whatever else a plugin
imports is for its own C code, or for cgo in package net or os/user.
"""

from __future__ import annotations

from typing import Final

#: runtime/cgo: gcc_libinit.c, gcc_linux_amd64.c, gcc_setenv.c, gcc_sigaction.c, gcc_util.c,
#: linux_syscall.c and others.
_NAMES: Final = """
    __errno_location abort clearenv fprintf fputc free fwrite malloc mmap munmap nanosleep
    pthread_attr_destroy pthread_attr_getstack pthread_attr_getstacksize pthread_attr_init
    pthread_attr_setdetachstate pthread_cond_broadcast pthread_cond_wait pthread_create
    pthread_detach pthread_getattr_np pthread_key_create pthread_mutex_lock pthread_mutex_unlock
    pthread_self pthread_setspecific pthread_sigmask setegid setenv seteuid setgid setgroups
    setregid setresgid setresuid setreuid setuid sigaction sigaddset sigemptyset sigfillset
    sigismember stderr strerror unsetenv vfprintf
"""
RUNTIME_CGO: Final = frozenset(_NAMES.split())

#: The C compiler's own start and end code (crtbegin, crtend).
COMPILER: Final = frozenset(
    {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize", "__gmon_start__"}
)

USUAL: Final = RUNTIME_CGO | COMPILER
