"""Drawings of a run of `make bench`. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.parts import LEVELS, curve_name
from benchmarks.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERCENTILES = ("p50", "p95", "p99")


def draw(folder: Path, report: Report) -> list[str]:
    """Writes `callers.png`, `cost-curve.png` and `memory.png`, if their parts were run; returns their names.

    The folder is made where there is none.
    """
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, part, columns, fill in (
        ("callers", "callers", 2, _callers),
        ("cost-curve", "search at ", 2, _curve),
        ("memory", "memory", 1, _memory),
    ):
        if not any(one.name.startswith(part) for one in report.parts):
            continue
        drawing = Figure(figsize=(4.5 * columns, 3.6), layout="constrained")
        axes = drawing.subplots(1, columns, squeeze=False)[0]
        fill(list(axes), report)
        names.append(f"{name}.png")
        # The date a file was drawn at would make it another file.
        drawing.savefig(folder / names[-1], dpi=100, metadata={"Software": None})
    return names


def _line(axes: Axes, report: Report, label: str, points: dict[int, tuple[str, str]]) -> None:
    """Medians with their spread; a point is where to find the measurement of an x."""
    found = {x: report.by_name[key] for x, key in points.items() if key in report.by_name}
    medians = [one.median for one in found.values()]
    below = [one.median - one.low for one in found.values()]
    above = [one.high - one.median for one in found.values()]
    axes.errorbar(list(found), medians, yerr=[below, above], marker="o", capsize=3, label=label)
    axes.set_xticks(list(found), [f"{x:,}" for x in found])


def _callers(axes: list[Axes], report: Report) -> None:
    rates, times = axes
    for method in ("Search", "Query"):
        _line(rates, report, method, {level: ("callers", f"{method} at {level}, rate") for level in LEVELS})
        for percentile in ("p50", "p99"):
            points = {level: ("callers", f"{method} at {level}, {percentile}") for level in LEVELS}
            _line(times, report, f"{method}, {percentile}", points)
    rates.set(xlabel="callers", ylabel="answers a second", ylim=(0, None))
    times.set(xlabel="callers", ylabel="milliseconds", ylim=(0, None))
    rates.legend()
    times.legend()


def _curve(axes: list[Axes], report: Report) -> None:
    times, memory = axes
    sizes = report.conditions["chunks"]
    for percentile in _PERCENTILES:
        points = {size: (curve_name(size), f"edge, one caller, {percentile}") for size in sizes}
        _line(times, report, percentile, points)
    _line(
        memory, report, "retrieval", {size: (curve_name(size), "edge, retrieval, memory") for size in sizes}
    )
    times.set(xlabel="chunks", ylabel="milliseconds of a search", ylim=(0, None))
    memory.set(xlabel="chunks", ylabel="MiB", ylim=(0, None))
    for one in axes:
        one.set_xscale("log")
        one.minorticks_off()
        one.legend()
        one.set_xticks(sizes, [f"{size:,}" for size in sizes])


def _memory(axes: list[Axes], report: Report) -> None:
    services = ("gateway", "ingest", "retrieval", "answer")
    for state in ("peak", "idle"):
        found = [report.by_name["memory", f"{service}, {state} memory"].median for service in services]
        axes[0].bar(services, found, label=state)
    axes[0].set_ylabel("MiB, resident")
    axes[0].legend()
