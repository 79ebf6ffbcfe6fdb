"""Pictures of a run: the goals' ratios are in tables; what grows is better seen.

Needs the extra ``bench`` (matplotlib).
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from . import scaling
from .samples import Samples

_COLUMNS = 2


def draw(samples: Samples, folder: Path, name: str) -> list[Path]:
    """The series of :mod:`scaling` with their lines, as SVG and PNG; nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    series = [found for found in scaling.SERIES if len(scaling.points(samples, found)) > 1]
    if not series:
        return []
    rows = -(-len(series) // _COLUMNS)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(9, 2.8 * rows), squeeze=False)
    places = list(axes.flat)
    for found, place in zip(series, places, strict=False):
        _draw_series(place, found, scaling.points(samples, found))
    for unused in places[len(series) :]:
        unused.set_axis_off()
    figure.tight_layout()
    paths = [folder / f"{name}.{suffix}" for suffix in ("svg", "png")]
    for path in paths:
        figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return paths


def _draw_series(place: Any, series: scaling.Series, points: list[tuple[float, float]]) -> None:
    line = scaling.fitted(points)
    xs, ys = zip(*points, strict=True)
    ends = [0.0, max(xs)]
    place.plot(ends, [line.start + line.slope * x for x in ends], color="0.6", linewidth=1)
    place.plot(xs, ys, "o", color="#1f5fa8", markersize=4)
    place.set_title(series.name, fontsize=10, loc="left")
    place.set_xlabel(series.x, fontsize=8)
    place.set_ylabel(series.y, fontsize=8)
    place.set_ylim(bottom=0)
    place.tick_params(labelsize=8)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)
