"""What a server store says of itself: one point, written by whoever opens the store first.

Changed by compare-and-swap, as records are. What is decided may be decided again, so whoever cannot tell
that its own write won just looks at what is there.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import (
    KIND_MANIFEST,
    MEDIUM,
    every,
    from_values,
    has_id,
    has_integer,
    has_text,
    selected,
    to_values,
)
from services.retrieval.store.spaces import KeptSpaces, spaces_from_fields, spaces_to_fields

SCHEMA_VERSION = 2
"""Raised when the layout of the collections or payloads changes in a way an older program cannot read."""

FIRST_VERSION = 1
"""What a store is that never had another vector space, so that older programs can still read it."""

_POINT = q.PointId(uuid=str(uuid.UUID(int=1)))
_INSERT_ONLY = every(has_text("kind", "none such"))
_MAX_TRIES = 50


@dataclass(frozen=True, slots=True)
class ServerManifest:
    """The contents of the point."""

    spaces: KeptSpaces
    page_token_key: str
    """Hex of 32 random bytes."""
    revision: int = 0
    """Counts the changes; a change names the one it builds on."""


async def open_server_manifest(documents: Collection, new: KeptSpaces) -> ServerManifest:
    """The store's manifest; one with the spaces `new` is made when there is none.

    Raises STORE_MISMATCH when the store is of another layout's program, STORE_UNAVAILABLE.
    """
    stored = await _read(documents)
    if stored is None:
        manifest = ServerManifest(new, secrets.token_hex(32))
        point = q.PointStruct(
            id=_POINT,
            vectors=q.Vectors(vectors=q.NamedVectors()),
            payload=to_values(_to_payload(manifest, "")),
        )
        await documents.upsert([point], ordering=MEDIUM, update_filter=_INSERT_ONLY)
        stored = await _read(documents)
    return _manifest(documents, stored or {})


async def read_server_manifest(documents: Collection) -> ServerManifest:
    """The manifest of a store that has one. Raises as `open_server_manifest`."""
    return _manifest(documents, await _read(documents) or {})


async def change_server_manifest(
    documents: Collection, decide: Callable[[KeptSpaces], KeptSpaces]
) -> ServerManifest:
    """Replaces the store's spaces by what `decide` makes of them, and returns the manifest then.

    `decide` may be asked several times, also about its own answer. Raises what it raises, STORE_UNAVAILABLE.
    """
    for _ in range(_MAX_TRIES):
        before = await read_server_manifest(documents)
        spaces = decide(before.spaces)
        if spaces == before.spaces:
            return before
        after = ServerManifest(spaces, before.page_token_key, before.revision + 1)
        token = secrets.token_hex(8)
        await documents.overwrite(
            _to_payload(after, token), selected(has_id([_POINT.uuid]), _is_revision(before))
        )
        if (await _read(documents) or {}).get("token") == token:
            return after
    raise DocuQueryError(
        reasons.ERROR_REASON_STORE_UNAVAILABLE,
        "Too many processes are changing the store's vector spaces at once. Try again in a moment.",
    )


async def _read(documents: Collection) -> dict[str, Any] | None:
    stored = await documents.retrieve_agreed([_POINT])
    return from_values(stored[0].payload) if stored else None


def _is_revision(manifest: ServerManifest) -> q.Condition:
    if manifest.revision:
        return has_integer("revision", manifest.revision)
    return q.Condition(is_empty=q.IsEmptyCondition(key="revision"))


def _to_payload(manifest: ServerManifest, token: str) -> dict[str, Any]:
    spaces = spaces_to_fields(manifest.spaces)
    payload: dict[str, Any] = {
        "kind": KIND_MANIFEST,
        "schema_version": SCHEMA_VERSION if "chunks" in spaces else FIRST_VERSION,
        **spaces,
        "page_token_key": manifest.page_token_key,
    }
    if "others" in payload:
        payload["others"] = json.dumps(payload["others"])
    if manifest.revision:
        payload |= {"revision": manifest.revision, "token": token}
    return payload


def _manifest(documents: Collection, payload: dict[str, Any]) -> ServerManifest:
    place = f"The store {documents.name} on the Qdrant server"
    version = payload.get("schema_version")
    if version not in (FIRST_VERSION, SCHEMA_VERSION):
        raise _mismatch(f"{place} has layout {version}, this program reads {SCHEMA_VERSION}")
    try:
        fields = {**payload, "others": json.loads(payload.get("others", "[]"))}
        return ServerManifest(
            spaces_from_fields(fields), payload["page_token_key"], payload.get("revision", 0)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _mismatch(f"{place} cannot be understood; it may be of a newer program") from error


def _mismatch(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, message + ".")
