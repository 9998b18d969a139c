"""What a server store says of itself: one point, written by whoever opens the store first."""

from __future__ import annotations

import secrets
import uuid

from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.manifest import VectorSpace
from services.retrieval.store.server_collections import Collection
from services.retrieval.store.server_points import KIND_MANIFEST, MEDIUM, every, has_text, to_values
from services.retrieval.store.server_record_payloads import integer_of, text_of

SCHEMA_VERSION = 1
"""Raised when the layout of the collections or payloads changes in a way an older program cannot read."""

_POINT = q.PointId(uuid=str(uuid.UUID(int=1)))
_INSERT_ONLY = every(has_text("kind", "none such"))


async def open_server_manifest(documents: Collection, space: VectorSpace) -> bytes:
    """Checks that the store was filled in `space`, or notes it for a new one; returns the page token key.

    Raises STORE_MISMATCH when it was filled in another vector space or by another layout's program,
    STORE_UNAVAILABLE.
    """
    payload = {
        "kind": KIND_MANIFEST,
        "schema_version": SCHEMA_VERSION,
        "embedder": space.embedder,
        "dimensions": space.dimensions,
        "sparse": space.sparse,
        "page_token_key": secrets.token_hex(32),
    }
    new = q.PointStruct(id=_POINT, vectors=q.Vectors(vectors=q.NamedVectors()), payload=to_values(payload))
    stored = await documents.retrieve_agreed([_POINT])
    if not stored:
        await documents.upsert([new], ordering=MEDIUM, update_filter=_INSERT_ONLY)
        stored = await documents.retrieve_agreed([_POINT])
    found = stored[0].payload
    place = f"The store {documents.name} on the Qdrant server"
    if integer_of(found, "schema_version") != SCHEMA_VERSION:
        raise _mismatch(
            f"{place} has layout {integer_of(found, 'schema_version')}, this program reads {SCHEMA_VERSION}"
        )
    embedder, dimensions = text_of(found, "embedder"), integer_of(found, "dimensions")
    if (embedder, dimensions) != (space.embedder, space.dimensions):
        raise _mismatch(
            f"{place} was filled by the embedder {embedder} ({dimensions} dimensions), the settings ask for "
            f"{space.embedder} ({space.dimensions}). Set EMBEDDING_PROVIDER and EMBEDDING_MODEL back, or set "
            "QDRANT_COLLECTION to a new name and ingest again"
        )
    if text_of(found, "sparse") != space.sparse:
        raise _mismatch(
            f"{place} was filled with the word index {text_of(found, 'sparse')}, the settings ask for "
            f"{space.sparse}. Set BM25_LANGUAGE back, or set QDRANT_COLLECTION to a new name and ingest again"
        )
    return bytes.fromhex(text_of(found, "page_token_key"))


def _mismatch(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, message + ".")
