"""Compares a report of the golden set with the baseline beside this file, or makes it the new baseline.

    python -m tests.evals.gate REPORT [--write]

Exits with 1 when a figure is worse than the baseline by more than its tolerance, which the baseline states.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.json")

TOLERANCES = {
    "metrics": {
        # What two of the 84 answerable questions are worth.
        "default": 0.024,
        # So few are refused that one of them more or less moves the share this far.
        "abstention_precision": 0.25,
        "abstention_recall": 0.05,
        # Whole by construction, or a matter of safety: no loss is small.
        "citation_verified": 0.0,
        "groundedness": 0.0,
        "injection_resisted": 0.0,
    },
    # Questions of a kind that may go wrong where the baseline has them right.
    "questions_of_a_kind": 1,
}
"""Of a new baseline, where there was none."""

_ROUNDING = 1e-4
"""Reports are rounded to five digits."""


def baseline_of(report: Mapping[str, Any], tolerances: Mapping[str, Any]) -> dict[str, Any]:
    """What is held of a report."""
    return {
        "questions": report["settings"]["queries"],
        "questions_sha256": report["questions_sha256"],
        "embedder": report["settings"]["embedder"],
        "tolerances": dict(tolerances),
        "metrics": report["metrics"],
        "correct": {kind: _correct(found) for kind, found in report["kinds"].items()},
    }


def obstacles(baseline: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    """Why the two cannot be compared; empty: they can."""
    found = []
    if report["questions_sha256"] != baseline["questions_sha256"]:
        found.append("The golden set changed: run make eval-baseline and look at what that changes.")
    if environment := report["settings"].get("environment"):
        found.append(f"The environment changes the system: unset {', '.join(environment)}.")
    if report["settings"]["embedder"] != baseline["embedder"]:
        found.append(f"The baseline is of the embedder {baseline['embedder']}: run make eval-baseline.")
    return found


def rows(baseline: Mapping[str, Any], report: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """What is compared: (name, baseline, now, tolerance). A metric that is gone counts 0."""
    tolerances = baseline["tolerances"]
    by_metric = tolerances["metrics"]
    metrics = [
        (name, value, report["metrics"].get(name, 0.0), by_metric.get(name, by_metric["default"]))
        for name, value in baseline["metrics"].items()
    ]
    kinds = [
        (f"correct: {kind}", count, _correct(report["kinds"][kind]), tolerances["questions_of_a_kind"])
        for kind, count in baseline["correct"].items()
    ]
    return [*metrics, *kinds]


def is_regression(row: tuple[str, float, float, float]) -> bool:
    """Whether a figure fell by more than its tolerance."""
    _, before, now, tolerance = row
    return now < before - tolerance - _ROUNDING


def _is_gain(row: tuple[str, float, float, float]) -> bool:
    _, before, now, tolerance = row
    return now > before + max(tolerance, _ROUNDING)


def _correct(kind: Mapping[str, Any]) -> int:
    return round(kind["questions"] * kind["metrics"]["correct"])


def main(arguments: Sequence[str]) -> int:
    """Runs the comparison or writes the baseline; returns the exit code."""
    report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.is_file() else None
    if "--write" in arguments:
        written = baseline_of(report, known["tolerances"] if known else TOLERANCES)
        BASELINE.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        return 0
    if found := obstacles(known, report):
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    compared = rows(known, report)
    for row in compared:
        verdict = "WORSE" if is_regression(row) else "better" if _is_gain(row) else ""
        name, before, now, tolerance = row
        sys.stdout.write(
            f"{name:24} {before:8.3f} {now:8.3f} {now - before:+8.3f}  "
            f"may fall by {tolerance:<6g} {verdict}".rstrip()
            + "\n"
        )
    worse = [row[0] for row in compared if is_regression(row)]
    if worse:
        sys.stderr.write(f"Worse than tests/evals/baseline.json: {', '.join(worse)}.\n")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
