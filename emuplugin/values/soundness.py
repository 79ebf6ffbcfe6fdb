"""Whether a type descriptor can be what it says.

The compiler's are; but a plugin can change them or make up its own. What is checked here keeps the
rest of the value layer from walking in circles, and sizes from contradicting each other.
"""

from __future__ import annotations

from emuplugin.errors import CorruptDataError
from emuplugin.values.gotype import GoType

#: Elements of no size that an array or slice may have: in Go they take no memory, in Python they
#: do.
MOST_EMPTY = 1 << 20

_SIZES = {
    "bool": 1, "int": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "uint": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "uintptr": 8,
    "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
    "chan": 8, "func": 8, "interface": 16, "map": 8, "ptr": 8, "slice": 24, "string": 16,
    "unsafe.Pointer": 8,
}  # fmt: skip


def has_right_size(kind: str, size: int) -> bool:
    """Whether values of a kind can have that size, as far as the kind tells."""
    return _SIZES.get(kind, size) == size


def check_sound(go_type: GoType) -> None:
    """CorruptDataError if values of the type would contain themselves, or reach out of
    themselves."""
    _check(go_type, set(), [])


def _check(go_type: GoType, sound: set[GoType], path: list[GoType]) -> None:
    if go_type in sound or go_type.kind not in ("array", "struct"):
        return
    if go_type in path or len(path) > 100:
        raise _corrupt(go_type, "contains itself")
    path.append(go_type)
    if go_type.kind == "array":
        elem, length = go_type.elem, go_type.length
        if elem.size * length != go_type.size or (not elem.size and length > MOST_EMPTY):
            raise _corrupt(go_type, f"has {length} elements of {elem.size} bytes")
        _check(elem, sound, path)
    else:
        for field in go_type.fields:
            if field.offset + field.type.size > go_type.size:
                raise _corrupt(go_type, f"has a field {field.name} outside of itself")
            _check(field.type, sound, path)
    path.pop()
    sound.add(go_type)


def _corrupt(go_type: GoType, what: str) -> CorruptDataError:
    return CorruptDataError(
        f"the type at {go_type.address:#x}, a {go_type.kind} of {go_type.size} bytes, {what}"
    )
