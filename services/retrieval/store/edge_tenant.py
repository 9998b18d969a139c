"""The folders of the embedded store: one per tenant, two Qdrant Edge shards in each.

`chunks` holds chunks with their vectors, `documents` the records and the blocks of text. Edge holds the
interpreter lock in every call, so calls are made on the event loop and kept short: a thread would only
add to them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import qdrant_edge as edge
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.catalogue import Catalogue
from services.retrieval.store.edge_slots import Slots
from services.retrieval.store.edge_written import WrittenByAttempt
from services.retrieval.store.manifest import write_whole
from services.retrieval.store.payloads import record_from_payload

log = structlog.get_logger()

DENSE = "dense"
SPARSE = "bm25"

KIND_RECORD = "record"
KIND_TEXT = "text"

# Edge insists on a vector per shard; points of the documents shard never have one.
_NO_VECTOR = "none"

# A flush of 2,048 new chunks stops everything for about 40 ms, one of 512 for nearly as long; 100,000 at
# once would take 430 ms.
_FLUSH_EVERY_POINTS = 2048
_SCROLL_POINTS = 512

_UNSAFE = re.compile(r"[^a-z0-9._-]")


@contextmanager
def engine_errors(operation: str) -> Iterator[None]:
    """Turns an engine's failure into STORE_UNAVAILABLE. Edge raises bare `Exception` for those."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:
            raise
        log.error("store_failed", operation=operation, error=str(error))
        raise DocuQueryError(
            reasons.ERROR_REASON_STORE_UNAVAILABLE,
            "The document store failed. Try again; if it goes on, look at the retrieval service's log.",
        ) from error


@dataclass(slots=True)
class EdgeTenant:
    """An opened tenant."""

    name: str
    folder: Path
    chunks: edge.EdgeShard
    documents: edge.EdgeShard
    catalogue: Catalogue
    idf: dict[int, float] = field(default_factory=dict)
    """Inverse document frequencies as of the last change of the chunks."""
    slots: Slots = field(default_factory=Slots)
    written: WrittenByAttempt = field(default_factory=WrittenByAttempt)
    _unflushed_chunks: int = 0
    _unflushed_documents: int = 0

    def update_chunks(self, operation: edge.UpdateOperation, points: int) -> None:
        """Changes the chunks shard; `points` says how much, for flushing."""
        self.idf.clear()
        with engine_errors("update_chunks"):
            self.chunks.update(operation)
            self._unflushed_chunks += points
            if self._unflushed_chunks >= _FLUSH_EVERY_POINTS:
                self._flush_chunks()

    def update_documents(self, operation: edge.UpdateOperation, points: int) -> None:
        """Changes the documents shard."""
        with engine_errors("update_documents"):
            self.documents.update(operation)
            self._unflushed_documents += points
            if self._unflushed_documents >= _FLUSH_EVERY_POINTS:
                self._flush_documents()

    def flush(self) -> None:
        """Puts on the disk what an update left in the system's cache."""
        with engine_errors("flush"):
            if self._unflushed_chunks:
                self._flush_chunks()
            if self._unflushed_documents:
                self._flush_documents()

    def _flush_chunks(self) -> None:
        self.chunks.flush()
        self._unflushed_chunks = 0

    def _flush_documents(self) -> None:
        self.documents.flush()
        self._unflushed_documents = 0

    @property
    def is_settled(self) -> bool:
        """Whether every stored point belongs to a live version or is a record."""
        if self.catalogue.open_attempts():
            return False
        expected_documents = len(self.catalogue) + self.catalogue.text_block_count
        with engine_errors("info"):
            return (
                self.chunks.info().points_count == self.catalogue.chunk_count
                and self.documents.info().points_count == expected_documents
            )


