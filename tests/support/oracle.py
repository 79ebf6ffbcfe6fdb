"""Go's own package plugin, to compare with: a plugin opened natively in a small Go program.

The program is ``fixtures/oracle_host``, built by the toolchain that built the plugin. It runs
what it is told on the processor of this machine, so only plugins of our own fixtures belong here.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import select
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tests.support.plugins import host_path

CALL_TIMEOUT = 60.0
"""Seconds after which a native call counts as hanging, unless the caller says otherwise."""


class NativeError(Exception):
    """A request that the host refused: no such symbol, arguments that do not fit, no plugin."""


class NativePanic(Exception):
    """A panic that left the called function.

    ``text`` is the value as Go prints it (Error or String method first), ``type`` its Go type.
    """

    def __init__(self, text: str, type: str, stack: str) -> None:
        super().__init__(text)
        self.text = text
        self.type = type
        self.stack = stack


class NativeGoexit(Exception):
    """The called function ended its goroutine: ``runtime.Goexit``."""


class NativeExit(Exception):
    """The process ended. ``code`` is its exit code, ``stdout`` and ``stderr`` what it printed."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        super().__init__(f"exit code {code}: {stderr.decode(errors='replace')[:500]}")
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


@dataclass(frozen=True)
class ErrorValue:
    """A non-nil ``error``: its message and dynamic type. As an argument the type is ignored."""

    message: str
    type: str = "*errors.errorString"


@dataclass(frozen=True)
class Ref:
    """An argument that is a new pointer to ``value``: tells a pointer to nil from nil."""

    value: Any


@dataclass(frozen=True)
class Boxed:
    """An argument in an interface: ``value`` as the plugin's function ``maker`` returns it."""

    maker: str
    value: Any


@dataclass(frozen=True)
class Pairs:
    """A map whose keys have no hash in Python."""

    items: Sequence[tuple[Any, Any]]


@dataclass(frozen=True)
class NativeResult:
    """What a call returned: values, their Go types, and what the call printed meanwhile.

    Values are int, float, complex, bool, str (bytes that are not UTF-8 as surrogate escapes),
    bytes, None, :class:`ErrorValue`, list, dict (maps whose keys are hashable; structs by field).
    The type of an interface is that of its content.
    """

    values: tuple[Any, ...]
    types: tuple[str, ...]
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def value(self) -> Any:
        """The only result. Raises :class:`ValueError` where there are none or several."""
        (value,) = self.values
        return value


