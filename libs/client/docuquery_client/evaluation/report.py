"""The figures of a run, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from docuquery_client.evaluation.beir import JudgedQuery
from docuquery_client.evaluation.ranking_metrics import METRICS

Setting: TypeAlias = "str | bool | int | float | dict[str, str] | dict[str, int] | None"


@dataclass(frozen=True, slots=True)
class Report:
    """One collection in one search mode, or one set of questions answered by one provider."""

    dataset: str
    mode: str
    """The search mode, or the provider asked (`auto`: the server's order)."""
    settings: Mapping[str, Setting]
    """What was measured, and under which conditions."""
    metrics: Mapping[str, float]
    """Means over the queries, by name; 0 to 1, higher is better."""


def mean_metrics(
    queries: Sequence[JudgedQuery], rankings: Mapping[str, Sequence[str]]
) -> Mapping[str, float]:
    """The mean of each metric over `queries`; each must have a ranking, and there must be one."""
    return {
        name: sum(metric(rankings[query.id], query.grades) for query in queries) / len(queries)
        for name, metric in METRICS.items()
    }


def write_json(path: Path, reports: Sequence[Report]) -> None:
    """Writes one report as an object, several as a list of such objects. Raises OSError.

    The file appears whole or not at all.
    """
    written = [{**asdict(report), "metrics": _rounded(report.metrics)} for report in reports]
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(written[0] if len(written) == 1 else written, indent=2, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    # More digits than any two runs agree in.
    return {name: round(value, 5) for name, value in metrics.items()}
