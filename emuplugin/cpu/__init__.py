"""The processor: Unicorn as an x86-64 in ring 3, paging, guest memory, and the calling convention.

Nothing here knows Linux or the Go runtime. A :class:`~emuplugin.cpu.engine.Engine` runs guest
code in an :class:`~emuplugin.cpu.address_space.AddressSpace` whose pages lie in one
:class:`~emuplugin.cpu.physical.PhysicalMemory` that Python and the emulator share.
"""
