"""What a run of the benchmarks has found, as it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .samples import Samples


@dataclass
class Results:
    """``facts`` about the machine, samples by benchmark in ``groups``, and why peers are
    ``missing``."""

    facts: dict[str, str]
    groups: dict[str, Samples]
    missing: dict[str, str]

    def save(self, folder: Path) -> Path:
        """Write it to a new JSON file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.facts['date'].replace(':', '')}.json"
        content = {
            "machine": self.facts,
            "missing": self.missing,
            **{name: group.by_name for name, group in self.groups.items()},
        }
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Results:
        """What :meth:`save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        facts, missing = content.pop("machine"), content.pop("missing", {})
        groups = {}
        for name, by_name in content.items():
            groups[name] = Samples()
            groups[name].by_name = by_name
        return cls(facts, groups, missing)
