"""Python type hints for Go types: for what is read, and for what may be written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emuplugin.stubs import members
from emuplugin.values.gotype import GoType
from emuplugin.values.times import is_duration, is_time

if TYPE_CHECKING:
    from emuplugin.values.context import Context

_PLAIN = {
    "bool": "bool", "string": "str", "float32": "float", "float64": "float",
    "complex64": "complex", "complex128": "complex", "uintptr": "int",
    **{f"{sign}int{bits}": "int" for sign in ("", "u") for bits in ("", 8, 16, 32, 64)},
}  # fmt: skip
_NUMBERS = frozenset(_PLAIN) - {"string"}
_OUTSIDE = re.compile(r"\W+")


class Hints:
    """Hints for one stub file, with the classes that they refer to."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._names: dict[tuple[GoType, str], str] = {}
        self._bodies: dict[str, list[str]] = {}
        self._open: list[GoType] = []

    def classes(self) -> list[str]:
        """The lines of all classes that hints refer to."""
        return [line for body in self._bodies.values() for line in (*body, "")]

    def read(self, go_type: GoType) -> str:
        """What reading a value gives. Of a type that only leads to itself (``type T *T``): Any."""
        if go_type.kind == "struct":
            return self.struct(go_type)
        if go_type in self._open:
            return "_Any"
        self._open.append(go_type)
        try:
            return self._read(go_type)
        finally:
            self._open.remove(go_type)

    def _read(self, go_type: GoType) -> str:
        kind = go_type.kind
        if kind in _PLAIN:
            return "_datetime.timedelta" if is_duration(go_type) else _PLAIN[kind]
        if go_type.is_error:
            return "BaseException | None"
        if kind == "interface":
            return f"{self._interface(go_type)} | None"
        if kind == "ptr":
            return f"{self.pointer(go_type)} | None"
        if kind == "slice":
            if go_type.elem.kind == "uint8":
                return "bytes"
            return self._extended(go_type, f"Slice[{self._both(go_type.elem)}]")
        if kind == "array":
            return self._extended(go_type, f"Array[{self._both(go_type.elem)}]")
        if kind == "map":
            base = f"Map[{self.read(go_type.key)}, {self._both(go_type.elem)}]"
            return f"{self._extended(go_type, base)} | None"
        if kind == "chan":
            return f"{self._extended(go_type, f'Channel[{self._both(go_type.elem)}]')} | None"
        if kind == "func":
            return f"_Callable[{self._accepted(go_type)}, {self.result(go_type)}] | None"
        return "_Any"  # unsafe.Pointer

    def write(self, go_type: GoType) -> str:
        """What may be given where a value is expected; Go checks the rest at run time."""
        if go_type in self._open:
            return "_Any"
        self._open.append(go_type)
        try:
            return self._write(go_type)
        finally:
            self._open.remove(go_type)

    def _write(self, go_type: GoType) -> str:
        kind = go_type.kind
        if is_duration(go_type):
            return "_datetime.timedelta | int"
        if is_time(go_type):
            return f"_datetime.datetime | {self.struct(go_type)}"
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == "struct":
            return f"{self.struct(go_type)} | {members.MADE_OF}"
        if kind == "slice" and go_type.elem.kind == "uint8":
            return "_Buffer | Slice[int, int] | None"
        if kind in ("slice", "array"):
            numbers = "_Buffer | " if go_type.elem.kind in _NUMBERS else ""
            nil = " | None" if kind == "slice" else ""
            return f"{numbers}_Iterable[{self.write(go_type.elem)}]{nil}"
        if kind == "map":
            # Mapping is invariant in its keys: a dict of plain ones must do.
            key = self.read(go_type.key) if go_type.key.kind in _PLAIN else "_Any"
            return f"_Mapping[{key}, {self.write(go_type.elem)}] | None"
        if kind == "ptr":
            pointer = self.pointer(go_type)
            if go_type.elem.kind == "struct":
                return f"{pointer} | {self.struct(go_type.elem)} | {members.MADE_OF} | None"
            return f"{pointer} | None"
        if kind == "chan":
            return f"Channel[{self._both(go_type.elem)}] | None"
        if kind == "func":
            return f"_Callable[{self._given(go_type)}, {self.returned(go_type)}] | None"
        if go_type.is_error:
            return "BaseException | None"
        if kind == "interface" and go_type.methods:
            return f"{self._protocol(go_type)} | None"
        return "_Any"

    def incoming(self, go_type: GoType) -> str:
        """What a Python function gets as an argument from Go."""
        if go_type.kind == "slice" and go_type.elem.kind == "uint8":
            return "memoryview"
        return self.read(go_type)

    # --- functions --------------------------------------------------------------------------

    def params(self, go_type: GoType) -> list[str]:
        """The parameters of a Go function, as Python calls it."""
        return _listed(go_type, self.write)

    def result(self, go_type: GoType) -> str:
        """What a call of a Go function gives."""
        return _tuple([self.read(result) for result in _without_error(go_type)])

    def results(self, go_type: GoType) -> str:
        """What its method ``results`` gives."""
        hints = [self.read(result) for result in go_type.results]
        return f"tuple[{', '.join(hints) or '()'}]"

    def params_given(self, go_type: GoType) -> list[str]:
        """The parameters of a Python method that Go calls."""
        return _listed(go_type, self.incoming)

    def returned(self, go_type: GoType) -> str:
        """What a Python function that Go calls has to return."""
        results = _without_error(go_type)
        return _tuple([self.write(result) for result in results]) if results else "object"

    def _accepted(self, go_type: GoType) -> str:
        hints = ", ".join(self.write(param) for param in go_type.params)
        return "..." if go_type.variadic else f"[{hints}]"

    def _given(self, go_type: GoType) -> str:
        hints = ", ".join(self.incoming(param) for param in go_type.params)
        return "..." if go_type.variadic else f"[{hints}]"

    def function_class(self, name: str, go_type: GoType) -> str:
        """The name of a class for a function, whose call has the function's signature."""
        class_name = f"_Function_{name}"
        params = "".join(f", {param}" for param in self.params(go_type))
        self._bodies[class_name] = [
            f"class {class_name}(emuplugin.Function):",
            f"    def __call__(self{params}) -> {self.result(go_type)}: ...",
            f"    def results(self{params}) -> {self.results(go_type)}: ...",
        ]
        return class_name

    # --- classes ----------------------------------------------------------------------------

    def struct(self, go_type: GoType) -> str:
        """The class of a struct type."""
        return self._class(go_type, "", lambda name: members.struct_class(self, name, go_type))

    def pointer(self, go_type: GoType) -> str:
        """The class of a pointer type: with the members of the struct that it points to."""
        base = f"Pointer[{self._both(go_type.elem)}]"
        if go_type.elem.kind != "struct" or "value" in members.names(self, go_type.elem):
            return self._extended(go_type, base)
        struct = self.struct(go_type.elem)
        return self._class(
            go_type.elem,
            "_pointer",
            lambda name: [f"class {name}({members.parts_of(struct)}, {base}): ..."],
        )

    def _interface(self, go_type: GoType) -> str:
        return self._extended(go_type, "Interface")

    def _protocol(self, go_type: GoType) -> str:
        return self._class(
            go_type, "_like", lambda name: members.protocol_class(self, name, go_type)
        )

    def _extended(self, go_type: GoType, base: str) -> str:
        """A class with the methods of a type, on top of ``base``; that itself if it has none."""
        methods = members.methods(self, go_type)
        if not methods:
            return base
        return self._class(go_type, "", lambda name: [f"class {name}({base}):", *methods])

    def _class(self, go_type: GoType, suffix: str, body: members.Body) -> str:
        key = go_type, suffix
        if key in self._names:
            return self._names[key]
        # With the package: main_Point. A plain Point could be the name of a field too.
        text = go_type.string if go_type.named else f"{go_type.kind}_type"
        if go_type.kind == "ptr" and go_type.elem.named:
            text = f"{go_type.elem.string}_pointer"
        base = _OUTSIDE.sub("_", text).strip("_") + suffix
        name, number = base, 2
        while name in self._names.values():
            name, number = f"{base}_{number}", number + 1
        self._names[key] = name
        self._bodies[name] = []  # its place: before the classes that it leads to
        waiting, self._open = self._open, []
        self._bodies[name] = body(name)
        self._open = waiting
        return name

    def _both(self, go_type: GoType) -> str:
        return f"{self.read(go_type)}, {self.write(go_type)}"


def _without_error(go_type: GoType) -> list[GoType]:
    results = list(go_type.results)
    return results[:-1] if results and results[-1].is_error else results


def _tuple(hints: list[str]) -> str:
    if len(hints) == 1:
        return hints[0]
    return f"tuple[{', '.join(hints)}]" if hints else "None"


def _listed(go_type: GoType, hint: members.Hint) -> list[str]:
    params = [f"arg{number}: {hint(param)}" for number, param in enumerate(go_type.params, 1)]
    if go_type.variadic:
        params[-1] = f"*args: {hint(go_type.params[-1].elem)}"
        return [*params[:-1], *(["/"] if params[:-1] else []), params[-1]]
    return [*params, "/"] if params else []
