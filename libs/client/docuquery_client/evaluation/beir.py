"""The BEIR layout of a test collection: documents, queries, and judgements of what is relevant.

A folder with `corpus.jsonl` (`{"_id", "title", "text"}` a line), `queries.jsonl` (`{"_id", "text"}`) and
`qrels.tsv` (query id, document id, grade; with or without a line of headings), or `qrels/test.tsv` as the
published sets have it. Thakur et al., "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of
Information Retrieval Models", NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docuquery_client.evaluation.records import DatasetError, lines, records

_JUDGEMENTS = ("qrels.tsv", "qrels/test.tsv")


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """A document to be found."""

    id: str
    title: str
    """Empty where there is none."""
    text: str

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to read in it (two documents of Cranfield are so)."""
        return not (self.title.strip() or self.text.strip())


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A question, and which documents answer it."""

    id: str
    text: str
    grades: Mapping[str, int]
    """Grade by document id; above 0 is relevant, higher is better. At least one is relevant."""


@dataclass(frozen=True, slots=True)
class RetrievalDataset:
    """A whole collection."""

    name: str
    """The folder's name."""
    documents: tuple[CorpusDocument, ...]
    queries: tuple[JudgedQuery, ...]
    """In the order of their file; those without a relevant document are left out: no ranking of theirs is
    better than another."""


def load(folder: Path) -> RetrievalDataset:
    """Reads the collection in `folder`. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder.")
    documents = _documents(folder / "corpus.jsonl")
    judgements = _judgements(_judgement_file(folder))
    queries = _queries(folder / "queries.jsonl", judgements)
    if not documents:
        raise DatasetError(f"{folder / 'corpus.jsonl'} holds no documents.")
    if not queries:
        raise DatasetError(f"{folder} has no query with a relevant document: there is nothing to score.")
    return RetrievalDataset(folder.resolve().name, documents, queries)


def _documents(path: Path) -> tuple[CorpusDocument, ...]:
    documents: dict[str, CorpusDocument] = {}
    for where, record in records(path):
        document = CorpusDocument(
            _id(record, where), _text(record, "title", where, optional=True), _text(record, "text", where)
        )
        if document.id in documents:
            raise DatasetError(f"{where}: the _id {document.id!r} is used twice.")
        documents[document.id] = document
    return tuple(documents.values())


def _queries(path: Path, judgements: Mapping[str, Mapping[str, int]]) -> tuple[JudgedQuery, ...]:
    queries: dict[str, JudgedQuery] = {}
    for where, record in records(path):
        query = JudgedQuery(key := _id(record, where), _text(record, "text", where), judgements.get(key, {}))
        if key in queries:
            raise DatasetError(f"{where}: the _id {key!r} is used twice.")
        queries[key] = query
    return tuple(query for query in queries.values() if any(grade > 0 for grade in query.grades.values()))


def _judgement_file(folder: Path) -> Path:
    for name in _JUDGEMENTS:
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(f"{folder} has no judgements: neither {' nor '.join(_JUDGEMENTS)} is there.")


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for number, line in lines(path):
        where = f"{path}, line {number}"
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3:
            raise DatasetError(f"{where}: must be query id, document id and grade with tabs between them.")
        query_id, document_id, grade = cells
        try:
            judged = int(grade)
        except ValueError:
            if number == 1:
                continue  # headings
            raise DatasetError(f"{where}: the grade {grade!r} is not a whole number.") from None
        judgements.setdefault(query_id, {})[document_id] = judged
    return judgements


def _id(record: Mapping[str, Any], where: str) -> str:
    value = record.get("_id")
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DatasetError(f"{where}: `_id` must be text or a number.")
    return str(value)


def _text(record: Mapping[str, Any], key: str, where: str, *, optional: bool = False) -> str:
    value = record.get(key)
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise DatasetError(f"{where}: `{key}` must be text.")
    return value
