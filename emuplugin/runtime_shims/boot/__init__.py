"""The missing half of the runtime's start.

A plugin has its own copy of the Go runtime, but not the functions that only a host program calls:
``rt0_go``, ``schedinit``, ``mallocinit``, ``gcinit``, ``main`` and what they use. :func:`boot` does
what these would have done, in their order, from outside; everything that the plugin does have is
called. Each step says which function of the runtime it stands for.
"""

from .modules import add_module, chain, module_itabs
from .state import Boot, BootStep
from .steps import STEPS, boot
from .surroundings import program_variables, without_c

__all__ = [
    "STEPS",
    "Boot",
    "BootStep",
    "add_module",
    "boot",
    "chain",
    "module_itabs",
    "program_variables",
    "without_c",
]
