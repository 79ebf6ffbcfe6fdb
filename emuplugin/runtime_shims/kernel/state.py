"""What of the kernel's objects is their state, said beside each class, so that it can be kept as
plain data and put back into other objects.

:func:`state` names the attributes of a class and their forms. A form turns a value into what JSON
can hold (``keep``) and back (``put_back``); it raises ValueError for data that it has not made, and
:class:`UnkeptError` for a value that is not of the kind. Whoever keeps objects (``references``)
numbers them, so they may refer to each other in circles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T", bound=type)


class UnkeptError(Exception):
    """A value that is not kept. The message says which."""


class References(Protocol):
    """Who knows how objects are referred to."""

    def reference(self, thing: object) -> Any:
        """What stands for an object."""

    def referent(self, data: Any) -> object:
        """The object that it stands for. Raises ValueError."""


class Form:
    """How values of one kind are kept. The base: as they are, checked by their class."""

    def __init__(self, *classes: type) -> None:
        self.classes = classes

    def keep(self, value: Any, references: References) -> Any:
        if type(value) not in self.classes:
            raise UnkeptError(type(value).__name__)
        return value

    def put_back(self, data: Any, references: References) -> Any:
        if type(data) not in self.classes:
            raise ValueError(f"a {type(data).__name__} in place of {self.classes}")
        return data


class _Optional(Form):
    def __init__(self, form: Form) -> None:
        self._form = form

    def keep(self, value: Any, references: References) -> Any:
        return None if value is None else self._form.keep(value, references)

    def put_back(self, data: Any, references: References) -> Any:
        return None if data is None else self._form.put_back(data, references)


class _Bytes(Form):
    def keep(self, value: Any, references: References) -> Any:
        return bytes(super().keep(value, references)).hex()

    def put_back(self, data: Any, references: References) -> Any:
        return self.classes[0](bytes.fromhex(data))


class _Reference(Form):
    """An object of these classes, or derived ones."""

    def keep(self, value: Any, references: References) -> Any:
        if not isinstance(value, self.classes):
            raise UnkeptError(type(value).__name__)
        return references.reference(value)

    def put_back(self, data: Any, references: References) -> Any:
        thing = references.referent(data)
        if not isinstance(thing, self.classes):
            raise ValueError(f"a {type(thing).__name__} in place of {self.classes}")
        return thing


class _Forgotten(Form):
    """Nothing that is kept: put back as ``value``."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def keep(self, value: Any, references: References) -> Any:
        return None

    def put_back(self, data: Any, references: References) -> Any:
        return self._value


class _Tuple(Form):
    def __init__(self, make: Callable[[list[Any]], Any], *forms: Form) -> None:
        self._make, self._forms = make, forms

    def keep(self, value: Any, references: References) -> Any:
        pairs = zip(self._forms, value, strict=True)
        return [form.keep(part, references) for form, part in pairs]

    def put_back(self, data: Any, references: References) -> Any:
        pairs = zip(self._forms, data, strict=True)
        return self._make([form.put_back(part, references) for form, part in pairs])


class _Many(Form):
    """A collection: ``make`` makes it of a list, ``items`` lists what is in it."""

    def __init__(
        self, form: Form, make: Callable[[list[Any]], Any], items: Callable[[Any], Any]
    ) -> None:
        self._form, self._make, self._items = form, make, items

    def keep(self, value: Any, references: References) -> Any:
        return [self._form.keep(item, references) for item in self._items(value)]

    def put_back(self, data: Any, references: References) -> Any:
        if type(data) is not list:
            raise ValueError(f"a {type(data).__name__} in place of a list")
        return self._make([self._form.put_back(item, references) for item in data])


WHOLE = Form(int)
FLAG = Form(bool)
TEXT = Form(str)
BYTES = _Bytes(bytes)
BUFFER = _Bytes(bytearray)
#: Only None; everything else is not kept.
NOTHING = Form(type(None))
#: What an object is given when it is made, and has for good: objects with such attributes are never
#: made anew, only changed.
SAME = Form()
#: Another object that is there already, such as the kernel.
KNOWN = _Reference(object)


