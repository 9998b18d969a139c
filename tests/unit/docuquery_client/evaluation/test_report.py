"""What of a run is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docuquery.common.v1.passage_pb2 import Passage
from docuquery_client.evaluation.beir import CorpusDocument, JudgedQuery, RetrievalDataset
from docuquery_client.evaluation.documents import JudgedDocuments, document_ranking
from docuquery_client.evaluation.embedded import measured_settings
from docuquery_client.evaluation.report import Report, mean_metrics, write_json

METRICS = {"ndcg@10": 0.123456789, "mrr@10": 1.0, "recall@10": 0.5, "recall@100": 1 / 3}


def test_a_document_ranks_as_its_best_passage_and_strangers_are_passed_over() -> None:
    passages = [Passage(source=source) for source in ("s/2", "other", "s/1", "s/2", "s/1", "s/3")]
    assert document_ranking(passages, {"s/1": "1", "s/2": "2", "s/3": "3"}) == ("2", "1", "3")


def test_the_metrics_are_means_over_the_queries() -> None:
    queries = [JudgedQuery("q1", "x", {"a": 1}), JudgedQuery("q2", "y", {"b": 1, "c": 1})]
    found = mean_metrics(queries, {"q1": ("x", "a"), "q2": ()})
    assert found["mrr@10"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["recall@10"] == pytest.approx((1 + 0) / 2)


def test_the_mean_number_of_documents_counts_empty_rankings() -> None:
    documents = (CorpusDocument("a", "", "x"), CorpusDocument("b", "", ""))
    collection = JudgedDocuments(RetrievalDataset("birds", documents, (JudgedQuery("q1", "x", {"a": 1}),)))
    assert collection.conditions({"q1": ("a", "b", "c"), "q2": ()}) == {"mean_documents_per_query": 1.5}
    assert collection.conditions({}) == {"mean_documents_per_query": 0.0}
    assert collection.blank == 1


def test_one_mode_is_an_object_and_several_are_a_list(tmp_path: Path) -> None:
    report = Report("birds", "hybrid", {"queries": 3}, METRICS)
    write_json(tmp_path / "one.json", [report])
    expected = {
        "dataset": "birds",
        "mode": "hybrid",
        "settings": {"queries": 3},
        "metrics": {"ndcg@10": 0.12346, "mrr@10": 1.0, "recall@10": 0.5, "recall@100": 0.33333},
    }
    assert json.loads((tmp_path / "one.json").read_text()) == expected
    write_json(tmp_path / "two.json", [report, report])
    assert json.loads((tmp_path / "two.json").read_text()) == [expected, expected]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]


def test_only_settings_that_change_what_is_found_are_reported_and_no_secrets() -> None:
    environment = {
        "CHUNK_SIZE": "1000", "RETRIEVAL_FUSION": "rrf", "EMBEDDING_API_KEY": "secret", "CHUNK_OVERLAP": "",
        "RETRIEVAL_TARGET": "x:1", "PATH": "/bin", "BM25_LANGUAGE": "german",
    }  # fmt: skip
    assert measured_settings(environment) == {
        "BM25_LANGUAGE": "german", "CHUNK_SIZE": "1000", "RETRIEVAL_FUSION": "rrf",
    }  # fmt: skip
