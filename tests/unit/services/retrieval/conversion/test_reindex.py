"""A change of vector space in the words of the contract."""

from __future__ import annotations

from docuquery.common.v1 import reindex_pb2 as pb
from services.retrieval.conversion.reindex import STATES, reindex_to_proto
from services.retrieval.store.progress import FillProgress, ReindexState, ReindexStatus
from services.retrieval.store.spaces import VectorSpace

A, B = VectorSpace("test/a", 8, "bm25/english"), VectorSpace("test/b", 16, "bm25/german")


def test_every_state_has_its_word() -> None:
    assert STATES.keys() == set(ReindexState)
    assert set(STATES.values()) == {value for name, value in pb.ReindexState.items() if value}


def test_everything_known_is_told() -> None:
    message = reindex_to_proto(ReindexStatus(ReindexState.RUNNING, A, B, FillProgress(1, 2, 30, 90, 20.0)))
    assert message == pb.Reindex(
        state=pb.REINDEX_STATE_RUNNING,
        former=pb.VectorSpace(embedder="test/a", dimensions=8, terms="bm25/english"),
        wanted=pb.VectorSpace(embedder="test/b", dimensions=16, terms="bm25/german"),
        documents_done=1,
        document_count=2,
        chunks_done=30,
        chunk_count=90,
        chunks_per_second=20.0,
        seconds_left=3.0,
    )


def test_what_is_not_known_is_left_out() -> None:
    message = reindex_to_proto(ReindexStatus(ReindexState.SWITCHED, A, B))
    assert message.chunk_count == 0
    assert not message.HasField("seconds_left")
