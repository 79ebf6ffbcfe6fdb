"""Analysing a plugin without running it: :func:`emuplugin.inspect`.

The file is mapped and relocated in Python's memory (:mod:`emuplugin.elf.image`), Go's own tables in
it are read (module.py leads to them), and its code is searched for calls and references. A file per
noun; inspection.py puts them together.
"""

from emuplugin.inspection.calls import CallGraph, Edge
from emuplugin.inspection.capabilities import Capability
from emuplugin.inspection.disassembly import Instruction
from emuplugin.inspection.embedded import EmbeddedFile
from emuplugin.inspection.exports import Export
from emuplugin.inspection.functions import Function, InlinedCall
from emuplugin.inspection.inits import InitFunction, PackageInit
from emuplugin.inspection.inspection import Inspection, inspect
from emuplugin.inspection.interfaces import Interface, Itab
from emuplugin.inspection.packages import Package
from emuplugin.inspection.strings import String
from emuplugin.inspection.types import Field, Type, TypeMethod
from emuplugin.inspection.variables import Variable

__all__ = [
    "CallGraph",
    "Capability",
    "Edge",
    "EmbeddedFile",
    "Export",
    "Field",
    "Function",
    "InitFunction",
    "InlinedCall",
    "Inspection",
    "Instruction",
    "Interface",
    "Itab",
    "Package",
    "PackageInit",
    "String",
    "Type",
    "TypeMethod",
    "Variable",
    "inspect",
]
