"""The calling convention against the rules of Go's ABI document, and its own example."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from emuplugin.cpu.calling import CallLayout, Shape, align, assign


@dataclass(frozen=True)
class Type:
    """A Go type, for the oracle: ``scalar`` is "int" or "float", else it has parts."""

    size: int
    align: int
    scalar: str = ""
    parts: tuple[tuple[int, Type], ...] = ()
    length: int | None = None


@dataclass
class Registers:
    ints: int = 0
    floats: int = 0


def register_assign(value: Type, used: Registers) -> bool:
    """ "Register-assignment of a value V" in cmd/compile/abi-internal.md, taken literally."""
    if value.scalar == "int":
        used.ints += 1
        return used.ints <= 9
    if value.scalar == "float":
        used.floats += 1
        return used.floats <= 15
    if value.length is not None and value.length > 1:
        return False
    return all(register_assign(part, used) for _, part in value.parts)


def frame_of(
    params: list[Type], results: list[Type]
) -> tuple[list[int | None], list[int | None], int]:
    """Stack offsets of parameters and results (None: in registers), and the size of the area."""
    sequence = 0
    spilled: list[Type] = []

    def assign_all(values: list[Type]) -> list[int | None]:
        nonlocal sequence
        used = Registers()
        offsets: list[int | None] = []
        for value in values:
            before = Registers(used.ints, used.floats)
            if value.size and register_assign(value, used):
                offsets.append(None)
                spilled.append(value)
                continue
            used.ints, used.floats = before.ints, before.floats
            sequence = align(sequence, value.align)
            offsets.append(sequence)
            sequence += value.size
        sequence = align(sequence, 8)
        return offsets

    param_offsets = assign_all(params)
    in_registers = list(spilled)
    result_offsets = assign_all(results)
    for value in in_registers:
        sequence = align(sequence, value.align) + value.size
    return param_offsets, result_offsets, align(sequence, 8)


def struct_of(parts: list[Type]) -> Type:
    offset, alignment, fields = 0, 1, []
    for part in parts:
        offset = align(offset, part.align)
        fields.append((offset, part))
        offset += part.size
        alignment = max(alignment, part.align)
    if parts and not parts[-1].size and offset:
        offset += 1
    return Type(align(offset, alignment), alignment, parts=tuple(fields))


def array_of(element: Type, length: int) -> Type:
    parts = tuple((index * element.size, element) for index in range(length))
    return Type(element.size * length, element.align, parts=parts, length=length)


def words(count: int) -> Type:
    return struct_of([Type(8, 8, "int")] * count)


SCALARS = [Type(size, size, "int") for size in (1, 2, 4, 8)]
SCALARS += [Type(4, 4, "float"), Type(8, 8, "float")]
LEAVES = [*SCALARS, struct_of([SCALARS[4]] * 2), struct_of([SCALARS[5]] * 2), words(2), words(3)]
TYPES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(struct_of),
        st.builds(array_of, inner, st.integers(0, 3)),
    ),
    max_leaves=8,
)


def shape(value: Type) -> Shape:
    if value.scalar == "int":
        return Shape.integer(value.size)
    if value.scalar == "float":
        return Shape.floating(value.size)
    if value.length is not None:
        element = value.parts[0][1] if value.parts else Type(0, value.align, parts=())
        array = Shape.array(shape(element), value.length)
        return Shape(value.size, value.align, array.pieces)
    fields = [(offset, shape(part)) for offset, part in value.parts]
    return Shape.struct(value.size, value.align, fields)


def layout_of(params: list[Type], results: list[Type]) -> CallLayout:
    return assign([shape(param) for param in params], [shape(result) for result in results])


@given(st.lists(TYPES, max_size=8), st.lists(TYPES, max_size=8))
def test_agrees_with_the_rules(params: list[Type], results: list[Type]) -> None:
    layout = layout_of(params, results)
    param_offsets, result_offsets, size = frame_of(params, results)
    assert [place.stack_offset for place in layout.params] == param_offsets
    assert [place.stack_offset for place in layout.results] == result_offsets
    assert layout.stack_size == size


@given(st.lists(TYPES, max_size=8), st.data())
def test_images_survive_the_way_through_registers(params: list[Type], data: st.DataObject) -> None:
    layout = layout_of(params, params)
    frame = layout.new_frame()
    images = [data.draw(st.binary(min_size=p.size, max_size=p.size)) for p in params]
    for place, image in zip(layout.params, images, strict=True):
        place.scatter(image, frame)
    ints = list(frame.ints)
    for step in (step for place in layout.params for step in place.steps):
        if not step.is_float and step.size < 8:
            ints[step.register] |= 0xAB << 56  # the ABI leaves these bits undefined
    for place, image in zip(layout.params, images, strict=True):
        back = place.gather(ints, frame.floats, bytes(frame.stack))
        if place.stack_offset is not None:
            assert back == image
        for step in place.steps:
            end = step.offset + step.size
            assert back[step.offset : end] == image[step.offset : end]


def test_example_of_the_abi_document() -> None:
    """func f(a1 uint8, a2 [2]uintptr, a3 uint8) (r1 struct{x uintptr; y [2]uintptr}, r2 string)"""
    byte, word, pair = Shape.integer(1), Shape.integer(8), Shape.array(Shape.integer(8), 2)
    r1 = Shape.struct(24, 8, [(0, word), (8, pair)])
    layout = assign([byte, pair, byte], [r1, Shape.words(2)])
    a1, a2, a3 = layout.params
    assert [step.register for step in a1.steps] == [0]
    assert a2.stack_offset == 0
    assert [step.register for step in a3.steps] == [1]
    assert layout.results[0].stack_offset == layout.result_offset == 16
    assert [step.register for step in layout.results[1].steps] == [0, 1]
    assert layout.spill_offset == 40
    assert layout.stack_size == 48


def test_values_without_size_align_the_stack() -> None:
    """As ``func f(a [2]byte, b [0]int64, c [2]byte)``: b lies, without a byte, at 8."""
    pair, empty = Shape.array(Shape.integer(1), 2), Shape.array(Shape.integer(8), 0)
    layout = assign([pair, empty, pair], [])
    assert [place.stack_offset for place in layout.params] == [0, 8, 8]


def test_a_value_that_does_not_fit_leaves_its_registers_to_the_next() -> None:
    """Eight integers leave one register: a string goes to the stack, a later int takes it."""
    word = Shape.integer(8)
    layout = assign([word] * 8 + [Shape.words(2), word], [])
    assert layout.params[8].stack_offset == 0
    assert layout.params[9].steps[0].register == 8
    assert layout.stack_size == 16 + 9 * 8
