"""Where ``internal/abi`` keeps what in a type descriptor, Go 1.21 to 1.27 on amd64.

Only numbers and the few rules that changed between versions; reading is in gotype.py. Each
constant carries the name of the field in ``internal/abi/type.go``.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

KINDS = (
    "invalid", "bool", "int", "int8", "int16", "int32", "int64",
    "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
    "float32", "float64", "complex64", "complex128",
    "array", "chan", "func", "interface", "map", "ptr", "slice", "string", "struct",
    "unsafe.Pointer",
)  # fmt: skip
"""``abi.Kind`` by number, named as ``Kind.String`` names them."""

TYPE = struct.Struct("<QQIBBBBQQii")
"""``abi.Type``: Size_, PtrBytes, Hash, TFlag, Align_, FieldAlign_, Kind_, Equal, GCData, Str,
PtrToThis."""

UNCOMMON = struct.Struct("<iHHII")
"""``abi.UncommonType``: PkgPath, Mcount, Xcount, Moff, unused."""

METHOD = struct.Struct("<iiii")
"""``abi.Method``: Name, Mtyp, Ifn, Tfn. Where the linker removed a method the last three are -1."""

IMETHOD = struct.Struct("<ii")
"""``abi.Imethod``: Name, Typ."""

STRUCT_FIELD = struct.Struct("<QQQ")
"""``abi.StructField``: Name, Typ, Offset."""

TFLAG_UNCOMMON = 1 << 0
TFLAG_EXTRA_STAR = 1 << 1
TFLAG_NAMED = 1 << 2
TFLAG_DIRECT_IFACE = 1 << 5
"""Since Go 1.26; before, the same bit of Kind_."""

KIND_MASK = (1 << 5) - 1
KIND_DIRECT_IFACE = 1 << 5
"""Until Go 1.25; ``Kind_`` holds nothing but the kind from 1.26 on."""

NAME_EXPORTED = 1 << 0
NAME_TAG = 1 << 1
NAME_PKG_PATH = 1 << 2
NAME_EMBEDDED = 1 << 3

ELEM = 48
"""Elem of ArrayType, ChanType, PtrType and SliceType; Key of MapType; PkgPath of StructType and
InterfaceType; InCount of FuncType: the first field after ``abi.Type``."""

ARRAY_LEN = 64
CHAN_DIR = 56
MAP_ELEM = 56
FIELDS = 56
"""The slice of fields of StructType and of methods of InterfaceType."""
FUNC_OUT_COUNT = 50
FUNC_SIZE = 56
FUNC_VARIADIC = 1 << 15

BASE_SIZES = {
    "array": 72, "chan": 64, "func": FUNC_SIZE, "interface": 80, "ptr": 56, "slice": 56,
    "struct": 80,
}  # fmt: skip
"""Where UncommonType starts, by kind: the size of what comes before it; 48 for the others, and
:class:`MapLayout` has it for maps."""


class MapLayout(NamedTuple):
    """Offsets in the MapType of one Go version; a field that it does not have is None.

    ``swiss`` tells Swiss maps (``internal/runtime/maps``) from the older ones with buckets.
    ``bucket`` is Bucket or Group: the type of what the map allocates. ``header_size`` is that of a
    map itself (``runtime.hmap``, ``maps.Map``).
    """

    swiss: bool
    size: int
    bucket: int
    hasher: int
    flags: int
    indirect_key: int
    indirect_elem: int
    group_size: int | None = None
    slot_size: int | None = None
    elem_off: int | None = None
    keys_off: int | None = None
    key_stride: int | None = None
    elems_off: int | None = None
    elem_stride: int | None = None
    key_size: int | None = None
    value_size: int | None = None
    bucket_size: int | None = None
    header_size: int = 48


OLD_MAP = MapLayout(
    swiss=False, size=88, bucket=64, hasher=72, flags=84, indirect_key=1, indirect_elem=2,
    key_size=80, value_size=81, bucket_size=82,
)  # fmt: skip
"""``internal/abi/map_noswiss.go``: until 1.23."""

OLD_MAP_CLEAR_SEQ = OLD_MAP._replace(header_size=56)
"""The same with GOEXPERIMENT=noswissmap in 1.24 and 1.25: ``hmap`` has a field clearSeq."""

SWISS_MAP = MapLayout(
    swiss=True, size=112, bucket=64, hasher=72, flags=104, indirect_key=4, indirect_elem=8,
    group_size=80, slot_size=88, elem_off=96,
)  # fmt: skip
"""``internal/abi/map_swiss.go``, Go 1.24 to 1.26."""

SWISS_MAP_STRIDES = MapLayout(
    swiss=True, size=136, bucket=64, hasher=72, flags=128, indirect_key=4, indirect_elem=8,
    group_size=80, keys_off=88, key_stride=96, elems_off=104, elem_stride=112, elem_off=120,
)  # fmt: skip
"""``internal/abi/map.go``, Go 1.27: keys and elems may lie in arrays of their own."""


def map_layout(go_minor: tuple[int, int], experiments: frozenset[str]) -> MapLayout:
    """The MapType of a Go version built with these GOEXPERIMENT settings."""
    if go_minor >= (1, 27):
        return SWISS_MAP_STRIDES
    if go_minor < (1, 24):
        return OLD_MAP
    if "noswissmap" in experiments:
        return OLD_MAP_CLEAR_SEQ
    return SWISS_MAP
