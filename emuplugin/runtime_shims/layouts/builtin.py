"""Types that every Go version has alike, on amd64: what the tables need not say."""

from __future__ import annotations

POINTER_SIZE = 8

#: Sizes of Go's predeclared types.
BUILTIN_SIZES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "int": 8,
    "uint": 8,
    "uintptr": 8,
    "unsafe.Pointer": 8,
    "complex64": 8,
    "complex128": 16,
    "string": 16,
}

#: Sizes of unnamed types, by how their names begin.
SIZES_BY_PREFIX = {
    "[]": 3 * POINTER_SIZE,
    "interface {": 2 * POINTER_SIZE,
    "*": POINTER_SIZE,
    "map[": POINTER_SIZE,
    "chan ": POINTER_SIZE,
    "chan<- ": POINTER_SIZE,
    "<-chan ": POINTER_SIZE,
    "func(": POINTER_SIZE,
}

#: Types that are structs to the runtime but not to a Go program: the fields of their headers
#: (runtime/slice.go: slice; runtime/string.go: stringStruct; runtime/runtime2.go: eface).
SLICE_FIELDS = {"array": (0, "unsafe.Pointer"), "len": (8, "int"), "cap": (16, "int")}
STRING_FIELDS = {"str": (0, "*uint8"), "len": (8, "int")}
EFACE_FIELDS = {"_type": (0, "*internal/abi.Type"), "data": (8, "unsafe.Pointer")}
IFACE_FIELDS = {"tab": (0, "*internal/abi.ITab"), "data": (8, "unsafe.Pointer")}
