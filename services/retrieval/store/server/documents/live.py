"""Which attempts are live: records remembered from earlier searches, confirmed anew for every search.

A search names more than a hundred attempts, and nearly all of their records are as they were a moment ago.
The token in a record names the write that made it, so one count of the remembered tokens that still stand
says whether all do; only what does not stand, or was never read, is read. Nothing is trusted by its age.
"""

from __future__ import annotations

import json
from collections.abc import Collection as Group
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from qdrant_client import grpc as q

from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import record_from_payload
from services.retrieval.store.remembered import Remembered
from services.retrieval.store.server.connection.batched import Batcher
from services.retrieval.store.server.connection.calls import MOST_READS
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.connection.points import KIND_RECORD, every, has_one_of, only
from services.retrieval.store.server.documents.payloads import text_of
from services.retrieval.store.together import both

_MAX_REMEMBERED = 50_000
"""Records, of about 1 KB each."""
_WHOLE = only("tenant", "token", "live_attempt", "kind", "record")


class _Known(NamedTuple):
    """A live record as it was read. Only texts, so that the garbage collector need not look at it."""

    tenant: str
    token: str
    point: str
    record: str
    """JSON."""


class LiveRecords:
    """Reads the records of live attempts."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents
        self._confirmations = Batcher(self._confirm, most=MOST_READS, under_way=1)
        self._known: Remembered[str, _Known] = Remembered(_MAX_REMEMBERED)

    async def read(
        self, tenant: str, attempt_ids: Group[str], deciding: Group[str] | None = None
    ) -> Mapping[str, DocumentRecord]:
        """Those of `attempt_ids` that are live; never two of one document.

        With `deciding`, what is remembered of the others is not confirmed, unless it contradicts itself.
        """
        asked = frozenset(attempt_ids)
        known = {
            attempt_id: found
            for attempt_id in asked
            if (found := self._known.get(attempt_id)) is not None and found.tenant == tenant
        }
        unknown = asked - known.keys()
        unsure = known
        # Of two versions of a document, one was replaced.
        if deciding is not None and len({found.point for found in known.values()}) == len(known):
            unsure = {name: known[name] for name in known.keys() & set(deciding)}
        read: dict[str, _Known] = {}
        if unknown:
            all_stand, read = await both(self._all_stand(unsure), self._read(tenant, unknown))
        else:
            all_stand = await self._all_stand(unsure)
        if not all_stand:
            known = await self._standing(known)
            # Anew, and all at once: one that was not live a moment ago may have replaced one that was.
            read = await self._read(tenant, asked - known.keys())
        # A remembered one stood from when it was read until now; another of its document came after it.
        replaced = {found.point for found in read.values()}
        live = {attempt_id: found for attempt_id, found in known.items() if found.point not in replaced}
        return _Records(live | read)

    async def _all_stand(self, known: Mapping[str, _Known]) -> bool:
        """Whether no record has been written since."""
        return not known or await self._confirmations.ask(frozenset(found.token for found in known.values()))

    async def _confirm(self, asked: Sequence[frozenset[str]]) -> Sequence[bool]:
        """For each set of tokens whether all of them stand."""
        tokens = frozenset[str]().union(*asked)
        all_stand = await self._documents.all_pass(_has_token(tokens), len(tokens))
        if all_stand or len(asked) == 1:
            return [all_stand] * len(asked)
        return [await self._documents.all_pass(_has_token(each), len(each)) for each in asked]

    async def _standing(self, known: Mapping[str, _Known]) -> dict[str, _Known]:
        tokens = {found.token for found in known.values()}
        points = await self._documents.scroll_agreed(_has_token(tokens), only("token"))
        standing = {text_of(point.payload, "token") for point in points}
        self._known.drop(attempt_id for attempt_id, found in known.items() if found.token not in standing)
        return {attempt_id: found for attempt_id, found in known.items() if found.token in standing}

    async def _read(self, tenant: str, attempt_ids: Group[str]) -> dict[str, _Known]:
        if not attempt_ids:
            return {}
        wanted = every(has_one_of("live_attempt", attempt_ids))
        found = {}
        for point in await self._documents.scroll_agreed(wanted, _WHOLE):
            payload = point.payload
            attempt_id = text_of(payload, "live_attempt")
            is_asked_for = attempt_id in attempt_ids and text_of(payload, "tenant") == tenant
            if is_asked_for and text_of(payload, "kind") == KIND_RECORD:
                token, record = payload["token"].string_value, payload["record"].string_value
                found[attempt_id] = _Known(tenant, token, point.id.uuid, record)
        self._known.put(found)
        return found


class _Records(Mapping[str, DocumentRecord]):
    """Records that are parsed when they are looked at: a search shows ten of a hundred."""

    def __init__(self, known: Mapping[str, _Known]) -> None:
        self._known = known

    def __getitem__(self, attempt_id: str) -> DocumentRecord:
        return _parsed(self._known[attempt_id].record)

    def __contains__(self, attempt_id: object) -> bool:
        return attempt_id in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@lru_cache(maxsize=4096)
def _parsed(record: str) -> DocumentRecord:
    return record_from_payload(json.loads(record))


def _has_token(tokens: Group[str]) -> q.Filter:
    return every(has_one_of("token", tokens))
