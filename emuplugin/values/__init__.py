"""Go types and their Python faces: one file per kind of value.

Types come from the plugin's own metadata (gotype.py), conversions are codecs (codec.py; the table
of kinds is codecs.py), signatures are compiled into plans (plan.py), and what a plugin exports is a
:class:`Variable` or a :class:`Function`. What is needed of a machine stands in guest.py.
"""

from emuplugin.values.context import Context
from emuplugin.values.fields import Field
from emuplugin.values.function import Function
from emuplugin.values.gotype import GoType
from emuplugin.values.method_sets import Method
from emuplugin.values.types import Types
from emuplugin.values.variable import Variable

__all__ = ["Context", "Field", "Function", "GoType", "Method", "Types", "Variable"]
