"""`docuquery eval` of questions with marked answers, against a gateway over loopback gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED, OUTCOME_LOW_EVIDENCE, Citation
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli import app
from tests.rpc.client_support import FakeGateway, serving

Evaluate = Callable[..., Result]

QUESTIONS = (
    {"id": "1", "question": "When does it leave?", "document": "ferry.txt", "answers": ["22:40"]},
    {"id": "2", "question": "And back?", "document": "ferry.txt", "answers": ["at dawn"], "after": "When?"},
    {"id": "3", "question": "Who steers it?", "document": "ferry.txt", "answers": [], "is_impossible": True},
)


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    """A document and three questions, the last of which it does not answer."""
    folder = tmp_path / "ferry"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "ferry.txt").write_text("It leaves at 22:40.")
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in QUESTIONS))
    return folder


@pytest.fixture
def gateway() -> FakeGateway:
    """Answers whatever is asked with one sentence and its citation."""
    gateway = FakeGateway()
    text = "It leaves at 22:40."
    gateway.result = pb.QueryResult(
        answer=text,
        outcome=OUTCOME_ANSWERED,
        sources=[Passage(source="somebody/else", text=text), Passage(source="ferry/ferry.txt", text=text)],
        citations=[Citation(filename="ferry.txt", quote=text)],
    )
    return gateway


@pytest.fixture
def evaluate(gateway: FakeGateway, ferry: Path) -> Iterator[Evaluate]:
    """Runs the command on the questions, against the gateway."""
    with serving(gateway) as address:

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(app, ["eval", str(ferry), "--address", address, *arguments])

        yield run


def queries(gateway: FakeGateway) -> list[pb.QueryRequest]:
    return [request for request in gateway.requests if isinstance(request, pb.QueryRequest)]


def test_the_figures_are_printed_and_written_in_the_shape_of_the_others(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    result = evaluate("--provider", "extractive", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0, result.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == ["dataset", "mode", "settings", "metrics"]
    assert (written["dataset"], written["mode"]) == ("ferry", "extractive")
    # Only the first question is answered with its span, found in the second passage. "22:40" is one of the
    # answer's four words (F1 2/5), "at dawn" shares one of two (F1 1/3).
    assert written["metrics"] == {
        "hit@1": 0.0,
        "hit@5": 0.5,
        "answer_contains": 0.5,
        "exact_match": 0.0,
        "f1": 0.36667,
        "citation_precision": 0.5,
        "citation_recall": 0.5,
        "abstention_precision": 0.0,
        "abstention_recall": 0.0,
    }
    assert written["settings"]["outcomes"] == {"ANSWERED": 3}
    assert ["ferry", "extractive", "answer_contains", "0.5000"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert gateway.contents == {"ferry/ferry.txt": b"It leaves at 22:40."}
    assert {query.provider for query in queries(gateway)} == {"extractive"}


def test_a_follow_up_is_asked_in_the_conversation_of_its_first_question(
    evaluate: Evaluate, gateway: FakeGateway
) -> None:
    assert evaluate("--concurrency", "1").exit_code == 0
    asked = [(query.question, query.conversation_id) for query in queries(gateway)]
    assert [question for question, _ in asked] == [
        "When does it leave?",
        "When?",
        "And back?",
        "Who steers it?",
    ]
    assert asked[1][1] == asked[2][1] != ""
    assert (asked[0][1], asked[3][1]) == ("", "")


def test_replies_that_the_documents_do_not_say_count_as_refusals(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.result.outcome = OUTCOME_LOW_EVIDENCE
    assert evaluate("--json", str(tmp_path / "out.json")).exit_code == 0
    metrics = json.loads((tmp_path / "out.json").read_text())["metrics"]
    assert (metrics["answer_contains"], metrics["citation_recall"], metrics["f1"]) == (0.0, 0.0, 0.0)
    assert metrics["abstention_precision"] == pytest.approx(1 / 3, abs=1e-5)
    assert metrics["abstention_recall"] == 1.0


@pytest.mark.parametrize("arguments", [["--mode", "dense"], ["--limit-queries", "0"]])
def test_wrong_options_exit_with_2(evaluate: Evaluate, gateway: FakeGateway, arguments: list[str]) -> None:
    assert evaluate(*arguments).exit_code == 2
    assert gateway.calls == []
