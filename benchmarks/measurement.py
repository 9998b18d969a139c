"""Figures taken in several rounds, and the file in which a benchmark hands them on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure with its value in each round."""

    name: str
    """Unique among those of one benchmark."""
    unit: str
    values: tuple[float, ...]
    """At least one."""
    higher_is_better: bool | None = False
    """None: neither is, so no change of it is a regression."""

    @property
    def median(self) -> float:
        """The middle value of the rounds."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The least value: where the spread begins."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The greatest value: where the spread ends."""
        return max(self.values)

    @classmethod
    def of(cls, record: dict[str, Any]) -> Measurement:
        """From a JSON object of `write`. Raises ValueError when it has no values."""
        values = tuple(float(value) for value in record["values"])
        if not values:
            raise ValueError(f"the measurement {record['name']!r} has no values")
        return cls(record["name"], record["unit"], values, record["higher_is_better"])


def joined(runs: Sequence[Iterable[Measurement]]) -> list[Measurement]:
    """The measurements of runs of the same benchmark, by name, with the values of all of them in order."""
    found: dict[str, Measurement] = {}
    for run in runs:
        for one in run:
            before = found[one.name].values if one.name in found else ()
            found[one.name] = Measurement(one.name, one.unit, (*before, *one.values), one.higher_is_better)
    return list(found.values())


def write(path: Path, measurements: Iterable[Measurement], **more: object) -> None:
    """Writes them as `measurements` of a JSON object, beside whatever else is to be kept."""
    document = {**more, "measurements": [asdict(one) for one in measurements]}
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def read(path: Path) -> list[Measurement]:
    """What `write` has written. Raises ValueError, KeyError."""
    return [Measurement.of(record) for record in json.loads(path.read_text("utf-8"))["measurements"]]
