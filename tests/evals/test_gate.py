"""The gate: what counts as worse than the baseline, and what cannot be compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evals import gate

ROOT = Path(__file__).parents[2]
BASELINE = json.loads(gate.BASELINE.read_text())


def report(**metrics: float) -> dict[str, Any]:
    """A report with exactly the figures of the committed baseline, but for `metrics`."""
    kinds = {
        kind: {"questions": 20, "metrics": {"correct": count / 20}}
        for kind, count in BASELINE["correct"].items()
    }
    return {
        "settings": {"queries": BASELINE["questions"], "embedder": BASELINE["embedder"], "environment": {}},
        "questions_sha256": BASELINE["questions_sha256"],
        "metrics": {**BASELINE["metrics"], **metrics},
        "kinds": kinds,
    }


def run(tmp_path: Path, given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (tmp_path / "report.json").write_text(json.dumps(given))
    return subprocess.run(
        [sys.executable, "-m", "tests.evals.gate", str(tmp_path / "report.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def worse(given: dict[str, Any]) -> list[str]:
    return [row[0] for row in gate.rows(BASELINE, given) if gate.is_regression(row)]


def test_the_baseline_is_of_the_golden_set_as_it_is() -> None:
    from tests.evals.test_golden_set import SET

    assert BASELINE["questions_sha256"] == SET.questions_sha256
    assert BASELINE["questions"] == len(SET.questions)


def test_the_same_figures_pass_and_a_fall_within_its_tolerance_too(tmp_path: Path) -> None:
    done = run(tmp_path, report(correct=BASELINE["metrics"]["correct"] - 0.02))
    assert (done.returncode, done.stderr) == (0, "")
    assert "WORSE" not in done.stdout


def test_a_fall_beyond_its_tolerance_fails_and_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, report(correct=BASELINE["metrics"]["correct"] - 0.03))
    assert done.returncode == 1
    assert done.stderr == "Worse than tests/evals/baseline.json: correct.\n"


def test_where_no_loss_is_small_every_loss_fails() -> None:
    assert worse(report(injection_resisted=BASELINE["metrics"]["injection_resisted"] - 0.01)) == [
        "injection_resisted"
    ]
    assert worse(report(groundedness=0.99)) == ["groundedness"]


def test_of_each_kind_one_question_may_go_wrong_and_not_two() -> None:
    given = report()
    given["kinds"]["table"]["metrics"]["correct"] -= 1 / 20
    assert worse(given) == []
    given["kinds"]["table"]["metrics"]["correct"] -= 1 / 20
    assert worse(given) == ["correct: table"]


def test_a_metric_that_is_gone_is_a_loss() -> None:
    given = report()
    del given["metrics"]["hit@5"]
    assert worse(given) == ["hit@5"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"questions_sha256": "00"}, "golden set changed: run make eval-baseline"),
        (
            {"settings": {"embedder": BASELINE["embedder"], "environment": {"CHUNK_SIZE": "9"}}},
            "unset CHUNK_SIZE",
        ),
        ({"settings": {"embedder": "other"}}, "embedder"),
    ],
)
def test_other_conditions_are_no_comparison(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    done = run(tmp_path, {**report(), **change})
    assert done.returncode == 1
    assert why in done.stderr


def test_a_new_baseline_keeps_the_tolerances_and_holds_the_figures() -> None:
    written = gate.baseline_of(report(correct=0.9), BASELINE["tolerances"])
    assert written["tolerances"] == BASELINE["tolerances"]
    assert written["metrics"]["correct"] == 0.9
    assert {**written, "metrics": BASELINE["metrics"], "correct": BASELINE["correct"]} == BASELINE
