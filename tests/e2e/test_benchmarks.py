"""A tiny run of all benchmarks gives a report, tables and drawings, and is no worse than itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.parts import LEVELS
from tests.e2e.support import ROOT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_quick_run_measures_everything_and_compares_with_itself(tmp_path: Path) -> None:
    written = tmp_path / "run.json"
    options = ("--json", str(written), "--markdown", str(tmp_path / "run.md"), "--png", str(tmp_path / "png"))
    subprocess.run((sys.executable, "-m", "benchmarks.run", "--quick", *options), cwd=ROOT, check=True)
    run = report.read(written)
    figures = run.by_name
    assert figures["ingest of text", "rate"].median > 0
    assert figures["ingest of text", "failed"].median == 0
    assert figures["ingest of PDF", "pages"].median > 0
    assert figures["startup", "until every service is SERVING"].median > 0
    assert figures["streaming", "first token"].median > 0
    assert figures["memory", "retrieval, peak memory"].median > 0
    assert figures["overhead", "bare hops a second, for comparison"].median > 0
    for method in ("Search", "Query"):
        for level in LEVELS:
            assert figures["callers", f"{method} at {level}, rate"].median > 0
            assert figures["callers", f"{method} at {level}, not answered"].median == 0
    assert "## Callers" in (tmp_path / "run.md").read_text("utf-8")
    assert {path.name for path in (tmp_path / "png").iterdir()} == {
        "callers.png", "cost-curve.png", "memory.png",
    }  # fmt: skip
    compared = subprocess.run(
        (sys.executable, "-m", "benchmarks.compare", str(written), str(written)), cwd=ROOT, check=False
    )
    assert compared.returncode == 0


def test_the_committed_baseline_can_be_compared_with() -> None:
    baseline = report.read(ROOT / "docs/benchmarks/baseline.json")
    assert baseline.by_name
    assert not baseline.machine["revision"].endswith("+")
