"""The C functions that the host carries out, by name. Semantics as in the C standard."""

from __future__ import annotations

import math

from .call import CCall, CFunction, VariableList
from .printf import format_c

FUNCTIONS: dict[str, CFunction] = {}
_EOF = 0xFFFFFFFF


def _c(function: CFunction) -> CFunction:
    """Enter a function under its own name, less the underscore that keeps Python's free."""
    FUNCTIONS[function.__name__.rstrip("_")] = function
    return function


# --- memory ---------------------------------------------------------------------------------


@_c
def malloc(call: CCall) -> int:
    return call.library.heap.allocate(call.word())


@_c
def calloc(call: CCall) -> int:
    size = call.word() * call.word()
    address = call.library.heap.allocate(size) if size < 1 << 47 else 0
    if address:
        call.memory.write(address, bytes(size))
    return address


@_c
def realloc(call: CCall) -> int:
    old, size = call.word(), call.word()
    heap = call.library.heap
    address = heap.allocate(size)
    if address and old:
        call.memory.write(address, call.memory.read(old, min(heap.size(old), size)))
        heap.release(old)
    return address


@_c
def free(call: CCall) -> int:
    address = call.word()
    if address and not call.library.heap.release(address):
        return abort(call) or 0
    return 0


@_c
def memcpy(call: CCall) -> int:
    target, source, size = call.word(), call.word(), call.word()
    call.memory.write(target, call.memory.read(source, size))
    return target


FUNCTIONS["memmove"] = FUNCTIONS["__memcpy_chk"] = memcpy


@_c
def memset(call: CCall) -> int:
    target, value, size = call.word(), call.word(), call.word()
    call.memory.write(target, bytes([value & 0xFF]) * size)
    return target


@_c
def memcmp(call: CCall) -> int:
    first, second, size = call.word(), call.word(), call.word()
    one, two = call.memory.read(first, size), call.memory.read(second, size)
    return (one > two) - (one < two)


# --- strings --------------------------------------------------------------------------------


@_c
def strlen(call: CCall) -> int:
    return len(call.string())


@_c
def strcmp(call: CCall) -> int:
    one, two = call.string(), call.string()
    return (one > two) - (one < two)


@_c
def strncmp(call: CCall) -> int:
    one, two, size = call.string(), call.string(), call.word()
    return (one[:size] > two[:size]) - (one[:size] < two[:size])


@_c
def strcpy(call: CCall) -> int:
    target, text = call.word(), call.string()
    call.memory.write(target, text + b"\0")
    return target


@_c
def strncpy(call: CCall) -> int:
    target, text, size = call.word(), call.string(), call.word()
    call.memory.write(target, text[:size].ljust(size, b"\0"))
    return target


@_c
def strdup(call: CCall) -> int:
    text = call.string() + b"\0"
    address = call.library.heap.allocate(len(text))
    if address:
        call.memory.write(address, text)
    return address


@_c
def strchr(call: CCall) -> int:
    address, character = call.word(), bytes([call.word() & 0xFF])
    text = call.memory.read_string(address, 1 << 24) + b"\0"
    at = text.find(character)
    return address + at if at >= 0 else 0


@_c
def strerror(call: CCall) -> int:
    text = f"Error {call.long() & 0xFFFFFFFF}".encode() + b"\0"
    address = call.library.heap.allocate(len(text))
    call.memory.write(address, text)
    return address


# --- output ---------------------------------------------------------------------------------


def _put(call: CCall, stream: int, data: bytes) -> int:
    number = call.library.stream_number(stream)
    if number not in (1, 2):
        return _EOF
    kernel = call.library.process.kernel
    file = kernel.files.table.get(number)
    if file is not None:
        file.write(kernel, data)
    return len(data)


@_c
def puts(call: CCall) -> int:
    return _put(call, call.library.stream(1), call.string() + b"\n")


@_c
def putchar(call: CCall) -> int:
    return _put(call, call.library.stream(1), bytes([call.word() & 0xFF]))


