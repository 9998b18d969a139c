"""A change of vector space, to its message. Pure."""

from __future__ import annotations

from docuquery.common.v1 import reindex_pb2 as pb
from services.retrieval.store.progress import FillProgress, ReindexState, ReindexStatus
from services.retrieval.store.spaces import VectorSpace

STATES = {
    ReindexState.RUNNING: pb.REINDEX_STATE_RUNNING,
    ReindexState.STOPPED: pb.REINDEX_STATE_STOPPED,
    ReindexState.SWITCHED: pb.REINDEX_STATE_SWITCHED,
}


def reindex_to_proto(status: ReindexStatus) -> pb.Reindex:
    """The change as callers see it."""
    progress = status.progress or FillProgress()
    return pb.Reindex(
        state=STATES[status.state],
        former=_space(status.source),
        wanted=_space(status.target),
        documents_done=progress.documents,
        document_count=progress.document_count,
        chunks_done=progress.chunks,
        chunk_count=progress.chunk_count,
        chunks_per_second=progress.chunks_per_second,
        seconds_left=progress.seconds_left,
    )


def _space(space: VectorSpace) -> pb.VectorSpace:
    return pb.VectorSpace(embedder=space.embedder, dimensions=space.dimensions, terms=space.sparse)
