"""Drawings of reports: metrics by mode, confidence against correctness, time of a reply. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from docuquery_client.evaluation.calibration import calibration
from docuquery_client.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "drawing needs matplotlib, which is not installed: pip install 'docuquery[eval]'"

_DOTS_PER_INCH = 100
_LATENCY_BINS = 30
_SLOWEST_SHOWN = 0.99
"""Slower replies are left out: one of them would press the others into one bar."""


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(folder: Path, reports: Sequence[Report]) -> list[Path]:
    """Writes `metrics.png`, `latency.png` and, of answers, `calibration.png`; says which. Raises OSError.

    The folder is made where there is none.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, width, fill in (
        ("metrics", 9.0, _metrics), ("latency", 6.0, _latency), ("calibration", 5.0, _calibration),
    ):  # fmt: skip
        figure = Figure(figsize=(width, 4.5), layout="constrained")
        if fill(figure.subplots(), reports):
            drawn.append(folder / f"{name}.png")
            figure.savefig(drawn[-1], dpi=_DOTS_PER_INCH)
    return drawn


def _metrics(axes: Axes, reports: Sequence[Report]) -> bool:
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    width = 0.8 / len(reports)
    for number, report in enumerate(reports):
        known = [name for name in names if name in report.metrics]
        values = [report.metrics[name] for name in known]
        lows, highs = zip(*(report.intervals[name] for name in known), strict=True)
        # A figure may lie outside its interval by a hair when all draws but a few are the same.
        below = [max(0.0, value - low) for value, low in zip(values, lows, strict=True)]
        above = [max(0.0, high - value) for value, high in zip(values, highs, strict=True)]
        places = [names.index(name) + (number + 0.5) * width - 0.4 for name in known]
        axes.bar(places, values, width, yerr=[below, above], capsize=2, label=report.mode)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
    axes.set(ylim=(0, 1.05), ylabel="with 95 % intervals", title=reports[0].dataset)
    axes.legend()
    return True


def _latency(axes: Axes, reports: Sequence[Report]) -> bool:
    taken = {
        report.mode: sorted(q.seconds * 1000 for q in report.questions if q.seconds is not None)
        for report in reports
    }
    taken = {
        mode: times[: max(1, int(len(times) * _SLOWEST_SHOWN))] for mode, times in taken.items() if times
    }
    if not taken:
        return False
    slowest = max(times[-1] for times in taken.values())
    for mode, times in taken.items():
        axes.hist(times, bins=_LATENCY_BINS, range=(0, slowest), alpha=0.6, label=mode)
    axes.set(xlabel="milliseconds of a reply, without the slowest 1 %", ylabel="questions")
    axes.legend()
    return True


def _calibration(axes: Axes, reports: Sequence[Report]) -> bool:
    found = {report.mode: found_of for report in reports if (found_of := calibration(report.questions))}
    if not found:
        return False
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    for mode, calibrated in found.items():
        axes.plot(
            [each.confidence for each in calibrated.bins],
            [each.correct for each in calibrated.bins],
            marker="o",
            label=f"{mode}, error {calibrated.error:.3f}",
        )
        for each in calibrated.bins:
            axes.annotate(
                str(each.answers), (each.confidence, each.correct), (4, 4), textcoords="offset points"
            )
    axes.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share of right answers (numbers: answers)"
    )
    axes.legend()
    return True
