"""Python type hints for Go types: for what is read, and for what may be written."""

from __future__ import annotations

import keyword
import re

from emuplugin.values.gotype import GoType
from emuplugin.values.times import is_duration, is_time

_PLAIN = {
    "bool": "bool", "string": "str", "float32": "float", "float64": "float",
    "complex64": "complex", "complex128": "complex", "uintptr": "int",
    **{f"{sign}int{bits}": "int" for sign in ("", "u") for bits in ("", 8, 16, 32, 64)},
}  # fmt: skip
_OUTSIDE = re.compile(r"\W+")


class Hints:
    """Hints for one stub file, with the classes that they refer to."""

    def __init__(self) -> None:
        self._names: dict[GoType, str] = {}
        self._bodies: dict[str, list[str]] = {}
        self._open: list[GoType] = []

    def classes(self) -> list[str]:
        """The lines of all classes that hints refer to."""
        return [line for body in self._bodies.values() for line in (*body, "")]

    def read(self, go_type: GoType) -> str:
        """What reading a value gives. Of a type that only leads to itself (``type T *T``): Any."""
        if go_type.kind == "struct":
            return self._struct(go_type)
        if go_type in self._open:
            return "Any"
        self._open.append(go_type)
        try:
            return self._read(go_type)
        finally:
            self._open.remove(go_type)

    def _read(self, go_type: GoType) -> str:
        kind = go_type.kind
        if kind in _PLAIN:
            return "datetime.timedelta" if is_duration(go_type) else _PLAIN[kind]
        if go_type.is_error:
            return "emuplugin.GoError | None"
        if kind == "interface":
            return "Interface | None"
        if kind == "struct":
            return self._struct(go_type)
        if kind == "ptr":
            return f"Pointer[{self.read(go_type.elem)}] | None"
        if kind == "slice":
            if go_type.elem.kind == "uint8":
                return "bytes"
            return f"Slice[{self.read(go_type.elem)}]"
        if kind == "array":
            return f"Sequence[{self.read(go_type.elem)}]"
        if kind == "map":
            return f"MutableMapping[{self.read(go_type.key)}, {self.read(go_type.elem)}] | None"
        if kind == "chan":
            return f"Channel[{self.read(go_type.elem)}] | None"
        if kind == "func":
            return f"Callable[..., {self._result(go_type)}] | None"
        return "Any"

    def write(self, go_type: GoType) -> str:
        """What may be given where a value is expected; Go checks the rest at run time."""
        kind = go_type.kind
        if is_duration(go_type):
            return "datetime.timedelta | int"
        if is_time(go_type):
            return f"datetime.datetime | {self._struct(go_type)}"
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == "slice" and go_type.elem.kind == "uint8":
            return "bytes | bytearray | memoryview | Slice[int] | None"
        if kind in ("slice", "array"):
            nil = " | None" if kind == "slice" else ""
            return f"Sequence[{self.write(go_type.elem)}] | Any{nil}"
        if kind == "struct":
            return f"{self._struct(go_type)} | Mapping[str, Any] | Any"
        return "Any"

    def function_class(self, name: str, go_type: GoType) -> str:
        """The name of a class for a function, whose call has the function's signature."""
        class_name = f"_Function_{name}"
        result, results = self._result(go_type), self._results(go_type)
        params = "".join(f", {param}" for param in self._params(go_type))
        self._bodies[class_name] = [
            f"class {class_name}(emuplugin.Function):",
            f"    def __call__(self{params}) -> {result}: ...",
            f"    def results(self{params}) -> {results}: ...",
        ]
        return class_name

    def _params(self, go_type: GoType) -> list[str]:
        params = [
            f"arg{number}: {self.write(param)}" for number, param in enumerate(go_type.params, 1)
        ]
        if go_type.variadic:
            params[-1] = f"*args: {self.write(go_type.params[-1].elem)}"
            return [*params[:-1], *(["/"] if params[:-1] else []), params[-1]]
        return [*params, "/"] if params else []

    def _result(self, go_type: GoType) -> str:
        results = list(go_type.results)
        if results and results[-1].is_error:
            results.pop()
        hints = [self.read(result) for result in results]
        if len(hints) == 1:
            return hints[0]
        return f"tuple[{', '.join(hints)}]" if hints else "None"

    def _results(self, go_type: GoType) -> str:
        hints = [self.read(result) for result in go_type.results]
        return f"tuple[{', '.join(hints) or '()'}]"

    def _struct(self, go_type: GoType) -> str:
        found = self._names.get(go_type)
        if found is not None:
            return found
        # With the package: main_Point. A plain Point could be the name of a field too.
        base = _OUTSIDE.sub("_", go_type.string if go_type.named else "struct_type").strip("_")
        name, number = base, 2
        while name in self._names.values():
            name, number = f"{base}_{number}", number + 1
        self._names[go_type] = name
        body = self._bodies[name] = [f"class {name}:", f"    # {go_type.string}"]
        for field in go_type.fields:
            if field.name.isidentifier() and not keyword.iskeyword(field.name):
                if field.name.startswith("_"):
                    continue
                hint = self.read(field.type)
                body.append(f"    @property\n    def {field.name}(self) -> {hint}: ...")
                body.append(f"    @{field.name}.setter")
                body.append(
                    f"    def {field.name}(self, value: {self.write(field.type)}) -> None: ..."
                )
        body.append("    def __getitem__(self, name: str) -> Any: ...")
        body.append("    def __getattr__(self, name: str) -> Any: ...")
        return name
