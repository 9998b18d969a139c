"""The plot of the breaker simulation: who answered, second by second, and what was asked in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")  # no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.simulated_run import Run
from services.gateway.breakers.model import State

_BIN_SECONDS = 2.0
_WHO = {"first": "#4c78a8", "second": "#f2b262", "extractive": "#9ecae1", "": "#d62728"}
_LABELS = {"first": "first provider", "second": "second provider", "extractive": "extractive", "": "nobody"}
_SHADES = {State.OPEN: "#d62728", State.PARKED: "#9467bd", State.HALF_OPEN: "#ff7f0e"}


def draw(runs: Mapping[tuple[str, str], Run], path: Path) -> None:
    """Writes the plot of `runs`, by fault and whether breakers worked (`yes`, `no`), as a PNG."""
    names = list(dict.fromkeys(name for name, _ in runs))
    figure, axes = plt.subplots(len(names), 2, figsize=(11, 2.1 * len(names)), sharex=True)
    for row, name in zip(axes, names, strict=True):
        for axis, variant in zip(row, ("yes", "no"), strict=True):
            _draw_one(axis, runs[name, variant])
        row[0].set_ylabel(f"{name}\nanswers a second")
    axes[0][0].set_title("with breakers", fontsize=10)
    axes[0][1].set_title("without", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=6, fontsize=8, frameon=False)
    figure.suptitle(
        "Who answers while the first provider is faulty (from 30 s to 210 s), at 50 questions a second",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 0.99))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw_one(axis: Axes, run: Run) -> None:
    end = max(one.at for one in run.asked)
    edges = np.arange(0, end + _BIN_SECONDS, _BIN_SECONDS)
    middles = edges[:-1] + _BIN_SECONDS / 2
    parts = [_rate([one.at for one in run.asked if one.by == who], edges) for who in _WHO]
    labels = [_LABELS[who] for who in _WHO]
    axis.stackplot(middles, parts, colors=list(_WHO.values()), labels=labels, linewidth=0)
    axis.plot(middles, _rate(run.wasted_at, edges), color="black", linewidth=0.9, label="asked in vain")
    top = 1.35 * max(float(sum(part[i] for part in parts)) for i in range(len(middles)))
    axis.set_ylim(0, top)
    for at, state in run.states:
        if state in _SHADES:
            axis.axvspan(at, at + 0.5, ymin=0.94, color=_SHADES[state], linewidth=0)
    axis.tick_params(labelsize=8)


def _rate(moments: Sequence[float], edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(moments, edges)
    return counts / _BIN_SECONDS
