"""What of a run is written down, and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1.passage_pb2 import Passage
from docuquery_client.evaluation.beir import CorpusDocument, JudgedQuery, RetrievalDataset
from docuquery_client.evaluation.documents import JudgedDocuments, document_ranking
from docuquery_client.evaluation.embedded import measured_settings
from docuquery_client.evaluation.report import QuestionResult, Reply, Report, latency, summed_up
from docuquery_client.evaluation.report_file import ReportError, read_json, write_json
from docuquery_client.evaluation.scores import Share, mark

QUESTIONS = (
    QuestionResult("q1", "Where?", {"correct": mark(1), "cited": Share(1, 3)}, "direct", 0.25),
    QuestionResult(
        "q2", "When?", {"correct": mark(0)}, "date", None, Reply("ANSWERED", "At ten.", 0.4, False)
    ),
)


def report(mode: str = "hybrid") -> Report:
    return summed_up("birds", mode, {"queries": 2}, QUESTIONS, "ab12", always=("correct", "refused"))


def collection(*queries: JudgedQuery) -> JudgedDocuments:
    documents = (CorpusDocument("a", "", "x"), CorpusDocument("b", "", ""))
    return JudgedDocuments(RetrievalDataset("birds", documents, queries))


def test_a_document_ranks_as_its_best_passage_and_strangers_are_passed_over() -> None:
    passages = [Passage(source=source) for source in ("s/2", "other", "s/1", "s/2", "s/1", "s/3")]
    assert document_ranking(passages, {"s/1": "1", "s/2": "2", "s/3": "3"}) == ("2", "1", "3")


def test_every_query_has_every_metric() -> None:
    judged = collection(JudgedQuery("q1", "x", {"a": 1}), JudgedQuery("q2", "y", {"b": 1, "c": 1}))
    scores = judged.scores({"q1": ("x", "a"), "q2": ()})
    assert {key: each["mrr@10"] for key, each in scores.items()} == {"q1": (0.5, 1), "q2": (0.0, 1)}
    assert {key: each["recall@10"] for key, each in scores.items()} == {"q1": (1.0, 1), "q2": (0.0, 1)}


def test_the_mean_number_of_documents_counts_empty_rankings() -> None:
    judged = collection(JudgedQuery("q1", "x", {"a": 1}))
    assert judged.conditions({"q1": ("a", "b", "c"), "q2": ()}) == {"mean_documents_per_query": 1.5}
    assert judged.conditions({}) == {"mean_documents_per_query": 0.0}
    assert judged.blank == 1


def test_metrics_are_shares_over_the_questions_they_apply_to() -> None:
    assert report().metrics == {"correct": 0.5, "refused": 0.0, "cited": pytest.approx(1 / 3)}
    assert report().intervals["refused"] == (0.0, 0.0)
    assert report().intervals["correct"] == (0.0, 1.0)


def test_latency_is_the_nearest_rank_of_the_replies_that_came() -> None:
    questions = [QuestionResult(str(n), "?", {}, seconds=n / 100) for n in range(1, 101)]
    assert latency(questions) == {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    assert latency(QUESTIONS) == {"p50": 0.25, "p95": 0.25, "p99": 0.25}
    assert latency(QUESTIONS[1:]) == {}


def test_one_mode_is_an_object_and_several_are_a_list(tmp_path: Path) -> None:
    write_json(tmp_path / "one.json", [report()])
    expected: dict[str, Any] = {
        "dataset": "birds",
        "mode": "hybrid",
        "settings": {"queries": 2},
        "metrics": {"correct": 0.5, "refused": 0.0, "cited": 0.33333},
        "intervals": {"correct": [0.0, 1.0], "refused": [0.0, 0.0], "cited": [0.33333, 0.33333]},
        "kinds": {
            "direct": {"questions": 1, "metrics": {"correct": 1.0, "cited": 0.33333}},
            "date": {"questions": 1, "metrics": {"correct": 0.0}},
        },
        "calibration": {
            "error": 0.4,
            "bins": [{"low": 0.4, "high": 0.5, "answers": 1, "confidence": 0.4, "correct": 0.0}],
        },
        "questions_sha256": "ab12",
        "questions": [
            {
                "id": "q1",
                "question": "Where?",
                "kind": "direct",
                "seconds": 0.25,
                "scores": {"correct": [1.0, 1.0], "cited": [1, 3]},
            },
            {
                "id": "q2",
                "question": "When?",
                "kind": "date",
                "seconds": None,
                "scores": {"correct": [0.0, 1.0]},
                "reply": {"outcome": "ANSWERED", "answer": "At ten.", "confidence": 0.4, "is_correct": False},
            },
        ],
    }
    assert json.loads((tmp_path / "one.json").read_text()) == expected
    write_json(tmp_path / "two.json", [report(), report("dense")])
    assert json.loads((tmp_path / "two.json").read_text()) == [expected, {**expected, "mode": "dense"}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_a_written_report_is_read_with_all_that_a_comparison_needs(tmp_path: Path) -> None:
    write_json(tmp_path / "two.json", [report(), report("dense")])
    first, second = read_json(tmp_path / "two.json")
    assert (first.mode, second.mode, first.dataset, first.questions_sha256) == (
        "hybrid", "dense", "birds", "ab12",
    )  # fmt: skip
    assert [(q.id, q.text, q.scores, q.kind) for q in first.questions] == [
        (q.id, q.text, q.scores, q.kind) for q in QUESTIONS
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not JSON"), ("[1]", "no report"), ('{"dataset": "x", "mode": "y"}', "no report"), (None, "read")],
)
def test_a_file_that_is_no_report_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReportError, match=f"x.json.*{message}"):
        read_json(path)


def test_only_settings_that_change_what_is_found_are_reported_and_no_secrets() -> None:
    environment = {
        "CHUNK_SIZE": "1000", "RETRIEVAL_FUSION": "rrf", "EMBEDDING_API_KEY": "secret", "CHUNK_OVERLAP": "",
        "RETRIEVAL_TARGET": "x:1", "PATH": "/bin", "BM25_LANGUAGE": "german", "OPENAI_API_KEY": "secret",
        "OPENAI_MODEL": "m-1",
    }  # fmt: skip
    assert measured_settings(environment) == {
        "BM25_LANGUAGE": "german", "CHUNK_SIZE": "1000", "OPENAI_MODEL": "m-1", "RETRIEVAL_FUSION": "rrf",
    }  # fmt: skip
