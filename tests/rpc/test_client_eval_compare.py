"""`docuquery eval compare` on reports that `docuquery eval` wrote, and the group both stand in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from docuquery.common.v1.passage_pb2 import Passage
from docuquery_client.cli import app
from tests.rpc.client_support import FakeGateway, serving


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments])


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A collection of two documents and twelve queries, half of which the swift answers."""
    folder = tmp_path / "birds"
    folder.mkdir()
    documents = [{"_id": name, "title": "", "text": f"About the {name}."} for name in ("heron", "swift")]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in documents))
    queries = [{"_id": f"q{n}", "text": f"Which bird? {n}"} for n in range(12)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    grades = [f"q{n}\t{'swift' if n % 2 else 'heron'}\t1\n" for n in range(12)]
    (folder / "qrels.tsv").write_text("".join(grades))
    return folder


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def address(gateway: FakeGateway) -> Iterator[str]:
    with serving(gateway) as served:
        yield served


def measured(gateway: FakeGateway, address: str, folder: Path, out: Path, *found: str) -> Path:
    """A report of a run that finds these documents for every query, best first."""
    del gateway.result.sources[:]
    gateway.result.sources.extend(Passage(source=f"birds/{name}") for name in found)
    result = run(str(folder), "--address", address, "--json", str(out))
    assert result.exit_code == 0, result.stderr
    return out


def test_differences_are_shown_with_interval_and_p(
    gateway: FakeGateway, address: str, birds: Path, tmp_path: Path
) -> None:
    a = measured(gateway, address, birds, tmp_path / "a.json", "heron")
    b = measured(gateway, address, birds, tmp_path / "b.json", "heron", "swift")
    result = run("compare", str(a), str(b), "--markdown", str(tmp_path / "out.md"))
    assert result.exit_code == 0, result.stderr
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()[1:]}
    # Six of twelve queries now find theirs at rank 2: half the reciprocal rank, all the recall.
    assert rows["mrr@10"][:3] == ["0.5000", "0.7500", "+0.2500"]
    assert rows["recall@10"][:3] == ["0.5000", "1.0000", "+0.5000"]
    low, high, p, questions = rows["recall@10"][3:]
    assert 0 < float(low) < 0.5 < float(high)
    # Of 2^6 exchanges of the six that differ, two are as extreme: 1/32.
    assert float(p) == pytest.approx(1 / 32, abs=0.006)
    assert questions == "12"
    assert "birds: a is hybrid, b is hybrid" in result.stderr
    assert "## birds: hybrid (A) and hybrid (B)" in (tmp_path / "out.md").read_text()
    assert run("compare", str(a), str(b)).stdout == result.stdout


def test_reports_of_other_questions_are_wrong_usage(
    gateway: FakeGateway, address: str, birds: Path, tmp_path: Path
) -> None:
    a = measured(gateway, address, birds, tmp_path / "a.json", "heron")
    lines = (birds / "queries.jsonl").read_text().splitlines(keepends=True)
    (birds / "queries.jsonl").write_text("".join(lines[:-1]))
    b = measured(gateway, address, birds, tmp_path / "b.json", "heron")
    result = run("compare", str(a), str(b))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "1 of the questions in A are not in B (q11)" in result.stderr
    assert run("compare", str(a), str(tmp_path / "none.json")).exit_code == 2


def test_the_command_that_measures_needs_no_name_and_may_have_one(address: str, birds: Path) -> None:
    for arguments in (
        [str(birds), "--address", address],
        ["--address", address, str(birds)],
        ["run", str(birds), "--address", address],
    ):
        result = run(*arguments)
        assert result.exit_code == 0, arguments
        assert result.stdout.splitlines()[1].split()[:3] == ["birds", "hybrid", "12"]


def test_help_names_both_commands_and_each_has_its_own() -> None:
    assert "compare" in run("--help").stdout
    assert "--sample" in run("run", "--help").stdout
    assert "--sample" in run("some/folder", "--help").stdout
    assert "FILE#MODE" in run("compare", "--help").stdout


WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from docuquery_client.cli import app
app(["eval", *sys.argv[1:]])
"""


def test_without_matplotlib_drawing_is_refused_before_anything_is_measured(
    gateway: FakeGateway, address: str, birds: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            sys.executable, "-c", WITHOUT_MATPLOTLIB,
            str(birds), "--address", address, "--plots", str(tmp_path / "plots"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'docuquery[eval]'" in done.stderr
    assert gateway.calls == []
