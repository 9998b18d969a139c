"""Documents whose changes end the corpus revision that answers are kept under."""

from __future__ import annotations

from datetime import timedelta

from libs.clock import Clock
from services.retrieval.completeness import Completion
from services.retrieval.documents import BeforeCommit, Committed, Documents, Leftovers
from services.retrieval.quota import Quota
from services.retrieval.records import RecordEditor
from services.retrieval.store.protocol import Stores


class RevisingDocuments(Documents):
    """As `Documents`, with `stores.revisions` kept up.

    Whatever becomes of a commit or a delete, the revision moves on before the caller hears of it: the record
    may have been written although the call failed or was cancelled, and a repeated call that finds nothing to
    do makes up for a first one whose process died.
    """

    def __init__(
        self,
        stores: Stores,
        editor: RecordEditor,
        leftovers: Leftovers,
        clock: Clock,
        lease: timedelta,
        quota: Quota | None = None,
        before_commit: BeforeCommit | None = None,
    ) -> None:
        super().__init__(stores, editor, leftovers, clock, lease, quota, before_commit)
        self._revisions = stores.revisions

    async def commit(self, tenant: str, document_id: str, token: str, version: Completion) -> Committed:
        try:
            return await super().commit(tenant, document_id, token, version)
        finally:
            await self._revisions.advance(tenant)

    async def delete(self, tenant: str, document_id: str) -> int:
        try:
            return await super().delete(tenant, document_id)
        finally:
            await self._revisions.advance(tenant)
