"""Questions about long PDFs, each with the pages its evidence stands on.

A folder with `questions.jsonl` and the PDFs, beside it or in `pdfs/`. A line holds `question`, `doc_name`
(the file's name without `.pdf`) and `evidence`: a list of objects with `evidence_page_num`, counted from 0,
and a `doc_name` of their own where it is another. So FinanceBench has it (Islam et al., "FinanceBench: A New
Benchmark for Financial Question Answering", 2023). Questions about files that are not there are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from docuquery.common.v1.document_pb2 import DocumentType
from docuquery.common.v1.passage_pb2 import Passage
from docuquery_client.evaluation.records import QUESTIONS, DatasetError, fingerprint, records
from docuquery_client.evaluation.report import Setting
from docuquery_client.evaluation.scores import Scores, mark
from docuquery_client.upload_files import UploadFile

Page: TypeAlias = "tuple[str, int]"
"""A file's name without `.pdf`, and a page of it, 1-based."""

_FOLDERS = ("pdfs", ".")


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question, and where its answer stands."""

    id: str
    text: str
    pages: frozenset[Page]
    """At least one."""


class JudgedPages:
    """Implements `run.Collection`; what is found for a question are the pages of each passage, best first."""

    passages_per_query = 10
    """As many as a search gives by itself."""
    blank = 0

    def __init__(self, name: str, paths: Sequence[Path], queries: Sequence[PageQuestion]) -> None:
        self.name = name
        self.queries = queries
        self._paths = paths
        self._stems = {self._source(path): path.stem for path in paths}

    def _source(self, path: Path) -> str:
        return f"{self.name}/{path.name}"

    def files(self, _folder: Path) -> list[UploadFile]:
        return [
            UploadFile(path, source=self._source(path), type=DocumentType.DOCUMENT_TYPE_PDF)
            for path in self._paths
        ]

    def read(self, passages: Iterable[Passage]) -> tuple[frozenset[Page], ...]:
        """Passages of documents that are not the collection's are passed over."""
        return tuple(
            frozenset(
                (self._stems[passage.source], page)
                for page in range(passage.pages.first, passage.pages.last + 1)
            )
            for passage in passages
            if passage.source in self._stems
        )

    @property
    def questions_sha256(self) -> str:
        return fingerprint([query.id, query.text, sorted(query.pages)] for query in self.queries)

    def scores(self, found: Mapping[str, tuple[frozenset[Page], ...]]) -> Mapping[str, Scores]:
        """0 to 1, higher is better.

        `page_hit@k`: whether one of the first k passages touches a page of the evidence. `document@5`: the
        share of the first five that are of a document with evidence.
        """
        return {
            query.id: {
                "page_hit@1": mark(_touches(query, found[query.id][:1])),
                "page_hit@5": mark(_touches(query, found[query.id][:5])),
                "document@5": mark(_belong(query, found[query.id][:5])),
            }
            for query in self.queries
        }

    def conditions(self, _found: Mapping[str, tuple[frozenset[Page], ...]]) -> Mapping[str, Setting]:
        return {}


def load(folder: Path) -> JudgedPages:
    """Reads the questions in `folder` and finds their PDFs. Raises DatasetError."""
    paths = {path.stem: path for name in _FOLDERS for path in sorted((folder / name).glob("*.pdf"))}
    if not paths:
        raise DatasetError(f"{folder} has no PDFs: neither beside {QUESTIONS} nor in {_FOLDERS[0]}/.")
    lines = enumerate(records(folder / QUESTIONS), start=1)
    read = [_question(record, where, number) for number, (where, record) in lines]
    queries = [query for query in read if all(stem in paths for stem, _ in query.pages)]
    if not queries:
        raise DatasetError(f"{folder / QUESTIONS} asks nothing about the PDFs that are there.")
    return JudgedPages(folder.resolve().name, sorted(paths.values()), queries)


def _question(record: Mapping[str, Any], where: str, number: int) -> PageQuestion:
    text, evidence = record.get("question"), record.get("evidence")
    if not isinstance(text, str) or not text.strip():
        raise DatasetError(f"{where}: `question` must be text.")
    if not isinstance(evidence, list) or not evidence:
        raise DatasetError(f"{where}: `evidence` must be a list with at least one place.")
    # A number is a name as good as any: the questions of different sets call theirs differently.
    return PageQuestion(
        str(record.get("id", number)), text, frozenset(_page(record, place, where) for place in evidence)
    )


def _page(record: Mapping[str, Any], place: Any, where: str) -> Page:
    if not isinstance(place, dict):
        raise DatasetError(f"{where}: a place of the evidence must be a JSON object.")
    number, stem = place.get("evidence_page_num"), place.get("doc_name", record.get("doc_name"))
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise DatasetError(f"{where}: `evidence_page_num` must be a whole number, 0 or more.")
    if not isinstance(stem, str) or not stem:
        raise DatasetError(f"{where}: `doc_name` must be text.")
    return stem, number + 1


def _touches(query: PageQuestion, passages: Sequence[frozenset[Page]]) -> float:
    return float(any(pages & query.pages for pages in passages))


def _belong(query: PageQuestion, passages: Sequence[frozenset[Page]]) -> float:
    stems = {stem for stem, _ in query.pages}
    right = sum(any(stem in stems for stem, _ in pages) for pages in passages)
    return right / len(passages) if passages else 0.0
