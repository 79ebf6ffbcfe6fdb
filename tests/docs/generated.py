"""The parts of the documentation that come from the code: ``python -m tests.docs.generated``.

A page marks the place of a part with two comments, ``<!-- generated: NAME -->`` and
``<!-- end -->``; what stands between them is replaced. The tests compare, and this command
brings the pages up to date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

import click

import emuplugin
from emuplugin import Sandbox, build, errors
from emuplugin.build import PATCHES
from emuplugin.cli.app import app
from emuplugin.cli.exit_codes import MEANINGS
from emuplugin.cli.sandbox_options import LIMIT_OPTIONS
from emuplugin.elf.buildinfo import BuildInfo, Module
from emuplugin.elf.refusals import GOAMD64_LEVELS
from emuplugin.report import ConnectionAttempt, FileUse, ProcessAttempt, Refusal, Report
from emuplugin.runtime_shims import boot
from emuplugin.runtime_shims.inits import InitTrace
from emuplugin.runtime_shims.kernel import kernel  # noqa: F401  (its subjects fill the table)
from emuplugin.runtime_shims.kernel.table import TABLE
from emuplugin.runtime_shims.layouts import known_versions
from emuplugin.runtime_shims.layouts.tables import load_table
from emuplugin.tracing import Trace
from emuplugin.tracing.formats import FORMATS

from .blocks import PAGES

_PART = re.compile(
    r"(?P<start><!-- generated: (?P<name>[\w. ]+) -->\n).*?(?P<end><!-- end -->)", re.S
)

_NEWLINE = "\n"
_STARS: dict[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}

#: What the API reference shows of each class: its members in reading order.
MEMBERS: dict[type, tuple[str, ...]] = {
    emuplugin.Machine: (
        "open", "reset", "snapshot", "restore", "clone", "close", "state", "plugins", "report",
        "files", "listening",
        "instructions", "interrupt", "send_signal", "run_goroutines", "trace",
        "isolation",
    ),
    emuplugin.Snapshot: ("clone",),
    emuplugin.Plugin: (
        "lookup", "exports", "type", "make", "types", "build_info", "init_trace", "relocations",
        "close",
    ),
    emuplugin.Variable: ("value", "type"),
    emuplugin.Function: ("__call__", "results", "map", "array", "type", "signature"),
    emuplugin.Sandbox: ("strict", "default", "trusted", "load", "from_toml", "from_json"),
    emuplugin.Limits: (),
    emuplugin.Mount: (),
    emuplugin.Network: (),
    emuplugin.Connection: ("accept_now",),
    emuplugin.Datagrams: ("recv", "send", "settimeout", "close"),
    emuplugin.Explanation: ("html", "text", "save"),
    Trace: ("start", "stop", "of", "rerun", "save"),
    Report: ("to_dict", "to_json"),
    Refusal: (),
    FileUse: (),
    ConnectionAttempt: (),
    ProcessAttempt: (),
    InitTrace: (),
    BuildInfo: (),
    Module: (),
    build.BuiltPlugin: (),
}  # fmt: skip
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    emuplugin.open,
    emuplugin.explain,
    emuplugin.trace,
    build.build_plugin,
    build.fetch_toolchain,
    build.available_versions,
)


def render(page: str) -> str:
    """A page with its generated parts brought up to date."""

    def replace(match: re.Match[str]) -> str:
        text = "\n".join(_PARTS[match["name"]]()).strip("\n")
        return f"{match['start']}{text}\n{match['end']}"

    return _PART.sub(replace, page)


def parts_of(page: str) -> list[str]:
    """The names of a page's generated parts."""
    return [match["name"] for match in _PART.finditer(page)]


# --- Python ---------------------------------------------------------------------------------


def _class(kind: type) -> Iterator[str]:
    if dataclasses.is_dataclass(kind):
        yield from _code(f"{kind.__name__}(\n{''.join(_fields(kind))})")
    elif kind is emuplugin.Machine:  # the others are not for users to make
        yield from _code(_signature(kind, kind.__name__))
    yield _docstring(kind)
    for name in MEMBERS[kind]:
        member = inspect.getattr_static(kind, name)
        if isinstance(member, classmethod):
            member = member.__func__
            yield from ("", f"**`{_signature(member, f'{kind.__name__}.{name}')}`**", "")
        elif isinstance(member, FunctionType):
            title = _signature(member, "" if name == "__call__" else f".{name}")
            yield from ("", f"**`{kind.__name__.lower()}{title}`**", "")
        else:
            accessor: Any = getattr(member, "fget", None) or getattr(member, "func", None)
            returns = inspect.signature(accessor).return_annotation
            writable = ", can be set" if getattr(member, "fset", None) else ""
            yield from ("", f"**`{kind.__name__.lower()}.{name}`** (`{returns}`{writable})", "")
        yield _docstring(member)


