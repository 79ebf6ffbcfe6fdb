"""What the slices and marks of a picture say when they are clicked."""

from __future__ import annotations

from typing import Any

from emuplugin.tracing import events as e

Json = dict[str, Any]


def mark_of(event: e.Event) -> tuple[str, Json]:
    """The name and the details of a mark."""
    match event:
        case e.Allocation():
            details: Json = {"bytes": event.size, "address": f"{event.address:#x}"}
            if event.stack:
                details["at"] = place(event.stack[0])
            return f"new {event.type or 'memory'}", details
        case e.Panicked():
            name = "runtime.Goexit" if event.goexit else f"panic: {event.value}"
            return name, {"stack": [place(frame) for frame in event.stack]}
        case e.Recovered():
            return f"recovered: {event.value}", {"function": event.function}
        case e.Instruction():
            details = {"pc": f"{event.pc:#x}", "function": event.function}
            details |= {change.name: f"{change.new:#x}" for change in event.registers}
            for access in event.memory:
                details[f"{access.kind} {access.address:#x}"] = f"{access.value:#x}"
            return event.text, details
        case e.Watched():
            details = {"old": event.old, "new": event.new, "at": place(event.at)}
            return f"{event.access} {event.variable}", details
        case e.Output():
            return event.stream, {"text": event.text}
        case _:
            return event.kind, {}


def place(frame: e.Frame) -> str:
    return f"{frame.function} {frame.file}:{frame.line}"


def arguments_of(arguments: tuple[e.Argument, ...], unnamed: str = "argument") -> Json:
    """What the details of a slice show of parameters or results; each has a name of its own."""
    shown: Json = {}
    for number, argument in enumerate(arguments):
        name = argument.name if argument.name not in ("", "_") else f"{unnamed} {number}"
        if name in shown:
            name = f"{name} {number}"
        shown[name] = f"{argument.text} ({argument.type})" if argument.type else argument.text
    return shown
