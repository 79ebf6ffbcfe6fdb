"""Which exception a fatal error of the Go runtime becomes, by what it printed."""

from __future__ import annotations

from .errors import GoDeadlock, GoFatal, GoOutOfMemory, GoroutinePanic, GoStackOverflow

#: How lines start that the runtime prints ahead of ``fatal error:``.
ANNOUNCEMENTS = (b"runtime: ", b"unexpected fault address ")

# (text in "fatal error: ...", exception), as in runtime/proc.go: checkdead, stack.go: newstack,
# malloc.go and mheap.go.
_KINDS: tuple[tuple[str, type[GoFatal]], ...] = (
    ("all goroutines are asleep - deadlock!", GoDeadlock),
    ("no goroutines (main called runtime.Goexit) - deadlock!", GoDeadlock),
    ("every thread waits", GoDeadlock),
    ("stack overflow", GoStackOverflow),
    ("out of memory", GoOutOfMemory),
)

_NO_C = (
    ": the plugin called C code in a machine whose first plugin has none; open it in a machine of "
    "its own, or build it with -tags netgo,osusergo if the C code is that of net and os/user"
)


def fatal_error(text: str, *, panic: bool) -> GoFatal:
    """The exception for ``text``, what the runtime printed; ``panic`` for a panic that nobody
    recovered in a goroutine of the plugin's own."""
    lines = [line for line in text.splitlines() if line]
    if panic:
        headline = next((line for line in lines if line.startswith("panic: ")), "panic")
        return GoroutinePanic(headline, text)
    headline = next((line for line in lines if line.startswith("fatal error: ")), lines[0])
    if "cgocall unavailable" in headline:
        headline += _NO_C
        text = f"{headline}\n\n{text}"
    for words, kind in _KINDS:
        if words in headline:
            return kind(headline, text)
    return GoFatal(headline, text)