class _Part(Form):
    """An object that belongs to nobody else."""

    def keep(self, value: Any, references: References) -> Any:
        return SHAPES[self.classes[0].__name__].keep(value, references)

    def put_back(self, data: Any, references: References) -> Any:
        (kind,) = self.classes
        thing: object = object.__new__(kind)
        SHAPES[kind.__name__].put_back(thing, data, references)
        return thing


def part(kind: type) -> Form:
    """An object of a class, which nobody else refers to."""
    return _Part(kind)


def optional(form: Form) -> Form:
    """The same, or None."""
    return _Optional(form)


def reference(*classes: type) -> Form:
    """Another object, of one of these classes."""
    return _Reference(*classes)


def forgotten(value: Any) -> Form:
    """What is worked out again when it is needed: put back as ``value``."""
    return _Forgotten(value)


def pair(*forms: Form) -> Form:
    """A tuple."""
    return _Tuple(tuple, *forms)


def named_tuple(kind: Callable[..., Any], *forms: Form) -> Form:
    """A tuple of the class ``kind``."""
    return _Tuple(lambda parts: kind(*parts), *forms)


def listed(form: Form) -> Form:
    """A list."""
    return _Many(form, list, list)


def collected(form: Form) -> Form:
    """A set."""
    return _Many(form, set, sorted)


def mapped(key: Form, value: Form) -> Form:
    """A dict, in its order."""
    return _Many(pair(key, value), dict, lambda mapping: mapping.items())


# --- classes ------------------------------------------------------------------------------------


class Shape:
    """The state of the objects of one class, by attribute. ``needed`` are those attributes that
    every object has for itself; the others have a value in the class until they are set."""

    def __init__(self, kind: type, forms: dict[str, Form]) -> None:
        self.kind = kind
        self.forms = {name: form for name, form in forms.items() if form is not SAME}
        self._same = forms.keys() - self.forms
        slots = {name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ())}
        self.needed = {n for n in self.forms if n in slots or not hasattr(kind, n)}
        self._slots = slots

    @property
    def can_be_made(self) -> bool:
        """Whether an object can be made of a state alone."""
        return not self._same

    def keep(self, thing: object, references: References) -> dict[str, Any]:
        """The state of an object. Raises UnkeptError, also for an attribute without a form."""
        values = {name: getattr(thing, name) for name in self._slots} | getattr(
            thing, "__dict__", {}
        )
        kept = {}
        for name, value in values.items():
            if name in self._same:
                continue
            form = self.forms.get(name)
            try:
                if form is None:
                    raise UnkeptError("unknown")
                kept[name] = form.keep(value, references)
            except UnkeptError as error:
                raise UnkeptError(f"{self.kind.__name__}.{name}: {error}") from None
        return kept

    def put_back(self, thing: object, data: Any, references: References) -> None:
        """Give an object a state. Raises ValueError and its kind for what is none."""
        if type(data) is not dict or not self.needed <= data.keys():
            raise ValueError(f"that is no {self.kind.__name__}")
        for name, value in data.items():
            object.__setattr__(thing, name, self.forms[name].put_back(value, references))


_FORMS: dict[type, dict[str, Form]] = {}
#: The classes whose objects are kept, by name.
SHAPES: dict[str, Shape] = {}


def state(*, abstract: bool = False, **forms: Form) -> Callable[[T], T]:
    """Say what the state of a class is, beside that of the classes that it derives from. A class
    that derives from this one is kept only if it says so, too. ``abstract``: only for those."""

    def register(kind: T) -> T:
        inherited: dict[str, Form] = {}
        for base in reversed(kind.__mro__[1:]):
            inherited |= _FORMS.get(base, {})
        _FORMS[kind] = forms
        if not abstract:
            SHAPES[kind.__name__] = Shape(kind, inherited | forms)
        return kind

    return register
