"""`docuquery eval --judge`: answers graded by a model, which here is a server of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli import app
from docuquery_client.evaluation.judge import prompt
from tests.contract.llm_server import End, Finish, Open, Status, Text
from tests.contract.llm_thread import model_server
from tests.rpc.client_support import FakeGateway, serving

QUESTIONS = (
    {"id": "1", "question": "When does it leave?", "document": "ferry.txt", "answers": ["22:40"]},
    {"id": "2", "question": "Who steers it?", "document": "ferry.txt", "answers": [], "is_impossible": True},
)


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    folder = tmp_path / "ferry"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "ferry.txt").write_text("It leaves at 22:40.")
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in QUESTIONS))
    return folder


@pytest.fixture
def address() -> Iterator[str]:
    gateway = FakeGateway()
    gateway.result = pb.QueryResult(answer="It leaves at 22:40.", outcome=OUTCOME_ANSWERED, groundedness=1.0)
    with serving(gateway) as served:
        yield served


def test_its_grades_are_metrics_and_its_agreement_is_reported(
    ferry: Path, address: str, tmp_path: Path
) -> None:
    grades = Text('{"quality": 5, "faithfulness": 5}')
    out = tmp_path / "out.json"
    with model_server(Open(), grades, Finish("stop"), End()) as server:
        result = CliRunner().invoke(
            app,
            [
                "eval", str(ferry), "--address", address, "--judge", "openai:m-1", "--json", str(out),
                "--markdown", str(tmp_path / "out.md"),
            ],
            env={
                "DOCUQUERY_JUDGE_API_KEY": "sk-secret",
                "DOCUQUERY_JUDGE_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
            },
        )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert len(server.requests) == 2
    report = json.loads(out.read_text())
    assert report["metrics"]["judge_quality"] == report["metrics"]["judge_faithfulness"] == 1.0
    judge = report["judge"]
    assert (judge["model"], judge["judged"], judge["prompt_sha256"]) == ("openai:m-1", 2, prompt.SHA256)
    # The second answer is to a question without one: right says the model, wrong the judge without one.
    assert judge["quality"] == {"answers": 2, "share": 0.5, "kappa": 0.0}
    assert judge["faithfulness"] == {"answers": 2, "share": 1.0, "kappa": None}
    assert "openai:m-1 on quality: agrees in 0.500 of 2 answers" in result.stderr
    assert "judged by openai:m-1" in (tmp_path / "out.md").read_text()
    assert "sk-secret" not in out.read_text() + result.output


def test_a_judge_that_fails_costs_the_judgements_and_not_the_measurement(
    ferry: Path, address: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    with model_server(Status(401)) as server:
        result = CliRunner().invoke(
            app,
            ["eval", str(ferry), "--address", address, "--judge", "anthropic:m-1", "--json", str(out)],
            env={"DOCUQUERY_JUDGE_BASE_URL": f"http://127.0.0.1:{server.port}"},
        )
    assert result.exit_code == 1
    assert "anthropic:m-1: HTTP 401" in result.stderr
    report = json.loads(out.read_text())
    assert report["metrics"]["answer_contains"] == 1.0
    assert "judge_quality" not in report["metrics"]
    assert report["judge"]["judged"] == 0
