"""A run of `make bench` in one file, and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measurement import Measurement

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PartResult:
    """What one part measured."""

    name: str
    command: str
    load_average: float
    """Of the last minute, just before: what else the machine was doing."""
    seconds: float
    measurements: Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    machine: Mapping[str, Any]
    conditions: Mapping[str, Any]
    """Sizes and programs: figures taken under others mean something else."""
    parts: Sequence[PartResult]
    note: str = ""
    format: int = field(default=FORMAT)

    @property
    def by_name(self) -> dict[tuple[str, str], Measurement]:
        """Every measurement by (part, name)."""
        return {(part.name, one.name): one for part in self.parts for one in part.measurements}


def write(path: Path, report: Report) -> None:
    """As JSON."""
    path.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read(path: Path) -> Report:
    """What `write` has written. Raises ValueError when it is another format, KeyError, OSError."""
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{path} is not a report of benchmarks.run in format {FORMAT}: run make bench again")
    parts = [
        PartResult(
            part["name"],
            part["command"],
            part["load_average"],
            part["seconds"],
            [Measurement.of(record) for record in part["measurements"]],
        )
        for part in document["parts"]
    ]
    return Report(document["machine"], document["conditions"], parts, document["note"])


def markdown(report: Report, pictures: Sequence[str] = ()) -> str:
    """Tables of medians and spreads (least to greatest round), part by part."""
    machine = report.machine
    lines = [
        "# Benchmarks",
        "",
        f"{machine['date']}, revision {machine['revision']}: {machine['cpus']} CPUs "
        f"({machine['cpu_model']}), {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python_version']}.",
        "",
        "Packages: " + ", ".join(f"{name} {version}" for name, version in machine["packages"].items()) + ".",
        "Conditions: " + ", ".join(f"{name} {value}" for name, value in report.conditions.items()) + ".",
        "",
    ]
    if report.note:
        lines += [report.note, ""]
    lines += [f"![{picture}]({picture})\n" for picture in pictures]
    for part in report.parts:
        lines += [
            f"## {part.name[0].upper()}{part.name[1:]}",
            "",
            f"`{part.command}`, load average before: {part.load_average:.1f}",
            "",
            "| what | median | spread | rounds |",
            "|---|---|---|---|",
            *(_row(one) for one in part.measurements),
            "",
        ]
    return "\n".join(lines)


def _row(one: Measurement) -> str:
    spread = f"{figure(one.low)} to {figure(one.high)}"
    return f"| {one.name} | {figure(one.median)} {one.unit} | {spread} | {len(one.values)} |"


def figure(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
