"""A machine after its first plugin was opened, as plain data: what the cache keeps on disk.

It is not the state of any machine whatever, as a :class:`~..state.ProgramState` is, but of one that
has run inits, which have had no effect outside that could not be had again: :mod:`reasons` says
when that is so. ``program`` puts the parts together: ``memory``, ``threads``, ``kernel``, and the
objects of the kernel that refer to each other (``objects``), among them open files and what has
changed in the file tree (``tree``). Nothing of the host's comes from the cache.
"""

from .program import finish, load, load_build_info, save
from .reasons import NotSavedError

__all__ = ["NotSavedError", "finish", "load", "load_build_info", "save"]