@_c
def fputc(call: CCall) -> int:
    character = bytes([call.word() & 0xFF])
    return _put(call, call.word(), character)


@_c
def fputs(call: CCall) -> int:
    text = call.string()
    return _put(call, call.word(), text)


@_c
def fwrite(call: CCall) -> int:
    address, size, count = call.word(), call.word(), call.word()
    _put(call, call.word(), call.memory.read(address, size * count))
    return count


@_c
def fflush(call: CCall) -> int:
    return 0


@_c
def printf(call: CCall) -> int:
    text = call.string()
    return _put(call, call.library.stream(1), format_c(text, call))


@_c
def fprintf(call: CCall) -> int:
    stream, text = call.word(), call.string()
    return _put(call, stream, format_c(text, call))


@_c
def vfprintf(call: CCall) -> int:
    stream, text = call.word(), call.string()
    return _put(call, stream, format_c(text, VariableList(call, call.word())))


@_c
def snprintf(call: CCall) -> int:
    target, size, text = call.word(), call.word(), call.string()
    data = format_c(text, call)
    if size:
        call.memory.write(target, data[: size - 1] + b"\0")
    return len(data)


# --- the process ----------------------------------------------------------------------------


@_c
def abort(call: CCall) -> int | None:
    call.library.process.kernel.exit(134)  # what a shell shows for SIGABRT
    return None


@_c
def getenv(call: CCall) -> int:
    name = call.string().decode(errors="surrogateescape")
    value = call.library.process.kernel.sandbox.env.get(name)
    if value is None:
        return 0
    data = value.encode(errors="surrogateescape") + b"\0"
    address = call.library.heap.allocate(len(data))
    call.memory.write(address, data)
    return address


def _errno_location(call: CCall) -> int:
    return call.library.errno


def _nothing(call: CCall) -> int:
    return 0


def _no_such_name(call: CCall) -> int:
    return 0xFFFFFFFE  # EAI_NONAME: nothing is resolved here


def _not_found(call: CCall) -> int:
    """getpwuid_r and its kin: (key, record, buffer, size, result). There are no users here."""
    for _ in range(4):
        call.word()
    call.memory.write_u64(call.word(), 0)
    return 0


def _unknown(call: CCall) -> int:
    return 0xFFFFFFFFFFFFFFFF  # sysconf: no definite limit


for _name in ("getpwuid_r", "getpwnam_r", "getgrgid_r", "getgrnam_r"):
    FUNCTIONS[_name] = _not_found
FUNCTIONS["sysconf"] = _unknown
FUNCTIONS["__errno_location"] = _errno_location
FUNCTIONS["getaddrinfo"] = FUNCTIONS["getnameinfo"] = _no_such_name
for _name in (
    "freeaddrinfo", "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_broadcast",
    "pthread_cond_signal", "pthread_mutex_init", "pthread_mutex_destroy", "pthread_self",
    "pthread_key_create", "pthread_setspecific",
):  # fmt: skip
    FUNCTIONS[_name] = _nothing


# --- mathematics ----------------------------------------------------------------------------


def _of_one(function: str) -> CFunction:
    def compute(call: CCall) -> int:
        try:
            return call.return_double(float(getattr(math, function)(call.double())))
        except (ValueError, OverflowError):
            return call.return_double(math.nan)

    return compute


for _name in (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "log2",
    "log10", "sqrt", "cbrt", "fabs",
):  # fmt: skip
    FUNCTIONS[_name] = _of_one(_name)


@_c
def pow_(call: CCall) -> int:
    base, exponent = call.double(), call.double()
    try:
        return call.return_double(math.pow(base, exponent))
    except OverflowError:
        return call.return_double(math.inf)
    except ValueError:
        return call.return_double(math.nan)


@_c
def atan2(call: CCall) -> int:
    y, x = call.double(), call.double()
    return call.return_double(math.atan2(y, x))


@_c
def fmod(call: CCall) -> int:
    x, y = call.double(), call.double()
    return call.return_double(math.fmod(x, y) if y and math.isfinite(x) else math.nan)
