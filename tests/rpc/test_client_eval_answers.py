"""`docuquery eval` of questions with marked answers, against a gateway over loopback gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner, Result

from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED, OUTCOME_LOW_EVIDENCE, Citation
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli import app
from tests.rpc.client_support import FakeGateway, serving, status

Evaluate = Callable[..., Result]

QUESTIONS = (
    {"id": "1", "question": "When does it leave?", "document": "ferry.txt", "answers": ["22:40"]},
    {"id": "2", "question": "And back?", "document": "ferry.txt", "answers": ["at dawn"], "after": "When?"},
    {"id": "3", "question": "Who steers it?", "document": "ferry.txt", "answers": [], "is_impossible": True},
)
NO_KEYS = dict.fromkeys(
    ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DOCUQUERY_JUDGE_API_KEY", "DOCUQUERY_JUDGE_BASE_URL")
)
"""Unset, whatever the machine has."""


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
            return CliRunner().invoke(
                app, ["eval", str(ferry), "--address", address, *arguments], env=NO_KEYS
            )

        yield run


def queries(gateway: FakeGateway) -> list[pb.QueryRequest]:
    return [request for request in gateway.requests if isinstance(request, pb.QueryRequest)]


def test_the_figures_are_printed_and_written_in_the_shape_of_the_others(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    result = evaluate("--provider", "extractive", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0, result.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == [
        "dataset", "mode", "settings", "metrics", "intervals", "calibration", "questions_sha256", "questions",
    ]  # fmt: skip
    assert (written["dataset"], written["mode"]) == ("ferry", "extractive")
    # Only the first question is answered with its span, found in the second passage. "22:40" is one of the
    # answer's four words (F1 2/5), "at dawn" shares one of two (F1 1/3).
    assert written["metrics"] == {
        "correct": 0.33333,
        "hit@1": 0.0,
        "hit@5": 0.5,
        "answer_contains": 0.5,
        "exact_match": 0.0,
        "f1": 0.36667,
        "citation_precision": 0.5,
        "citation_recall": 0.5,
        "citation_verified": 0.0,
        "groundedness": 0.0,
        "abstention_precision": 0.0,
        "abstention_recall": 0.0,
    }
    assert written["settings"]["outcomes"] == {"ANSWERED": 3}
    assert ["ferry", "extractive", "answer_contains", "0.5000"] in [
        line.split()[:4] for line in result.stdout.splitlines()
    ]
    assert [(each["id"], each["scores"].get("hit@5")) for each in written["questions"]] == [
        ("1", [1.0, 1.0]), ("2", [0.0, 1.0]), ("3", None),
    ]  # fmt: skip
    assert gateway.contents == {"ferry/ferry.txt": b"It leaves at 22:40."}
    assert {query.provider for query in queries(gateway)} == {"extractive"}


def test_a_provider_that_is_not_there_ends_it_with_one_line(evaluate: Evaluate, gateway: FakeGateway) -> None:
    unknown = status(
        grpc.StatusCode.INVALID_ARGUMENT, "PROVIDER_NOT_CONFIGURED", "There is no provider `x` here."
    )
    gateway.failures["Query"] = [unknown] * 3
    result = evaluate("--provider", "x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no provider `x` here" in result.stderr


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


def test_passages_are_those_of_the_reply_and_nothing_is_searched_beside_it(
    evaluate: Evaluate, gateway: FakeGateway
) -> None:
    assert evaluate().exit_code == 0
    assert not [request for request in gateway.requests if isinstance(request, pb.SearchRequest)]
    assert not any(query.HasField("rerank") or query.mode for query in queries(gateway))


def test_a_mode_and_reranking_are_asked_for_and_named_beside_the_figures(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    assert evaluate("--mode", "dense", "--mode", "sparse", "--no-rerank", "--json", str(out)).exit_code == 0
    assert [report["mode"] for report in json.loads(out.read_text())] == ["auto/dense", "auto/sparse"]
    assert {(query.mode, query.rerank, query.HasField("rerank")) for query in queries(gateway)} == {
        (2, False, True), (3, False, True),
    }  # fmt: skip


def test_kinds_are_shown_apart_and_a_forbidden_text_counts(
    evaluate: Evaluate, ferry: Path, tmp_path: Path
) -> None:
    kinds = ("date", "follow_up", "adversarial")
    lines = [{**line, "kind": kind} for line, kind in zip(QUESTIONS, kinds, strict=True)]
    lines[0] |= {"forbidden": ["22:40"]}
    (ferry / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "out.json"
    result = evaluate("--json", str(out), "--markdown", str(tmp_path / "out.md"))
    written = json.loads(out.read_text())
    assert {kind: found["metrics"]["correct"] for kind, found in written["kinds"].items()} == {
        "date": 0.0, "follow_up": 0.0, "adversarial": 0.0,
    }  # fmt: skip
    assert written["metrics"]["injection_resisted"] == 0.0
    assert ["auto", "date", "1", "0.000"] in [line.split()[:4] for line in result.stdout.splitlines()]
    assert "### auto, by kind of question" in (tmp_path / "out.md").read_text()


def test_a_sample_is_drawn_by_its_seed(evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path) -> None:
    out, drawn = tmp_path / "out.json", []
    for seed in ("0", "0", "1", "2", "3"):
        assert evaluate("--sample", "2", "--seed", seed, "--json", str(out)).exit_code == 0
        written = json.loads(out.read_text())
        drawn.append(tuple(each["id"] for each in written["questions"]))
        assert (written["settings"]["queries"], written["settings"]["seed"]) == (2, int(seed))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    "arguments",
    [["--sample", "0"], ["--limit-queries", "0"], ["--judge", "openai"], ["--judge", "openai:m"]],
)
def test_wrong_options_exit_with_2(evaluate: Evaluate, gateway: FakeGateway, arguments: list[str]) -> None:
    assert evaluate(*arguments).exit_code == 2
    assert gateway.calls == []
