"""A test collection of judged documents, as `run` measures it: a document ranks as its best passage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from docuquery.common.v1.passage_pb2 import Passage
from docuquery_client.evaluation.beir import JudgedQuery, RetrievalDataset
from docuquery_client.evaluation.ranking_metrics import METRICS
from docuquery_client.evaluation.records import fingerprint
from docuquery_client.evaluation.report import Setting
from docuquery_client.evaluation.scores import Scores, mark
from docuquery_client.evaluation.upload import source_of, write_files
from docuquery_client.upload_files import UploadFile


class JudgedDocuments:
    """Implements `run.Collection`; what is found for a query are document ids, best first."""

    passages_per_query = 200
    """All the contract gives. A document has several passages, so fewer documents come back than these, and
    a recall among the first 100 cannot be better than that allows."""

    def __init__(self, dataset: RetrievalDataset) -> None:
        self._dataset = dataset
        self._ids = {source_of(dataset.name, document.id): document.id for document in dataset.documents}

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def queries(self) -> Sequence[JudgedQuery]:
        return self._dataset.queries

    @property
    def blank(self) -> int:
        return sum(document.is_blank for document in self._dataset.documents)

    def files(self, folder: Path) -> list[UploadFile]:
        return write_files(self._dataset, folder)

    def read(self, passages: Iterable[Passage]) -> tuple[str, ...]:
        return document_ranking(passages, self._ids)

    @property
    def questions_sha256(self) -> str:
        return fingerprint([query.id, query.text, sorted(query.grades.items())] for query in self.queries)

    def scores(self, found: Mapping[str, tuple[str, ...]]) -> Mapping[str, Scores]:
        return {
            query.id: {name: mark(metric(found[query.id], query.grades)) for name, metric in METRICS.items()}
            for query in self.queries
        }

    def conditions(self, found: Mapping[str, tuple[str, ...]]) -> Mapping[str, Setting]:
        mean = sum(map(len, found.values())) / max(1, len(found))
        return {"mean_documents_per_query": round(mean, 1)}


def document_ranking(passages: Iterable[Passage], ids: Mapping[str, str]) -> tuple[str, ...]:
    """The documents in the order of their best passages.

    `ids` names the collection's documents by source; passages of others are passed over, so that a store
    may hold more than the collection.
    """
    return tuple(dict.fromkeys(ids[passage.source] for passage in passages if passage.source in ids))
