"""Sandboxes as TOML or JSON: what may stand there, and what it becomes.

The keys are the fields of :class:`emuplugin.Sandbox` but for the file objects, and ``preset``, the
name of what the rest is a change of. What is not known is refused: a misspelt limit must not pass
for no limit.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from .errors import ConfigurationError
from .network import Network
from .presets import PRESETS
from .sandbox import Limits, Mount, Sandbox
from .units import count, duration, size

_UNLIMITED: Final = "unlimited"
_SIZES: Final = ("memory", "output", "file_bytes")


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments of Sandbox that a file describes. Raises ConfigurationError."""
    file = Path(path)
    readers = {".toml": from_toml, ".json": from_json}
    reader = readers.get(file.suffix.lower())
    try:
        if reader is None:
            raise ConfigurationError("a sandbox file's name ends in .toml or .json")
        return reader(file.read_text(encoding="utf-8"), file.parent)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigurationError(reason, path=os.fspath(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", path=os.fspath(path)) from error
    except ConfigurationError as error:
        error.path = os.fspath(path)
        raise


def from_toml(text: str, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """As :func:`load`; relative paths count from ``folder``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"is not TOML: {error}") from error
    return _Reader(folder).sandbox(document)


def from_json(text: str, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """As :func:`load`; relative paths count from ``folder``."""
    try:
        document = json.loads(text, object_pairs_hook=_no_doubles)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"is not JSON: {error}") from error
    return _Reader(folder).sandbox(document)


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """TOML refuses keys that are there twice, so JSON does."""
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError("is there twice", key=double)
    return result


class _Reader:
    """From parsed text to arguments. ``folder`` is where relative paths count from."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._kinds: dict[str, Callable[[str, Any], Any]] = {
            "preset": self._preset,
            "args": _texts,
            "env": _text_table,
            "mounts": self._mounts,
            "files": self._files,
            "network": _network,
            "clock": _text,
            "epoch": _moment,
            "seed": _seed,
            "cpus": _number,
            "accelerators": _switch,
            "limits": lambda key, value: value,  # needs the preset's
        }

    def sandbox(self, document: object) -> dict[str, Any]:
        table = _table("", document)
        _check_keys("", table, self._kinds)
        given = {name: self._kinds[name](name, value) for name, value in table.items()}
        result = {**PRESETS[given.pop("preset", "default")]}
        if "limits" in given:
            given["limits"] = _limits(result.get("limits") or Limits(), given["limits"])
        with _place(""):
            Sandbox(**(result | given))  # refused as a whole?
        return result | given

    def _preset(self, key: str, value: object) -> str:
        if value not in PRESETS:
            _refuse(key, f"{value!r} is none of {', '.join(PRESETS)}")
        return str(value)

    def _mounts(self, key: str, value: object) -> dict[str, Mount]:
        mounts = {}
        for path, given in _table(key, value).items():
            here = f'{key}."{path}"'
            mount = {"path": given} if isinstance(given, str) else _table(here, given)
            _check_keys(here, mount, ("path", "mode"))
            if not isinstance(mount.get("path"), str):
                _refuse(here, 'must be a folder, or { path = "folder", mode = "read" }')
            with _place(here):
                mounts[path] = Mount(
                    self._folder / mount["path"], _text(f"{here}.mode", mount.get("mode", "read"))
                )
        return mounts

    def _files(self, key: str, value: object) -> dict[str, str | bytes]:
        files: dict[str, str | bytes] = {}
        for path, given in _table(key, value).items():
            here = f'{key}."{path}"'
            if isinstance(given, str):
                files[path] = given
                continue
            table = _table(here, given)
            _check_keys(here, table, ("path", "base64"))
            if len(table) != 1:
                _refuse(here, 'must be a text, { path = "FILE" } or { base64 = "..." }')
            ((kind, text),) = table.items()
            text = _text(f"{here}.{kind}", text)
            try:
                files[path] = (
                    (self._folder / text).read_bytes()
                    if kind == "path"
                    else base64.b64decode(text, validate=True)
                )
            except OSError as error:
                _refuse(here, f"{self._folder / text} cannot be read: {error.strerror or error}")
            except binascii.Error:
                _refuse(here, "is not base64")
        return files


@contextmanager
def _place(key: str) -> Iterator[None]:
    """ValueErrors inside are about that place."""
    try:
        yield
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(str(error), key=key) from error


def _limits(base: Limits, given: object) -> Limits:
    table = _table("limits", given)
    _check_keys("limits", table, [field.name for field in fields(Limits)])
    changes: dict[str, Any] = {}
    for name, value in table.items():
        key = f"limits.{name}"
        with _place(key):
            if value is None or value == _UNLIMITED:
                changes[name] = None
            elif isinstance(value, str):
                parse = size if name in _SIZES else duration if name == "seconds" else count
                changes[name] = parse(value)
            else:
                changes[name] = value
            replace(base, **{name: changes[name]})  # so that an error names the place
    return replace(base, **changes)


def _network(key: str, value: object) -> Network:
    table = _table(key, value)
    _check_keys(key, table, ("connect", "listen", "resolve"))
    arguments: dict[str, Any] = {}
    for name, given in table.items():
        here = f"{key}.{name}"
        if name == "resolve":
            arguments[name] = {
                host: address if isinstance(address, str) else _texts(f"{here}.{host}", address)
                for host, address in _table(here, given).items()
            }
        else:
            arguments[name] = _texts(here, given)
    with _place(key):
        return Network(**arguments)


def _table(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(key, "must be a table of names and values")
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        _refuse(key, 'must be a list of texts, such as ["one", "two"]')
    return tuple(value)


def _text_table(key: str, value: object) -> dict[str, str]:
    return {name: _text(f"{key}.{name}", text) for name, text in _table(key, value).items()}


def _text(key: str, value: object) -> Any:
    if not isinstance(value, str):
        _refuse(key, f"must be a text in quotes, not {value!r}")
    return value


def _number(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(key, f"must be a whole number, not {value!r}")
    return value


def _switch(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(key, f"must be true or false, not {value!r}")
    return value


def _seed(key: str, value: object) -> int | None:
    if value is None or value == "host":
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(key, f'must be a whole number, or "host" for the host\'s chance, not {value!r}')
    return value


def _moment(key: str, value: object) -> float:
    """Seconds since 1970: a number, a TOML date and time, or one as text (ISO 8601)."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            _refuse(key, f"{value!r} is no date and time; write one like 2026-01-01T00:00:00Z")
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if not isinstance(value, int | float) or isinstance(value, bool):
        _refuse(key, "must be seconds since 1970, or a date and time")
    return float(value)


def _check_keys(key: str, table: Mapping[str, Any], known: Any) -> None:
    for name in table:
        if name in known:
            continue
        here = f"{key}.{name}" if key else name
        if name in ("stdin", "stdout", "stderr", "handler"):
            _refuse(here, "cannot stand in a file; it is something that only Python can give")
        close = get_close_matches(name, list(known), n=2)
        advice = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        _refuse(here, f"there is no such key; {advice}")


def _refuse(key: str, reason: str) -> NoReturn:
    raise ConfigurationError(reason, key=key)
