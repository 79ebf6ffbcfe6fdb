"""``Limits.goroutines``: how many goroutines a plugin may have at once.

The runtime never frees the ``g`` of a goroutine that ended, it takes it for the next one; so the
number of all that it has made (``runtime/proc.go: allglen``) is the largest number that there was
at once. Only with several processors may it be a few more, because each keeps some for itself.
"""

from __future__ import annotations

from emuplugin.errors import GoroutineLimitExceeded

from .goruntime import GoRuntime

_NO_LIMIT = 1 << 63
_SYSTEM = "ngsys.value"  # runtime/runtime2.go: schedt.ngsys, atomic.Int32


class GoroutineLimit:
    """The limit of one machine. :meth:`check` belongs where much can have happened since the last
    time: between time slices, and when memory grows, because a goroutine needs a stack."""

    def __init__(self, runtime: GoRuntime, limit: int | None) -> None:
        self._limit = _NO_LIMIT if limit is None else limit
        self._memory = runtime.memory
        self._made = runtime.address("runtime.allglen")
        self._system = runtime.field("runtime.sched", _SYSTEM)

    def check(self) -> None:
        """Raise GoroutineLimitExceeded if there were more than allowed, not counting those that
        are the runtime's own."""
        memory, limit = self._memory, self._limit
        made = memory.read_u64(self._made)
        if made <= limit:
            return
        used = made - memory.read_u32(self._system)
        if used > limit:
            raise GoroutineLimitExceeded(
                f"the plugin has had {used} goroutines at once, its limit is {limit}; "
                "grant more with Limits(goroutines=...)",
                limit="goroutines",
                allowed=limit,
                used=used,
            )