class NativePlugin:
    """One plugin in one native process, which lives until :meth:`close` or its own end."""

    def __init__(
        self,
        path: Path,
        go_version: str,
        *,
        trimpath: bool = False,
        cc: str | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> None:
        """Start a host that opens ``path``; ``trimpath`` and ``cc`` as the plugin was built.

        ``args`` are ``os.Args[1:]`` of the plugin, ``env`` is added to the environment. Raises
        :class:`NativeError` with Go's words where the plugin cannot be opened, and
        :class:`NativeExit` where an init function ends the process.
        """
        self._outputs = _temporary_file(), _temporary_file()
        request_end, self._requests = os.pipe()
        self._answers, answer_end = os.pipe()
        self._buffer = b""
        host = host_path(go_version, trimpath=trimpath, cc=cc)
        with _temporary_file(stdin) as input_file:
            self._process = subprocess.Popen(
                [str(host), str(request_end), str(answer_end), str(path), *args],
                env={**os.environ, **(env or {})},
                stdin=input_file,
                stdout=self._outputs[0],
                stderr=self._outputs[1],
                pass_fds=(request_end, answer_end),
            )
        os.close(request_end)
        os.close(answer_end)
        try:
            self._answer(CALL_TIMEOUT)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def type(self, name: str) -> str:
        """The Go type of a symbol: a function's signature, a variable's own type."""
        answer, _ = self._ask({"op": "type", "name": name})
        return str(answer["type"])

    def call(self, name: str, *args: Any, timeout: float = CALL_TIMEOUT) -> NativeResult:
        """Call a function with Python values.

        They are converted by the types of the parameters. For a parameter of an interface type
        ``("int32", 7)`` says which basic type is meant. Raises :class:`NativePanic`,
        :class:`NativeGoexit`, :class:`NativeExit`, :class:`NativeError`, or
        :class:`TimeoutError` after ``timeout`` seconds (and then the process is killed).
        """
        request = {"op": "call", "name": name, "args": [encode(arg) for arg in args]}
        answer, (stdout, stderr) = self._ask(request, timeout)
        if "panic" in answer:
            panic = answer["panic"]
            raise NativePanic(_text(panic["text"]), panic["type"], panic["stack"])
        if "goexit" in answer:
            raise NativeGoexit(name)
        values = answer.get("values", [])
        return NativeResult(
            tuple(decode(value) for value in values),
            tuple(value["t"] for value in values),
            stdout,
            stderr,
        )

    def get(self, name: str) -> Any:
        """The value of a variable."""
        answer, _ = self._ask({"op": "get", "name": name})
        return decode(answer["values"][0])

    def set(self, name: str, value: Any) -> None:
        """Set a variable."""
        self._ask({"op": "set", "name": name, "value": encode(value)})

    def close(self) -> None:
        """End the process and free what it holds. Closing twice is fine."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._requests >= 0:
            os.close(self._requests)
            os.close(self._answers)
            self._requests = -1
        for file in self._outputs:
            file.close()

    def _ask(
        self, request: dict[str, Any], timeout: float = CALL_TIMEOUT
    ) -> tuple[dict[str, Any], tuple[bytes, bytes]]:
        """Send a request; its answer, and what was printed to stdout and stderr meanwhile."""
        if self._requests < 0:
            raise NativeError("the process has ended")
        marks = [os.fstat(file.fileno()).st_size for file in self._outputs]
        try:
            _write_all(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            self._raise_exit()
        answer = self._answer(timeout)
        stdout, stderr = (
            _read_from(file, mark) for file, mark in zip(self._outputs, marks, strict=True)
        )
        return answer, (stdout, stderr)

    def _answer(self, timeout: float) -> dict[str, Any]:
        """Read one line from the host."""
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], timeout)
            if not ready:
                self.close()
                raise TimeoutError(f"no answer from the native plugin for {timeout} seconds")
            chunk = os.read(self._answers, 1 << 16)
            if not chunk:
                self._raise_exit()
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NativeError(answer["error"])
        return answer

    def _raise_exit(self) -> None:
        """Raise :class:`NativeExit` for a process that is gone."""
        code = self._process.wait()
        stdout, stderr = (_read_from(file, 0) for file in self._outputs)
        self.close()
        raise NativeExit(code, stdout, stderr)


def can_run_natively() -> bool:
    """Whether this machine runs Linux x86-64 programs."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def encode(value: Any) -> Any:
    """A Python value as the host's JSON; ``fixtures/oracle_host/values.go: argument``."""
    match value:
        case None:
            return None
        case bool():
            return {"bool": value}
        case int():
            return {"int": str(value)}
        case float():
            return {"float": _bits(value)}
        case complex():
            return {"complex": [_bits(value.real), _bits(value.imag)]}
        case str():
            return {"str": _base64(value.encode("utf-8", "surrogateescape"))}
        case bytes() | bytearray() | memoryview():
            return {"bytes": _base64(bytes(value))}
        case ErrorValue():
            return {"error": _base64(value.message.encode("utf-8", "surrogateescape"))}
        case list():
            return {"list": [encode(item) for item in value]}
        case dict():
            return {"map": [[encode(key), encode(item)] for key, item in value.items()]}
        case Pairs():
            return {"map": [[encode(key), encode(item)] for key, item in value.items]}
        case Ref():
            return {"ref": encode(value.value)}
        case Boxed():
            return {"call": value.maker, "of": encode(value.value)}
        case (str() as kind, content):
            return {"typed": kind, "of": encode(content)}
    raise TypeError(f"no Go value for {value!r}")


def decode(value: dict[str, Any]) -> Any:
    """A value of the host's JSON as Python's; ``fixtures/oracle_host/values.go: value``."""
    kind, content = value["k"], value["v"]
    if kind == "error":
        return ErrorValue(_text(content), value["t"])
    if content is None:
        return None
    if kind.startswith(("int", "uint")) and kind != "interface":
        return int(content)
    if kind in ("float32", "float64"):
        return _float(content)
    if kind in ("complex64", "complex128"):
        return complex(_float(content[0]), _float(content[1]))
    if kind == "string":
        return _text(content)
    if kind == "bytes":
        return base64.b64decode(content)
    if kind in ("slice", "array"):
        return [decode(item) for item in content]
    if kind == "map":
        return {decode(key): decode(item) for key, item in content}
    if kind == "struct":
        return {name: decode(item) for name, item in content}
    if kind == "ptr":
        return decode(content)
    return content


def _temporary_file(content: bytes = b"") -> BinaryIO:
    """A file without a name, standing at its start. A pipe would fill up and block the plugin."""
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (the plugin closes it)
    file.write(content)
    file.seek(0)
    return file


def _read_from(file: BinaryIO, mark: int) -> bytes:
    """What is in a file from a position on, without moving the position that writers share."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size - mark, mark)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def _float(bits: str) -> float:
    number: float = struct.unpack(">f" if len(bits) == 8 else ">d", bytes.fromhex(bits))[0]
    return number


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text(data: str) -> str:
    return base64.b64decode(data).decode("utf-8", "surrogateescape")
