"""Names for addresses of a running machine: which function, variable or area one belongs to."""

from __future__ import annotations

from functools import cached_property

from emuplugin.cpu.address_space import PROT_EXEC, PROT_READ, PROT_WRITE, Area
from emuplugin.elf.constants import STT_TLS
from emuplugin.elf.file import ElfFile
from emuplugin.elf.sections import Section
from emuplugin.errors import FormatError
from emuplugin.runtime_shims.program import Program
from emuplugin.runtime_shims.stubs import STUBS_BASE

#: Where Go's heap begins (runtime/malloc.go: mallocinit), and where mmap without a wish leads.
_GO_HEAP, _GO_HEAP_END = 0xC0 << 32, 0x7F << 40
_OWN_AREAS = {
    "[system]": "the processor's own page",
    "[tls]": "thread-local storage: where `runtime.tlsg` lies",
    "[stack]": "stack of the first thread (g0)",
    "[boot]": "what the boot stores for the runtime",
    "[libc]": "stand-ins for C functions",
    "[libc data]": "variables of the C library",
    "[malloc]": "the C library's heap",
    "[thread stack]": "stack of a thread that C started",
    "[emuplugin types]": "types that were made for Python's values",
    "[emuplugin loops]": "code that calls a function many times",
    "[emuplugin stubs]": "where the host enters and leaves Go",
    "[emuplugin traps]": "first instructions of functions that stop for the host",
    "[emuplugin tables]": "function table and module data of these stubs",
    "[emuplugin roots]": "pointers that Python holds",
    "[emuplugin monitor]": "the part of sysmon",
}


def access(prot: int) -> str:
    """``rwx``, as ``ls`` and ``/proc/self/maps`` write it."""
    letters = ((PROT_READ, "r"), (PROT_WRITE, "w"), (PROT_EXEC, "x"))
    return "".join(letter if prot & bit else "-" for bit, letter in letters)


def area_name(area: Area, program: Program) -> str:
    """What an area is for."""
    for module in program.modules:
        if module.image.holds(area.start):
            low, high = area.start - module.image.base, area.end - module.image.base
            return "the plugin: " + ", ".join(sections_in(module.image.file, low, high))
    known = _OWN_AREAS.get(area.name)
    if known is not None:
        return known.replace("`", "")
    if _GO_HEAP <= area.start < _GO_HEAP_END:
        return "Go's heap" if area.prot else "Go's heap, reserved"
    return area.name or ("the runtime's own tables" if area.prot else "the runtime's, reserved")


def sections_in(file: ElfFile, low: int, high: int) -> list[str]:
    """The names of the sections that begin in a stretch of the file's memory."""
    return [s.name for s in mapped_sections(file) if low <= s.addr < high]


def mapped_sections(file: ElfFile) -> list[Section]:
    """The sections that lie in memory, by address; none where the file does not tell. Templates of
    thread-local storage take no memory of their own."""
    try:
        sections = file.sections.values()
    except FormatError:
        return []
    found = [s for s in sections if s.addr and s.size and not (s.flags & 0x400 and not s.in_file)]
    return sorted(found, key=lambda section: section.addr)


class Places:
    """The names of one program's addresses."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @cached_property
    def imports(self) -> dict[str, int]:
        """The undefined symbols that relocations name, and the addresses they are bound to."""
        found: dict[str, int] = {}
        for module in self._program.modules:
            file = module.image.file
            named = set(file.relocations.symbols)
            for symbol in file.symbols.undefined:
                if symbol.number in named and symbol.type != STT_TLS:
                    found[symbol.name] = self._program.library.resolve(symbol.name)
        return found

    @cached_property
    def _imported(self) -> dict[int, str]:
        return {address: name for name, address in self.imports.items()}

    @cached_property
    def _stubs(self) -> dict[int, str]:
        stubs = self._program.runtime.stubs
        found = {stubs.idle: "emuplugin.idle", stubs.callback.entry: "emuplugin.callback"}
        for call in stubs.calls:
            found[call.entry] = f"emuplugin.call{call.room}"
        return found

    def name(self, address: int) -> str:
        """``runtime.mheap_+0x10``, ``goroutine's stack or heap``; empty where nothing is."""
        for module in self._program.modules:
            if module.image.holds(address):
                return self._in_image(module.image.file, address - module.image.base, address)
        if address in self._imported:
            return self._imported[address]
        for entry, name in sorted(self._stubs.items(), reverse=True):
            if STUBS_BASE <= entry <= address < self._program.runtime.stubs.end:
                return _with_offset(name, address - entry)
        area = self._program.process.space.find(address)
        return "" if area is None else area_name(area, self._program)

    def _in_image(self, file: ElfFile, vaddr: int, address: int) -> str:
        table = self._program.table_for(address)
        segment = file.segment_at(vaddr)
        if table is not None and segment is not None and segment.executable:
            function = table.find(address)
            if function is not None and address < function.end:
                return _with_offset(function.name, address - function.entry)
        found = file.symbols.nearest(vaddr)
        if found is not None and (found[0].size or not found[1]):
            return _with_offset(found[0].name, found[1])
        for section in mapped_sections(file):
            if section.addr <= vaddr < section.addr + section.size:
                return _with_offset(section.name, vaddr - section.addr)
        return ""


def _with_offset(name: str, offset: int) -> str:
    return f"{name}+{offset:#x}" if offset else name
