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
