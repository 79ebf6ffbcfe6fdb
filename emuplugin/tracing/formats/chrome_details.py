"""What the slices and marks of a picture say when they are clicked."""

from __future__ import annotations

from typing import Any

from emuplugin.tracing import events as e

Json = dict[str, Any]


def opening(event: e.Event | None) -> Json:
    """What is known of a slice when it begins."""
    match event:
        case e.Call():
            details = _arguments(event.arguments)
            if event.file:
                details["at"] = f"{event.file}:{event.line}"
            return details
        case e.SystemCall():
            details = {"call": f"{event.name}({', '.join(event.arguments)})"}
            if event.goroutine:
                details["goroutine"] = event.goroutine
            return details
        case e.GoroutineCreated():
            return {"parent": event.parent, **_at(event.at)}
        case e.GoroutineRuns():
            return {"thread": event.thread}
        case e.GoroutineWaits():
            return _at(event.at)
        case e.GoroutineReady():
            return {"by": event.by} if event.by else {}
        case e.InitBegins():
            return {"functions": list(event.functions)}
        case e.GCCycle():
            return {"heap at start": event.heap}
        case _:
            return {}


def ending(event: e.Event | None) -> Json:
    """What is known of a slice when it has ended."""
    match event:
        case e.Return():
            details = {"instructions": event.spent, **_arguments(event.results, "result")}
            if event.by_panic:
                details["by panic"] = True
            return details
        case e.SystemCall():
            details = {"result": event.text or event.result}
            if event.errno:
                details["errno"] = event.errno
            return details
        case e.InitEnds():
            return {"instructions": event.spent}
        case e.GCCycle():
            return {"heap at end": event.heap}
        case _:
            return {}


def mark_of(event: e.Event) -> tuple[str, Json]:
    """The name and the details of a mark."""
    match event:
        case e.Allocation():
            details: Json = {"bytes": event.size, "address": f"{event.address:#x}"}
            if event.stack:
                details |= _at(event.stack[0])
            return f"new {event.type or 'memory'}", details
        case e.Panicked():
            name = "runtime.Goexit" if event.goexit else f"panic: {event.value}"
            return name, {"stack": [_place(frame) for frame in event.stack]}
        case e.Recovered():
            return f"recovered: {event.value}", {"function": event.function}
        case e.Instruction():
            details = {"pc": f"{event.pc:#x}", "function": event.function}
            details |= {change.name: f"{change.new:#x}" for change in event.registers}
            for access in event.memory:
                details[f"{access.kind} {access.address:#x}"] = f"{access.value:#x}"
            return event.text, details
        case e.Watched():
            details = {"old": event.old, "new": event.new, **_at(event.at)}
            return f"{event.access} {event.variable}", details
        case e.Output():
            return event.stream, {"text": event.text}
        case _:
            return event.kind, {}


def _at(frame: e.Frame) -> Json:
    return {"at": _place(frame)} if frame.function else {}


def _place(frame: e.Frame) -> str:
    return f"{frame.function} {frame.file}:{frame.line}"


def _arguments(arguments: tuple[e.Argument, ...], unnamed: str = "argument") -> Json:
    """What is shown of parameters or results; each has a name of its own."""
    shown: Json = {}
    for number, argument in enumerate(arguments):
        name = argument.name if argument.name not in ("", "_") else f"{unnamed} {number}"
        if name in shown:
            name = f"{name} {number}"
        shown[name] = f"{argument.text} ({argument.type})" if argument.type else argument.text
    return shown