def _fields(kind: Any) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        text = "" if default is dataclasses.MISSING else f" = {default!r}"
        yield f"    {field.name}: {field.type}{text},\n"


def _function(function: Callable[..., Any]) -> Iterator[str]:
    yield from _code(_signature(function, function.__name__))
    yield _docstring(function)


def _signature(thing: Callable[..., Any], name: str) -> str:
    """``name(...) -> type``, annotations as the source has them; on several lines if it is long."""
    signature = inspect.signature(thing)
    parameters, keyword_only = [], False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parameters.append("*")
            keyword_only = True
        # Behind *args a parameter has to be named anyway.
        keyword_only = keyword_only or parameter.kind is parameter.VAR_POSITIONAL
        star = _STARS.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parameters.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    returns = signature.return_annotation
    arrow = "" if isinstance(thing, type) or returns in (None, "None") else f" -> {returns}"
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) <= 100:
        return line
    return f"{name}(\n{''.join(f'    {parameter},{_NEWLINE}' for parameter in parameters)}){arrow}"


def _code(text: str) -> Iterator[str]:
    # Not "python": that would be run as an example.
    yield from ("```py", text, "```", "")


def _docstring(thing: Any) -> str:
    text = inspect.cleandoc(thing.__doc__ or "")
    # Sphinx roles: the last part of the name is what a reader knows.
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    text = text.replace("``", "`").replace("::\n", ":\n")
    return text


# --- tables ---------------------------------------------------------------------------------


def _syscalls() -> Iterator[str]:
    levels = [entry.level for entry in TABLE.values()]
    yield (
        f"{len(TABLE)} calls: {levels.count('full')} full, {levels.count('partial')} partial, "
        f"{levels.count('refused')} refused."
    )
    yield from ("", "| number | name | support | note |", "| ---: | --- | --- | --- |")
    for number, entry in sorted(TABLE.items()):
        yield f"| {number} | `{entry.name}` | {entry.level} | {entry.note} |"


def _versions() -> Iterator[str]:
    yield "| Go | built by default | measured releases |"
    yield "| --- | --- | --- |"
    for version in known_versions():
        minor = version.removeprefix("go")
        measured = ", ".join(name.removeprefix("go") for name in load_table(version).layouts)
        yield f"| {minor} | {PATCHES[minor]} | {measured} |"


def _patch_changes() -> Iterator[str]:
    for version in known_versions():
        layouts = list(load_table(version).layouts.values())
        for before, after in pairwise(layouts):
            changed = {
                part: [
                    name
                    for name in sorted(old.keys() | after.parts()[part].keys())
                    if old.get(name) != after.parts()[part].get(name)
                ]
                for part, old in before.parts().items()
            }
            told = [
                f"{part}: {', '.join(f'`{name}`' for name in names)}"
                for part, names in changed.items()
                if names
            ]
            if told:
                span = f"{before.version} to {after.version}".replace("go", "")
                yield f"- {span}: {'; '.join(told)}"


def _goamd64() -> Iterator[str]:
    yield f"GOAMD64 may be {' or '.join(GOAMD64_LEVELS)}."


def _steps() -> Iterator[str]:
    yield "| step | stands for | what it does |"
    yield "| --- | --- | --- |"
    for step, stands_for in boot.STEPS:
        names = ", ".join(f"`{name}`" for name in stands_for.split(", "))
        summary = _docstring(step).partition("\n\n")[0].replace("\n", " ")
        yield f"| `{step.__name__}` | {names} | {summary} |"


def error_classes() -> list[type[BaseException]]:
    """The classes of ``errors.py``, in its order."""
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]


def own_attributes(kind: type[BaseException]) -> list[str]:
    """The attributes that a class sets and its bases do not."""
    own = vars(kind).get("__init__")
    if own is None:
        return []
    names = list(dict.fromkeys(re.findall(r"self\.(\w+) =", inspect.getsource(own))))
    inherited = {name for base in kind.__bases__ for name in _all_attributes(base)}
    return [name for name in names if name not in inherited]


