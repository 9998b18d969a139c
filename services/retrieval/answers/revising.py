"""Documents whose changes end the corpus revision that answers are kept under."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.retrieval.attempts.completeness import Completion
from services.retrieval.documents.lifecycle import (
    BeforeCommit,
    Begun,
    Committed,
    Documents,
    Leftovers,
    News,
    NothingToDo,
)
from services.retrieval.documents.quota import Quota
from services.retrieval.documents.records import RecordEditor
from services.retrieval.model import Description, IfExists, UploadResult
from services.retrieval.store.stores import Stores

T = TypeVar("T")


class RevisingDocuments(Documents):
    """As `Documents`, with `stores.revisions` kept up.

    Whatever becomes of a commit or a delete, the revision moves on before the caller hears of it: the record
    may have been written although the call failed or was cancelled, and a repeated call that finds nothing to
    do makes up for a first one whose process died. So it does for new metadata, of which a filter may make
    another answer; but not for an upload that changed nothing, or was refused.
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

    async def begin(
        self, tenant: str, source: str, description: Description, version: str, if_exists: IfExists
    ) -> Begun | NothingToDo:
        return await self._followed(tenant, super().begin(tenant, source, description, version, if_exists))

    async def update(self, tenant: str, document_id: str, token: str, news: News) -> NothingToDo | None:
        return await self._followed(tenant, super().update(tenant, document_id, token, news))

    async def _followed(self, tenant: str, change: Awaitable[T]) -> T:
        may_have_written = True
        try:
            result = await change
            may_have_written = (
                isinstance(result, NothingToDo) and result.result is UploadResult.METADATA_UPDATED
            )
            return result
        except DocuQueryError as error:
            may_have_written = error.retryable
            raise
        finally:
            if may_have_written:
                await self._revisions.advance(tenant)

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
