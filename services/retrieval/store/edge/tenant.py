"""The folders of the embedded store: one per tenant, Qdrant Edge shards in each.

One shard for each vector space holds chunks with their vectors (`space`); `documents` holds the records
and the blocks of text. Edge holds the interpreter lock in every call, so calls are made on the event loop and
kept short: a thread would only add to them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import qdrant_edge as edge
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.edge.catalogue import Catalogue
from services.retrieval.store.edge.engine import engine_errors, match, scroll
from services.retrieval.store.edge.manifest import write_whole
from services.retrieval.store.edge.room import require_room
from services.retrieval.store.edge.slots import Slots
from services.retrieval.store.edge.space import FLUSH_EVERY_POINTS, EdgeSpace, create_shard
from services.retrieval.store.edge.written import WrittenByAttempt
from services.retrieval.store.payloads import record_from_payload
from services.retrieval.store.spaces import KeptSpace

log = structlog.get_logger()

KIND_RECORD = "record"
KIND_TEXT = "text"

# Edge insists on a vector per shard; points of the documents shard never have one.
_NO_VECTOR = "none"

_UNSAFE = re.compile(r"[^a-z0-9._-]")


@dataclass(slots=True)
class EdgeTenant:
    """An opened tenant."""

    name: str
    folder: Path
    spaces: dict[str, EdgeSpace]
    """By place."""
    documents: edge.EdgeShard
    catalogue: Catalogue
    slots: Slots = field(default_factory=Slots)
    written: WrittenByAttempt = field(default_factory=WrittenByAttempt)
    _unflushed_documents: int = 0

    def space(self, place: str) -> EdgeSpace:
        """The chunks at `place`. Raises STORE_UNAVAILABLE when the store has left that space meanwhile."""
        found = self.spaces.get(place)
        if found is None:
            raise DocuQueryError(
                reasons.ERROR_REASON_STORE_UNAVAILABLE, "The store has changed to other vectors. Try again."
            )
        return found

    def update_documents(self, operation: edge.UpdateOperation, points: int) -> None:
        """Changes the documents shard; `points` says how much, for flushing."""
        with engine_errors("update_documents"):
            self.documents.update(operation)
            self._unflushed_documents += points
            if self._unflushed_documents >= FLUSH_EVERY_POINTS:
                self._flush_documents()

    def flush(self) -> None:
        """Puts on the disk what an update left in the system's cache."""
        with engine_errors("flush"):
            for space in self.spaces.values():
                space.flush()
            if self._unflushed_documents:
                self._flush_documents()

    def _flush_documents(self) -> None:
        self.documents.flush()
        self._unflushed_documents = 0

    @property
    def is_settled(self) -> bool:
        """Whether every stored point belongs to a live version or is a record, in every space alike."""
        if self.catalogue.open_attempts():
            return False
        expected_documents = len(self.catalogue) + self.catalogue.text_block_count
        with engine_errors("info"):
            if self.documents.info().points_count != expected_documents:
                return False
        return all(space.count == self.catalogue.chunk_count for space in self.spaces.values())

    def close(self) -> None:
        """Closes the shards."""
        for space in self.spaces.values():
            space.close()
        self.documents.close()


class EdgeTenants:
    """Opens tenants when they are first asked for, and keeps them open."""

    def __init__(
        self, root: Path, spaces: Sequence[KeptSpace], warn_chunks: int = 0, least_free_bytes: int = 0
    ) -> None:
        """`spaces`: those to open; others that are there are left alone.

        `warn_chunks`: of a tenant with more live chunks the log says so once; 0: of none.
        `least_free_bytes`: what documents leave free of the disk.
        """
        self._root = root
        self._least_free_bytes = least_free_bytes
        self._warn_chunks = warn_chunks
        self._warned: set[str] = set()
        self._spaces = {kept.place: kept for kept in spaces}
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
        """The tenant, made when it is not there. Raises OVERLOADED when there is no room for it."""
        found = self.find(tenant)
        if found is None:
            require_room(self._root, self._least_free_bytes)
            self._create(tenant)
            found = self.find(tenant)
            if found is None:
                raise RuntimeError("a tenant's folder went away while it was made")
        return found

    def to_fill(self, tenant: str) -> EdgeTenant:
        """The tenant, to write parts of a document into. Raises OVERLOADED when the disk is full."""
        require_room(self._root, self._least_free_bytes)
        return self.find_or_create(tenant)

    @property
    def opened(self) -> tuple[EdgeTenant, ...]:
        """Tenants in use."""
        return tuple(self._opened.values())

    @property
    def are_all_opened(self) -> bool:
        """Whether there is no tenant on the disk that is not in use."""
        opened = {tenant.folder for tenant in self._opened.values()}
        return all(folder in opened for folder in self._root.iterdir() if folder.suffix != ".partial")

    def names(self) -> list[str]:
        """Every tenant on the disk."""
        return [name for name, _ in self._on_disk()]

    def unsettled(self) -> list[str]:
        """Tenants on the disk that were not closed with everything in place.

        All of them while there is more than one space: a process that opened one may have closed it since.
        """
        are_sure = len(self._spaces) == 1
        return [name for name, folder in self._on_disk() if not (are_sure and (folder / "settled").exists())]

    def drop_space(self, place: str) -> Iterator[None]:
        """Closes a space and removes its files; step by step, since those of one tenant take milliseconds."""
        self._spaces.pop(place, None)
        for tenant in self._opened.values():
            space = tenant.spaces.pop(place, None)
            if space is not None:
                space.close()
        for folder in sorted(self._root.glob(f"*/{place}")):
            shutil.rmtree(folder)
            yield

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
                tenant.close()
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
            for place, kept in self._spaces.items():
                EdgeSpace.create(partial / place, kept.space.dimensions)
            create_shard(partial / "documents", _documents_config(), ("kind", "attempt_id"))
        write_whole(partial / "tenant.json", json.dumps({"tenant": tenant}))
        partial.rename(folder)

    def _open(self, tenant: str, folder: Path) -> EdgeTenant:
        with engine_errors("open"):
            spaces = {kept.place: _open_space(folder, kept) for kept in self._spaces.values()}
            documents = edge.EdgeShard.load(str(folder / "documents"))
            catalogue = Catalogue(record_from_payload(payload) for payload in _stored_records(documents))
            if len(spaces) > 1:  # now, and not in the middle of an upload
                for space in spaces.values():
                    space.prepare_for_lacking()
        (folder / "settled").unlink(missing_ok=True)
        opened = EdgeTenant(tenant, folder, spaces, documents, catalogue)
        for attempt_id in catalogue.referenced_attempts():
            opened.slots.take(attempt_id)
        return opened


def _open_space(folder: Path, kept: KeptSpace) -> EdgeSpace:
    if not kept.is_whole and not (folder / kept.place).exists():  # the tenant is older than the space
        partial = folder / f"{kept.place}.partial"
        if partial.exists():
            shutil.rmtree(partial)
        EdgeSpace.create(partial, kept.space.dimensions)
        partial.rename(folder / kept.place)
    return EdgeSpace.load(folder / kept.place)


def _documents_config() -> edge.EdgeConfig:
    return edge.EdgeConfig(sparse_vectors={_NO_VECTOR: edge.EdgeSparseVectorParams()})


def _stored_records(documents: edge.EdgeShard) -> Iterator[edge.Payload]:
    for record in scroll(documents, edge.Filter(must=[match("kind", KIND_RECORD)]), with_payload=True):
        if record.payload is not None:
            yield record.payload["record"]
