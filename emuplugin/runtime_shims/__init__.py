"""What a host program would have provided to the plugin.

A plugin carries its own Go runtime, but not what the linker gives only to programs: the start
of that runtime, a kernel below it and, where the plugin holds C code, a C library. This package
stands in for all three; :mod:`~emuplugin.runtime_shims.layouts` tells where the fields of the
runtime's structs lie in each Go version.
"""
