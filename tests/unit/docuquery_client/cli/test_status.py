"""How a change of the store's vectors reads on the command line."""

from __future__ import annotations

import pytest

from docuquery.common.v1.reindex_pb2 import (
    REINDEX_STATE_RUNNING,
    REINDEX_STATE_STOPPED,
    REINDEX_STATE_SWITCHED,
    Reindex,
    VectorSpace,
)
from docuquery_client.cli.status import reindex_line

FORMER = VectorSpace(embedder="local/wordllama-256", dimensions=256, terms="bm25/english")
WANTED = VectorSpace(embedder="openai/large", dimensions=3072, terms="bm25/english")
COUNTS = {"documents_done": 1200, "document_count": 3000, "chunks_done": 41_200, "chunk_count": 100_000}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"state": REINDEX_STATE_RUNNING, "chunks_per_second": 3400.0, "seconds_left": 17.2},
            "reindex to openai/large (bm25/english): 1,200 of 3,000 documents, 41,200 of 100,000 chunks, "
            "3,400/s, 17 s left",
        ),
        (
            {"state": REINDEX_STATE_STOPPED},
            "reindex to openai/large (bm25/english): 1,200 of 3,000 documents, 41,200 of 100,000 chunks; "
            "nobody is at work on it",
        ),
        (
            {"state": REINDEX_STATE_SWITCHED},
            "reindex: switched to openai/large (bm25/english); the vectors of local/wordllama-256 "
            "(bm25/english) are kept until `docuquery admin reindex --finish`",
        ),
    ],
)
def test_a_reindex_is_told_in_a_line(fields: dict[str, float], line: str) -> None:
    assert reindex_line(Reindex(former=FORMER, wanted=WANTED, **COUNTS, **fields)) == line  # type: ignore[arg-type]  # by name
