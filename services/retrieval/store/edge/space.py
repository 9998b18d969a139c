"""One tenant's chunks in one vector space: a shard of Qdrant Edge."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import qdrant_edge as edge

from services.retrieval.store.edge.engine import engine_errors
from services.retrieval.store.payloads import LACKABLE, LACKS

DENSE = "dense"
SPARSE = "bm25"

# A flush of 2,048 new chunks stops everything for about 40 ms, one of 512 for nearly as long; 100,000 at
# once would take 430 ms.
FLUSH_EVERY_POINTS = 2048
# More distinct attempts than any folder of this store can hold.
_FACET_LIMIT = 10_000_000


class EdgeSpace:
    """An opened shard of chunks."""

    def __init__(self, shard: edge.EdgeShard) -> None:
        self.shard = shard
        self.idf: dict[int, float] = {}
        """Inverse document frequencies as of the last change."""
        self._unflushed = 0
        # Without that index no chunk was ever written that lacked something.
        self._can_lack = LACKS in shard.info().payload_schema
        self.may_lack = self._can_lack and bool(attempts_in(shard, edge.Filter(must=[is_lacking()])))
        """Whether some chunks may have not got both vectors."""

    @classmethod
    def create(cls, folder: Path, dimensions: int) -> None:
        """Makes the shard of an empty space. A crash leaves all of it, or nothing but a `.partial` folder."""
        # Half precision: cosines move by less than 1e-4, a scan takes 40 % less time, memory is halved.
        dense = edge.EdgeVectorParams(
            dimensions, edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16
        )
        config = edge.EdgeConfig(
            vectors={DENSE: dense},
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        )
        create_shard(folder, config, ("attempt_id", LACKS))

    @classmethod
    def load(cls, folder: Path) -> EdgeSpace:
        """Opens it."""
        return cls(edge.EdgeShard.load(str(folder)))

    def update(self, operation: edge.UpdateOperation, points: int) -> None:
        """Changes the chunks; `points` says how much, for flushing."""
        self.idf.clear()
        with engine_errors("update_chunks"):
            self.shard.update(operation)
            self._unflushed += points
            if self._unflushed >= FLUSH_EVERY_POINTS:
                self.flush()

    def prepare_for_lacking(self) -> None:
        """Before the first chunk that lacks something. In a shard of 100,000 it takes a third of a second."""
        if not self._can_lack:
            index = edge.UpdateOperation.create_field_index(LACKS, edge.PayloadSchemaType.Keyword)
            with engine_errors("index"):
                self.shard.update(index)
            self._can_lack = True

    def flush(self) -> None:
        """Puts on the disk what an update left in the system's cache."""
        if self._unflushed:
            self.shard.flush()
            self._unflushed = 0

    @property
    def count(self) -> int:
        """Chunks stored."""
        with engine_errors("info"):
            return self.shard.info().points_count

    def close(self) -> None:
        """Closes the shard."""
        self.shard.close()


def is_lacking() -> edge.FieldCondition:
    """The condition that a chunk has not got both vectors."""
    return edge.FieldCondition(LACKS, match=edge.MatchAny(list(LACKABLE)))


def attempts_in(shard: edge.EdgeShard, wanted: edge.Filter | None = None) -> dict[str, int]:
    """How many points of each attempt pass. Listing 50,000 attempts takes 1.5 s."""
    request = edge.FacetRequest("attempt_id", limit=_FACET_LIMIT, exact=True, filter=wanted)
    with engine_errors("facet"):
        return {str(hit.value): hit.count for hit in shard.facet(request).hits}


def create_shard(folder: Path, config: edge.EdgeConfig, keywords: Collection[str]) -> None:
    """Makes an empty shard with an index on each of `keywords`."""
    folder.mkdir()
    shard = edge.EdgeShard.create(str(folder), config)
    for key in keywords:
        shard.update(edge.UpdateOperation.create_field_index(key, edge.PayloadSchemaType.Keyword))
    shard.flush()
    shard.close()
