"""Many calls of one function in one go: ``f.map(values)`` and ``f.array(buffer)``.

Arguments are put into the guest as Go arrays, a loop there makes the calls
(:mod:`emuplugin.cpu.loop_code`) and leaves the results in arrays as well. So what a call costs is
what it costs in the guest.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from emuplugin.cpu import loop_code
from emuplugin.cpu.calling import WORD, CallLayout
from emuplugin.errors import ConversionError, GoError, Goexit, GoPanic, UnsupportedTypeError
from emuplugin.values.buffers import image_of_buffer, numbers_of
from emuplugin.values.codec import Codec
from emuplugin.values.error_values import ErrorCodec
from emuplugin.values.guest import Root
from emuplugin.values.heap import Allocations
from emuplugin.values.mismatch import Mismatch
from emuplugin.values.slice_codec import new_array

if TYPE_CHECKING:
    from emuplugin.values.context import Context

Numbers: TypeAlias = "array[Any] | memoryview[Any]"
"""What :meth:`BatchPlan.array` makes of results: an array, of bool a memoryview."""


class Target(NamedTuple):
    """What is called: the code, its closure or 0, the receiver if there is one; and how Python
    calls it once."""

    entry: int
    closure: int
    receiver: int | None
    once: Callable[..., Any]


class _Column(NamedTuple):
    """The images of one argument of all calls, one after the other; ``step`` is 0 for one that all
    calls get."""

    image: bytes | memoryview
    length: int
    step: int


class BatchPlan:
    """How to call functions of one signature many times.

    ``name`` and ``signature`` are for messages. ``layout`` is that of the call, with the receiver
    of a method. Functions that take any number of arguments are called one by one, and so are those
    whose arguments or results need much room on the stack.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        signature: str,
        layout: CallLayout,
        codecs: tuple[Sequence[Codec], Sequence[Codec]],
        *,
        variadic: bool,
    ) -> None:
        self._context = context
        self._name, self._of = name, f"{name} is {signature}"
        self._params, self._all = codecs
        fails = bool(self._all) and type(self._all[-1]) is ErrorCodec
        self._error = self._all[-1] if fails else None
        self._results = self._all[:-1] if fails else self._all
        facts = [
            loop_code.Result(codec.size, bool(codec.type.ptr_bytes), codec is self._error)
            for codec in self._all
        ]
        self._variadic = variadic
        self._body = None if variadic else loop_code.body(layout, facts)

    def map(self, target: Target, iterables: Sequence[Iterable[Any]]) -> list[Any]:
        """See :meth:`emuplugin.Function.map`."""
        self._check_count("map", len(iterables))
        columns = transposed(iterables)
        count = len(columns[0])
        loop = self._loop()
        if loop is None or not count:
            return self._one_by_one(target, columns)
        with Allocations(self._context.guest) as allocations:
            encoded = [
                self._encode(number, values, allocations) for number, values in enumerate(columns)
            ]
            roots = self._run(loop, target, count, encoded, allocations)
            values = [
                codec.decode_many(root.address, count, root)
                for codec, root in zip(self._results, roots, strict=True)
            ]
        if len(values) == 1:
            return values[0]
        return list(zip(*values, strict=True)) if values else [None] * count

    def array(self, target: Target, arguments: Sequence[Any]) -> Any:
        """See :meth:`emuplugin.Function.array`."""
        self._check_count("array", len(arguments))
        letters = [self._letter(codec) for codec in self._results]
        loop = self._loop()
        if loop is None:
            found = self._array_one_by_one(target, arguments, letters)
        else:
            found = self._array(loop, target, arguments, letters)
        if len(found) == 1:
            return found[0]
        return tuple(found) if found else None

    def _array(
        self, loop: int, target: Target, arguments: Sequence[Any], letters: Sequence[str]
    ) -> list[Numbers]:
        with Allocations(self._context.guest) as allocations:
            columns = [
                self._encode_array(number, value, allocations)
                for number, value in enumerate(arguments)
            ]
            count = self._common_count(
                [column.length if column.step else None for column in columns]
            )
            if not count:
                return [numbers_from(letter, b"") for letter in letters]
            memory = self._context.memory
            roots = self._run(loop, target, count, columns, allocations)
            return [
                numbers_from(letter, memory.read(root.address, count * codec.size))
                for letter, codec, root in zip(letters, self._results, roots, strict=True)
            ]

    # --- arguments --------------------------------------------------------------------------

    def _encode(self, number: int, values: Sequence[Any], allocations: Allocations) -> _Column:
        codec = self._params[number]
        try:
            image = codec.encode_many(values, allocations)
        except Mismatch as mismatch:
            step = mismatch.steps.pop(0)
            where = f"call {step} of {self._name}, argument {number + 1}"
            raise mismatch.error(where, self._of) from None
        return _Column(image, len(values), codec.size)

    def _encode_array(self, number: int, value: Any, allocations: Allocations) -> _Column:
        codec = self._params[number]
        found = image_of_buffer(value, codec.type)
        if found is not None:
            return _Column(*found, codec.size)
        if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
            return self._encode(number, list(value), allocations)
        try:
            return _Column(codec.encode(value, allocations), 1, 0)
        except Mismatch as mismatch:
            raise mismatch.error(f"argument {number + 1}", self._of) from None

    def _common_count(self, lengths: Sequence[int | None]) -> int:
        """The one length of arguments; None stands for those that all calls get."""
        counts = {length for length in lengths if length is not None}
        if len(counts) > 1:
            found = ", ".join("one" if length is None else str(length) for length in lengths)
            raise ConversionError(
                f"{self._name}.array needs arguments of one length, got {found}; {self._of}"
            )
        if not counts:
            raise ConversionError(
                f"{self._name}.array needs at least one argument with several values: a buffer or a"
                f" list; {self._of}"
            )
        return counts.pop()

    def _check_count(self, what: str, given: int) -> None:
        right = given >= len(self._params) if self._variadic else given == len(self._params)
        if not right or not given:
            plural = "" if given == 1 else "s"
            raise ConversionError(
                f"{self._name}.{what} takes an argument for each parameter, which are"
                f" {len(self._params) or 'none'}{' or more' if self._variadic else ''}, got"
                f" {given} argument{plural}; {self._of}"
            )

    def _letter(self, codec: Codec) -> str:
        numbers = numbers_of(codec.type)
        if numbers is None or not numbers.letter or numbers.shape:
            raise UnsupportedTypeError(
                f"{self._name}.array needs results that are numbers or bool, not"
                f" {codec.type.string}; {self._name}.map takes any; {self._of}",
                type=codec.type.string,
            )
        return numbers.letter

    # --- calls ------------------------------------------------------------------------------

    def _loop(self) -> int | None:
        return None if self._body is None else self._context.guest.loop(self._body)

    def _run(
        self,
        loop: int,
        target: Target,
        count: int,
        columns: Sequence[_Column],
        allocations: Allocations,
    ) -> list[Root]:
        """Make all calls; the arrays of results, without that of errors. Raises what single calls
        raise, and says in which call."""
        guest = self._context.guest
        words: list[int] = []
        if target.receiver is not None:
            words += self._place(target.receiver.to_bytes(WORD, "little"), allocations), 0
        for column, codec in zip(columns, self._params, strict=True):
            address = new_array(codec, column.image, column.length, allocations)
            allocations.protect()
            words += address, column.step
        roots = [
            guest.hold(
                # Numbers are all written before they are read: no need to clear much memory.
                allocations.room(count * codec.size)
                if codec.atomic
                else allocations.object(count * codec.size, codec.type)
            )
            for codec in self._all
        ]
        for root, codec in zip(roots, self._all, strict=True):
            words += root.address, codec.type.address
        move = guest.symbol("runtime.typedmemmove") or 0
        first = (target.entry, target.closure, count, move)
        state = self._place(struct.pack(f"<{4 + len(words)}Q", *first, *words), allocations)
        try:
            guest.call_words(loop, 0, (state,))
        except BaseException as error:
            if guest.state == "running":
                self._tell(error, self._index(state, count))
            raise
        index = self._index(state, count)
        if self._error is not None:
            root = roots.pop()
            if index < count:
                failure = self._error.read(root.address + index * self._error.size, root)
                self._tell(failure, index)
                raise failure
        return roots

    def _place(self, data: bytes, allocations: Allocations) -> int:
        address = allocations.bytes(data)
        allocations.protect()
        return address

    def _index(self, state: int, count: int) -> int:
        """The call that was the last to begin; ``count`` if all have returned."""
        word = self._context.memory.read(state + WORD * loop_code.Word.LEFT, WORD)
        return count - 1 - int.from_bytes(word, "little", signed=True)

    def _tell(self, error: BaseException, index: int) -> None:
        """Say in which call an exception came."""
        if isinstance(error, (GoError, GoPanic, Goexit)):
            error.index = index
        error.add_note(f"in call [{index}] of {self._name}")

    def _one_by_one(self, target: Target, columns: Sequence[Sequence[Any]]) -> list[Any]:
        results = []
        for index, row in enumerate(zip(*columns, strict=True)):
            try:
                results.append(target.once(*row))
            except Exception as error:
                self._tell(error, index)
                raise
        return results

    def _array_one_by_one(
        self, target: Target, arguments: Sequence[Any], letters: Sequence[str]
    ) -> list[Numbers]:
        lists = [_items(value) for value in arguments]
        count = self._common_count([None if items is None else len(items) for items in lists])
        columns = [
            [value] * count if items is None else items
            for value, items in zip(arguments, lists, strict=True)
        ]
        rows = self._one_by_one(target, columns)
        results = [rows] if len(letters) == 1 else list(zip(*rows, strict=True))
        return [
            numbers_from(letter, struct.pack(f"<{count}{letter}", *column))
            for letter, column in zip(letters, results or [()] * len(letters), strict=True)
        ]


def _items(value: Any) -> list[Any] | None:
    """The values of an argument of ``array``; None for one that all calls get."""
    if isinstance(value, str | bytes | dict):
        return None
    try:
        items: list[Any] = memoryview(value).tolist()
    except TypeError:
        return list(value) if isinstance(value, Iterable) else None
    return items


def transposed(iterables: Sequence[Iterable[Any]]) -> list[Sequence[Any]]:
    """Lists of one length, that of the shortest, as ``map`` and ``zip`` have it."""
    if not iterables:
        return []
    if len(iterables) == 1:
        (only,) = iterables
        return [only if isinstance(only, list | tuple | range) else list(only)]
    if all(isinstance(values, list | tuple | range) for values in iterables):
        count = min(map(len, iterables))  # type: ignore[arg-type]
        return [values[:count] for values in iterables]  # type: ignore[index]
    rows = list(zip(*iterables, strict=False))
    return list(zip(*rows, strict=True)) if rows else [()] * len(iterables)


def numbers_from(letter: str, data: bytes) -> Numbers:
    """Numbers of a format of :mod:`struct`."""
    if letter == "?":
        return cast("memoryview[Any]", memoryview(bytearray(data)).cast("?"))
    return array(letter, data)