class EdgeTenants:
    """Opens tenants when they are first asked for, and keeps them open."""

    def __init__(self, root: Path, dimensions: int, warn_chunks: int = 0) -> None:
        """`warn_chunks`: of a tenant with more live chunks the log says so once; 0: of none."""
        self._root = root
        self._warn_chunks = warn_chunks
        self._warned: set[str] = set()
        self._dimensions = dimensions
        self._opened: dict[str, EdgeTenant] = {}
        for partial in root.glob("*.partial"):  # left by a crash while a tenant was made
            shutil.rmtree(partial)

    def find(self, tenant: str) -> EdgeTenant | None:
        """The tenant, or None when nothing was ever stored for it."""
        if tenant not in self._opened:
            folder = self._folder(tenant)
            if not folder.exists():
                return None
            self._opened[tenant] = self._open(tenant, folder)
            self.warn_if_large(self._opened[tenant])
        return self._opened[tenant]

    def warn_if_large(self, tenant: EdgeTenant) -> None:
        """Says in the log, once a process, that a tenant has outgrown this engine."""
        chunks = tenant.catalogue.chunk_count
        if not self._warn_chunks or chunks <= self._warn_chunks or tenant.name in self._warned:
            return
        self._warned.add(tenant.name)
        log.warning(
            "tenant_outgrows_edge",
            large_tenant=tenant.name,
            chunks=chunks,
            warn_chunks=self._warn_chunks,
            advice="Searches scan every chunk, and the process stands still meanwhile: compact the store by "
            "`docuquery admin compact`, or move to a Qdrant server by `docuquery admin migrate`.",
        )

    def find_or_create(self, tenant: str) -> EdgeTenant:
        """The tenant, made when it is not there."""
        found = self.find(tenant)
        if found is None:
            self._create(tenant)
            found = self.find(tenant)
            if found is None:
                raise RuntimeError("a tenant's folder went away while it was made")
        return found

    @property
    def opened(self) -> tuple[EdgeTenant, ...]:
        """Tenants in use."""
        return tuple(self._opened.values())

    def names(self) -> list[str]:
        """Every tenant on the disk."""
        return [name for name, _ in self._on_disk()]

    def unsettled(self) -> list[str]:
        """Tenants on the disk that were not closed with everything in place."""
        return [name for name, folder in self._on_disk() if not (folder / "settled").exists()]

    def _on_disk(self) -> Iterator[tuple[str, Path]]:
        for folder in sorted(self._root.iterdir()):
            if (folder / "tenant.json").exists():
                yield json.loads((folder / "tenant.json").read_text("utf-8"))["tenant"], folder

    def close(self) -> None:
        """Flushes and closes every tenant; notes which of them need no look at the next start."""
        for tenant in self._opened.values():
            try:
                tenant.flush()
                if tenant.is_settled:
                    write_whole(tenant.folder / "settled", "")
            except DocuQueryError:
                log.error("not_flushed", closed_tenant=tenant.name)  # what was stored is in the engine's log
            finally:
                tenant.chunks.close()
                tenant.documents.close()
        self._opened.clear()

    def _folder(self, tenant: str) -> Path:
        # Readable, the same on file systems that ignore case, and never a path of its own.
        readable = _UNSAFE.sub("_", tenant.lower())[:64].lstrip(".")
        return self._root / f"{readable}-{hashlib.sha256(tenant.encode()).hexdigest()[:12]}"

    def _create(self, tenant: str) -> None:
        folder = self._folder(tenant)
        partial = folder.with_name(folder.name + ".partial")
        partial.mkdir(parents=True)
        with engine_errors("create"):
            for name, config, indexes in (
                ("chunks", self._chunks_config(), ("attempt_id",)),
                ("documents", _documents_config(), ("kind", "attempt_id")),
            ):
                (partial / name).mkdir()
                shard = edge.EdgeShard.create(str(partial / name), config)
                for key in indexes:
                    shard.update(edge.UpdateOperation.create_field_index(key, edge.PayloadSchemaType.Keyword))
                shard.flush()
                shard.close()
        write_whole(partial / "tenant.json", json.dumps({"tenant": tenant}))
        partial.rename(folder)

    def _chunks_config(self) -> edge.EdgeConfig:
        # Half precision: cosines move by less than 1e-4, a scan takes 40 % less time, memory is halved.
        dense = edge.EdgeVectorParams(
            self._dimensions, edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16
        )
        return edge.EdgeConfig(
            vectors={DENSE: dense},
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        )

    def _open(self, tenant: str, folder: Path) -> EdgeTenant:
        with engine_errors("open"):
            chunks = edge.EdgeShard.load(str(folder / "chunks"))
            documents = edge.EdgeShard.load(str(folder / "documents"))
            catalogue = Catalogue(record_from_payload(payload) for payload in _stored_records(documents))
        (folder / "settled").unlink(missing_ok=True)
        opened = EdgeTenant(tenant, folder, chunks, documents, catalogue)
        for attempt_id in catalogue.referenced_attempts():
            opened.slots.take(attempt_id)
        return opened


def _documents_config() -> edge.EdgeConfig:
    return edge.EdgeConfig(sparse_vectors={_NO_VECTOR: edge.EdgeSparseVectorParams()})


def match(key: str, value: str) -> edge.FieldCondition:
    """The condition that keyword field `key` is `value`."""
    return edge.FieldCondition(key, match=edge.MatchValue(value))


def scroll(
    shard: edge.EdgeShard, wanted: edge.Filter, with_payload: bool | list[str]
) -> Iterator[edge.Record]:
    """Every point that passes, in pieces of 512."""
    offset: edge.PointId | None = None
    while True:
        records, offset = shard.scroll(
            edge.ScrollRequest(offset=offset, limit=_SCROLL_POINTS, filter=wanted, with_payload=with_payload)
        )
        yield from records
        if offset is None:
            return


def _stored_records(documents: edge.EdgeShard) -> Iterator[edge.Payload]:
    for record in scroll(documents, edge.Filter(must=[match("kind", KIND_RECORD)]), with_payload=True):
        if record.payload is not None:
            yield record.payload["record"]
