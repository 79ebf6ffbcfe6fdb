"""What the story says of things that are the same in every run: its own words, none of a plugin's.

Backticks enclose code; see :func:`emuplugin.explaining.blocks.say`.
"""

from __future__ import annotations

from typing import Final

#: What each kind of relocation computes, in the psABI's letters, and what Go uses it for.
RELOCATIONS: Final = {
    "R_X86_64_NONE": ("-", "nothing is written"),
    "R_X86_64_64": (
        "S + A",
        "the address of a symbol, in data: of types, methods, closures",
    ),
    "R_X86_64_PC32": ("S + A - P", "the distance to a symbol, in code"),
    "R_X86_64_PC64": ("S + A - P", "the distance to a symbol, in code"),
    "R_X86_64_GLOB_DAT": ("S", "the address of a symbol, in the global offset table (.got)"),
    "R_X86_64_JUMP_SLOT": ("S", "the address of a C function, in the table of the PLT (.got.plt)"),
    "R_X86_64_RELATIVE": ("B + A", "an address inside of the plugin itself, which needs no symbol"),
    "R_X86_64_RELATIVE64": ("B + A", "an address inside of the plugin itself"),
    "R_X86_64_32": ("S + A", "an address in 32 bits"),
    "R_X86_64_32S": ("S + A", "an address in 32 bits"),
    "R_X86_64_SIZE32": ("Z + A", "the size of a symbol"),
    "R_X86_64_SIZE64": ("Z + A", "the size of a symbol"),
    "R_X86_64_TPOFF64": (
        "S - TP",
        "how far a thread-local variable lies from the thread pointer: Go's runtime.tlsg, which "
        "holds the running goroutine",
    ),
    "R_X86_64_DTPMOD64": ("module", "the number of the file, for __tls_get_addr"),
    "R_X86_64_DTPOFF64": ("S - block", "the place in that file's thread-local block"),
}

#: What each step of the boot does and why, by its name.
BOOT: Final = {
    "first_stack": "Go code finds the goroutine that it runs on in register R14 and in "
    "thread-local storage (`runtime.tlsg`). So the first thing that there must be is a goroutine: "
    "`g0`, the one on the thread's own stack, on which the scheduler works. It gets the bounds of "
    "that stack and is tied to `m0`, the first M (Go's word for a thread).",
    "processor": "How many processors there are, how large a page is, what instructions the "
    "processor knows (`internal/cpu.X86`), which decides how memory is copied and compared, and "
    "where there is a clock that can be read without asking the kernel (on Linux: the vDSO).",
    "scheduler_variables": "The scheduler learns how many threads there may be, and when the "
    "network was last polled: without that no timer would ever fire.",
    "randomness": "Seeds: of the random generator, of the place of the heap, and of the hash "
    "functions of maps, so that nobody can prepare keys that all collide.",
    "heap": "`mheap_`, the heap, gets an allocator for each kind of object that the runtime itself "
    "needs (spans, caches, specials), its central lists, and the tables of its page allocator. "
    "Then it is told where to ask the kernel for memory: at 0xc000000000 first, which is why Go "
    "pointers begin with 0xc0.",
    "first_thread": "`mcommoninit` gives `m0` its number and a stack for signals, which comes from "
    "the heap.",
    "modules": "The plugin's `moduledata` (its function table, its types, its bounds) becomes part "
    "of the list that the runtime searches when it looks up a code address. The garbage collector "
    "gets bit masks that tell pointers from other words in `.data` and `.bss`.",
    "itabs": "An itab pairs an interface with a type and lists the methods to call. The compiler "
    "prepared those that it foresaw; they are entered into the runtime's table.",
    "program_variables": "Arguments (`os.Args`), environment and the settings of GODEBUG and "
    "GOTRACEBACK, as the sandbox has them.",
    "collector": "The garbage collector gets its goal (GOGC, GOMEMLIMIT) and its semaphores; it is "
    "not running yet.",
    "processors": "`procresize` makes the Ps. A P is the right to run Go code; there are as many "
    "as GOMAXPROCS says. The first goes to `m0`. From here on Go code can allocate memory.",
    "main_variables": "What `runtime.main` would set first: how large a stack may become, when the "
    "runtime started.",
    "monitor": "`sysmon` is the thread that notices goroutines that run for too long or sit in a "
    "system call. It is not in a plugin, so a thread of emuplugin's own takes its part, started "
    "as the runtime starts threads (`newm`).",
    "caller_goroutine": "`newproc` makes a goroutine, as the `go` statement does, and `mstart` "
    "enters the scheduler. The scheduler finds the goroutine and runs it; its first instruction is "
    "one at which the guest stops for the host. All calls are made on this goroutine.",
    "world": "The collector may run, and new goroutines may start threads. The runtime is up.",
}

ABI_INTERNAL: Final = (
    "Go passes arguments in registers, by rules of its own (ABIInternal): integers and pointers in "
    "RAX, RBX, RCX, RDI, RSI, R8, R9, R10, R11, floating-point numbers in X0 to X14. A string "
    "takes two registers (pointer, length), a slice three (pointer, length, capacity), an "
    "interface two (type, value), a struct those of its fields. What does not fit goes onto the "
    "stack. R14 holds the goroutine, RDX the closure, X15 is zero. Results come back the same way."
)
