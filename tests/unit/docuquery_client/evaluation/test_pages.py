"""Folders of PDFs with questions: what is read of them, and how passages are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import PageRange
from docuquery_client.evaluation.pages import JudgedPages, PageQuestion, load
from docuquery_client.evaluation.records import DatasetError
from docuquery_client.evaluation.scores import figures

QUESTION: dict[str, Any] = {"question": "What?", "doc_name": "a", "evidence": [{"evidence_page_num": 0}]}


def written(folder: Path, *questions: Any, pdfs: tuple[str, ...] = ("a.pdf",)) -> Path:
    """The folder with these questions and (empty) PDFs."""
    (folder / "pdfs").mkdir()
    for name in pdfs:
        (folder / name).write_bytes(b"")
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in questions))
    return folder


def test_pages_count_from_1_and_evidence_may_stand_in_another_file(tmp_path: Path) -> None:
    places = [{"evidence_page_num": 4}, {"evidence_page_num": 0, "doc_name": "b"}]
    folder = written(tmp_path, {**QUESTION, "evidence": places}, pdfs=("a.pdf", "pdfs/b.pdf"))
    collection = load(folder)
    assert [query.pages for query in collection.queries] == [{("a", 5), ("b", 1)}]
    assert [file.path.name for file in collection.files(tmp_path)] == ["a.pdf", "b.pdf"]


def test_a_passage_counts_for_every_page_it_touches() -> None:
    collection = JudgedPages("set", [Path("x/a.pdf")], [])
    passages = [
        Passage(source="set/a.pdf", pages=PageRange(first=2, last=3)),
        Passage(source="elsewhere/a.pdf", pages=PageRange(first=1, last=1)),
    ]
    assert collection.read(passages) == ({("a", 2), ("a", 3)},)


def test_the_figures_are_means_over_the_questions() -> None:
    queries = [PageQuestion("1", "x", frozenset({("a", 2)})), PageQuestion("2", "y", frozenset({("b", 9)}))]
    collection = JudgedPages("set", [], queries)
    hit, miss = frozenset({("a", 2)}), frozenset({("a", 7)})
    found = {"1": (miss, miss, hit), "2": (miss, *[frozenset({("b", 1)})] * 4, frozenset({("b", 9)}))}
    names = ("page_hit@1", "page_hit@5", "document@5")
    assert figures(collection.scores(found).values(), names) == {
        "page_hit@1": 0.0, "page_hit@5": 0.5, "document@5": (1 + 0.8) / 2,
    }  # fmt: skip
    assert figures(collection.scores({"1": (hit,), "2": ()}).values(), names) == {
        "page_hit@1": 0.5, "page_hit@5": 0.5, "document@5": 0.5,
    }  # fmt: skip


def test_a_question_is_named_by_its_id_or_its_line_wherever_the_folder_is(tmp_path: Path) -> None:
    collection = load(written(tmp_path, QUESTION, {**QUESTION, "id": "fees"}, pdfs=("a.pdf",)))
    assert [query.id for query in collection.queries] == ["1", "fees"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({**QUESTION, "question": " "}, "line 1: `question` must be text"),
        ({**QUESTION, "evidence": []}, "line 1: `evidence` must be a list"),
        ({**QUESTION, "evidence": [3]}, "line 1: a place of the evidence"),
        ({**QUESTION, "evidence": [{"evidence_page_num": -1}]}, "line 1: `evidence_page_num`"),
        ({**QUESTION, "evidence": [{"evidence_page_num": True}]}, "line 1: `evidence_page_num`"),
        ({**QUESTION, "doc_name": None}, "line 1: `doc_name` must be text"),
        ({**QUESTION, "doc_name": "b"}, "asks nothing about the PDFs"),
        ([], "line 1: must be a JSON object"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, question: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(written(tmp_path, question))


def test_a_folder_without_pdfs_is_none(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no PDFs"):
        load(written(tmp_path, QUESTION, pdfs=()))
