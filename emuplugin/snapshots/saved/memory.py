"""The address space; what is in its pages is kept beside, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emuplugin.cpu.address_space import AddressSpace, Area, KeptSpace
from emuplugin.cpu.page_store import PageStore


def save_space(space: AddressSpace) -> dict[str, Any]:
    """Areas and page tables."""
    kept = space.describe(PageStore(()))
    return {
        "areas": [[a.start, a.end, a.prot, a.physical, a.name] for a in kept.areas],
        "tables": [[*kept.leaf.items()], kept.tables],
        "present": [kept.present_pages, kept.peak_pages],
        "free": space.physical.free,
    }


def load_space(saved: Mapping[str, Any], store: PageStore) -> KeptSpace:
    """The same around pages that ``store`` holds."""
    leaf, tables = saved["tables"]
    store.free = tuple((address, pages) for address, pages in saved["free"])
    present, peak = saved["present"]
    return KeptSpace(
        store,
        tuple(Area(*area) for area in saved["areas"]),
        dict(leaf),
        tables,
        present,
        peak,
        0,
    )