def _all_attributes(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        if base.__module__ == errors.__name__ and "__init__" in vars(base):
            yield from re.findall(r"self\.(\w+) =", inspect.getsource(vars(base)["__init__"]))


def _error_tree() -> Iterator[str]:
    yield "```text"
    yield from _subclasses(errors.EmupluginError, 0)
    yield "```"


def _subclasses(kind: type[BaseException], depth: int) -> Iterator[str]:
    also = [base.__name__ for base in kind.__bases__ if base.__module__ == "builtins"]
    also = [name for name in also if name != "Exception"]
    attributes = own_attributes(kind)
    notes = [f"also {', '.join(also)}"] if also else []
    notes += [f"has {', '.join(attributes)}"] if attributes else []
    yield f"{'    ' * depth}{kind.__name__}{'    (' + '; '.join(notes) + ')' if notes else ''}"
    for child in error_classes():
        if kind in child.__bases__:
            yield from _subclasses(child, depth + 1)


# --- command line ---------------------------------------------------------------------------


def _exit_codes() -> Iterator[str]:
    yield from ("| code | meaning |", "| ---: | --- |")
    for code, meaning in MEANINGS.items():
        yield f"| {int(code)} | {meaning} |"


def _presets() -> Iterator[str]:
    yield from ("| option | strict | default | trusted |", "| --- | ---: | ---: | ---: |")
    boxes = [Sandbox.strict(), Sandbox.default(), Sandbox.trusted()]
    for name, option in LIMIT_OPTIONS.items():
        cells = [_amount(name, getattr(box.limits, name)) for box in boxes]
        yield f"| `{option}` | {' | '.join(cells)} |"
    for name in ("clock", "seed"):
        cells = ["host" if getattr(box, name) is None else str(getattr(box, name)) for box in boxes]
        yield f"| `--{name}` | {' | '.join(cells)} |"


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return "unlimited"
    if name == "seconds":
        return f"{value:g} s"
    if name in ("memory", "output", "file_bytes"):
        return f"{int(value) >> 20:,} MiB"
    return f"{value:,}"


def _commands() -> Iterator[str]:
    for name, command in app.commands.items():
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        usage = " ".join(["emuplugin", name, "[OPTIONS]", *(_argument(a) for a in arguments)])
        yield from ("", f"### emuplugin {name}", "", "```text", usage, "```", "")
        yield from (inspect.cleandoc(command.help or ""), "")
        options = [p for p in command.params if isinstance(p, click.Option)]
        yield from (_option(option) for option in options)
        if command.epilog:
            epilog = command.epilog.replace("\b\n", "").strip("\n")
            yield from ("", "```text", epilog, "```")


def _argument(argument: click.Argument) -> str:
    text = argument.metavar or (argument.name or "").upper()
    return text if argument.required or text.startswith("[") else f"[{text}]"


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or 'TEXT'}"
    default = f" Default: {option.default}." if option.show_default else ""
    names = ", ".join([*option.opts, *option.secondary_opts])
    return f"- `{names}{value}`: {option.help}{default}"


def _trace_formats() -> Iterator[str]:
    yield "| format | ending | what it is | trace with | options |"
    yield "| --- | --- | --- | --- | --- |"
    for name, form in FORMATS.items():
        needs = re.sub(r"\w+=\w+", lambda match: f"`{match[0]}`", form.needs) or "anything"
        options = ", ".join(f"`{option}`" for option in form.options)
        yield f"| `{name}` | `{form.suffix}` | {form.summary} | {needs} | {options} |"


_PARTS: dict[str, Callable[[], Iterator[str]]] = {
    **{kind.__name__: partial(_class, kind) for kind in MEMBERS},
    **{function.__name__: partial(_function, function) for function in FUNCTIONS},
    "system calls": _syscalls,
    "go versions": _versions,
    "patch changes": _patch_changes,
    "goamd64": _goamd64,
    "boot steps": _steps,
    "error tree": _error_tree,
    "exit codes": _exit_codes,
    "presets": _presets,
    "commands": _commands,
    "trace formats": _trace_formats,
}
#: The names of all parts that there are.
PART_NAMES = tuple(_PARTS)


def main() -> int:
    """Bring every page up to date; tell which ones changed."""
    for path in PAGES:
        before = path.read_text(encoding="utf-8")
        after = render(before)
        if after != before:
            Path(path).write_text(after, encoding="utf-8")
            print(f"{path.name}: brought up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
