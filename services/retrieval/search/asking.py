"""Asking under the languages of a tenant's documents, without waiting to hear which those are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from services.retrieval.store.questions import SparseVector
from services.retrieval.store.stores import Stores
from services.retrieval.terms.bm25 import Bm25Encoder
from services.retrieval.terms.question import QuestionTerms, asked_languages, terms_under, weighted

_MAX_REMEMBERED_TENANTS = 10_000

T = TypeVar("T")


class Asker:
    """Makes terms of questions and has them looked up."""

    def __init__(self, stores: Stores, encoder: Bm25Encoder) -> None:
        self._stores = stores
        self._encoder = encoder
        self._known: dict[str, Mapping[str, int]] = {}

    def language_of(self, code: str) -> str:
        """Under which language the documents in the language `code` are asked."""
        return self._encoder.language_of(code)

    async def ask(
        self, tenant: str, text: str, look_up: Callable[[SparseVector], Awaitable[T]]
    ) -> tuple[QuestionTerms, T]:
        """The question's terms, and what `look_up` finds by them.

        In a shared store it is asked under the languages there were when the tenant was last searched; they
        are read anew meanwhile, and when one has been added, it is asked again.
        """
        known = self._known.get(tenant)
        if known is None or not self._stores.is_shared:
            return await self._under(tenant, text, look_up, await self._read(tenant))
        reading = asyncio.ensure_future(self._read(tenant))
        try:
            found = await self._under(tenant, text, look_up, known)
            now = await reading
            return found if now.keys() <= known.keys() else await self._under(tenant, text, look_up, now)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _under(
        self,
        tenant: str,
        text: str,
        look_up: Callable[[SparseVector], Awaitable[T]],
        sizes: Mapping[str, int],
    ) -> tuple[QuestionTerms, T]:
        terms = terms_under(self._encoder, text, sizes)
        if len(sizes) > 1:
            terms = weighted(terms, sizes, await self._stores.chunks.idf(tenant, terms.vector.indices))
        return terms, await look_up(terms.vector)

    async def _read(self, tenant: str) -> Mapping[str, int]:
        sizes = asked_languages(self._encoder, await self._stores.records.languages(tenant))
        if len(self._known) >= _MAX_REMEMBERED_TENANTS:
            self._known.clear()
        self._known[tenant] = sizes
        return sizes
