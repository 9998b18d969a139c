"""Reading a test collection: what is accepted, and how a fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery_client.evaluation.beir import CorpusDocument, load
from docuquery_client.evaluation.records import DatasetError

CORPUS = '{"_id": "d1", "title": "Herons", "text": "They stand."}\n{"_id": "d2", "text": "No title."}\n'
QUERIES = '{"_id": "q1", "text": "What stands?"}\n{"_id": "q2", "text": "Unjudged."}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n"


def collection(folder: Path, corpus: str = CORPUS, queries: str = QUERIES, qrels: str = QRELS) -> Path:
    for name, text in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels.tsv", qrels)):
        (folder / name).write_bytes(text.encode())
    return folder


def test_a_collection_is_its_documents_and_its_judged_queries(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    dataset = load(collection(folder))
    assert dataset.name == "birds"
    assert dataset.documents == (
        CorpusDocument("d1", "Herons", "They stand."),
        CorpusDocument("d2", "", "No title."),
    )
    assert [(query.id, query.text, query.grades) for query in dataset.queries] == [
        ("q1", "What stands?", {"d1": 2, "d2": 0})
    ]


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\td1\t2\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t2\n",
        "\ufeffq1\td1\t2\r\n\r\n",
        "q1 \t d1\t 2 \n",
        "q1\td1\t2",
    ],
    ids=["bare", "headings", "mark and CRLF", "blanks", "no last line end"],
)
def test_judgements_may_have_headings_or_not(tmp_path: Path, qrels: str) -> None:
    (query,) = load(collection(tmp_path, qrels=qrels)).queries
    assert query.grades == {"d1": 2}


def test_judgements_are_found_where_published_sets_have_them(tmp_path: Path) -> None:
    collection(tmp_path)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels.tsv").rename(tmp_path / "qrels" / "test.tsv")
    assert len(load(tmp_path).queries) == 1


def test_numbers_are_ids_too_and_null_is_no_title(tmp_path: Path) -> None:
    corpus = '{"_id": 1, "title": null, "text": "One."}\n'
    dataset = load(collection(tmp_path, corpus=corpus, qrels="q1\t1\t1\n"))
    assert dataset.documents == (CorpusDocument("1", "", "One."),)


def test_a_document_with_neither_title_nor_text_is_blank() -> None:
    assert CorpusDocument("1", " ", "\n").is_blank
    assert not CorpusDocument("1", "A title", "").is_blank


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("corpus.jsonl", CORPUS + "{broken\n", r"corpus\.jsonl, line 3: not JSON"),
        ("corpus.jsonl", CORPUS + "[1]\n", r"corpus\.jsonl, line 3: must be a JSON object"),
        ("corpus.jsonl", CORPUS + '{"text": "x"}\n', r"corpus\.jsonl, line 3: `_id` must be"),
        ("corpus.jsonl", CORPUS + '{"_id": true, "text": "x"}\n', r"line 3: `_id` must be"),
        ("corpus.jsonl", CORPUS + '{"_id": "d3"}\n', r"line 3: `text` must be text"),
        ("corpus.jsonl", CORPUS + '{"_id": "d3", "text": "x", "title": 1}\n', r"line 3: `title` must be"),
        ("corpus.jsonl", CORPUS + '{"_id": "d1", "text": "x"}\n', r"line 3: the _id 'd1' is used twice"),
        ("corpus.jsonl", "\n", r"corpus\.jsonl holds no documents"),
        ("queries.jsonl", '{"_id": "q1"}\n', r"queries\.jsonl, line 1: `text` must be text"),
        ("queries.jsonl", QUERIES + QUERIES, r"queries\.jsonl, line 3: the _id 'q1' is used twice"),
        ("qrels.tsv", QRELS + "q1\td1\thigh\n", r"qrels\.tsv, line 4: the grade 'high' is not a whole"),
        ("qrels.tsv", "q1 d1 2\n", r"qrels\.tsv, line 1: must be query id, document id and grade"),
        ("qrels.tsv", "q1\td1\t0\n", r"no query with a relevant document"),
        ("qrels.tsv", "other\td1\t1\n", r"no query with a relevant document"),
        ("qrels.tsv", "", r"no query with a relevant document"),
    ],
)
def test_a_fault_names_its_file_and_line(tmp_path: Path, file: str, text: str, message: str) -> None:
    collection(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("corpus.jsonl", r"corpus\.jsonl cannot be read: No such file"),
        ("queries.jsonl", r"queries\.jsonl cannot be read: No such file"),
        ("qrels.tsv", r"has no judgements: neither qrels\.tsv nor qrels/test\.tsv"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, file: str, message: str) -> None:
    (collection(tmp_path) / file).unlink()
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path) -> None:
    (collection(tmp_path) / "corpus.jsonl").write_bytes(CORPUS.encode() + b'{"_id": "\xff"}\n')
    with pytest.raises(DatasetError, match=r"corpus\.jsonl, line 3: not UTF-8"):
        load(tmp_path)


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        load(tmp_path / "nowhere")
