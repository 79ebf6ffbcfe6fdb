"""Samples of several quantities, and what tables and files show of them."""

from __future__ import annotations

from statistics import median, quantiles


class Samples:
    """Seconds, by name, in the order in which the names came up."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[float]] = {}

    def add(self, name: str, seconds: float) -> None:
        """One more sample."""
        self.by_name.setdefault(name, []).append(seconds)

    def part(self, prefix: str) -> Samples:
        """Those whose names begin with ``prefix`` and a colon, without that."""
        found = Samples()
        for name, values in self.by_name.items():
            if name.startswith(f"{prefix}: "):
                found.by_name[name.removeprefix(f"{prefix}: ")] = values
        return found

    def median(self, name: str) -> float:
        """The median of the samples of one name."""
        return median(self.by_name[name])

    def quartiles(self, name: str) -> tuple[float, float]:
        """The lower and upper quartile."""
        values = self.by_name[name]
        if len(values) < 2:
            return values[0], values[0]
        low, _, high = quantiles(values, n=4, method="inclusive")
        return low, high
