"""Answers by question: kept while nothing they were made from has changed.

The corpus revision keeps what is new from being missed: it is read before the search an answer comes from,
and moves on after every commit and delete, before these are acknowledged. An answer made of what was there
before is stored under a revision that nobody will ask for again. Besides, an answer is only given while every
source of it is the live version, so that not even a process that died between a commit and the new revision
can make a dead version be cited.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.answers.memory import Answer, AnswerMemory, Place
from services.retrieval.answers.question_forms import question_forms
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.store.protocol import CorpusRevisions, RecordStore

MAX_PAYLOAD_BYTES = 256 * 1024
"""Twenty passages of 2,000 characters with their answer take about 80 KB."""

SAME_WORDS = 1.0
"""The similarity of questions of one exact form."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer that was kept."""

    answer: Answer
    similarity: float
    """1 for the same words, else the cosine of the questions' vectors."""
    age_seconds: float


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a look-up found."""

    revision: str
    """Of the tenant's documents, when the look-up began."""
    hit: Hit | None


class AnswerCache:
    """Keeps answers in a memory of this process; other replicas have their own."""

    def __init__(
        self,
        revisions: CorpusRevisions,
        records: RecordStore,
        embedder: Embedder,
        memory: AnswerMemory,
        least_similarity: float,
    ) -> None:
        """Questions of one near form are the same when their cosine is `least_similarity` (0 to 1) or more.

        1: only those of one exact form are.
        """
        self._revisions = revisions
        self._records = records
        self._embedder = embedder
        self._memory = memory
        self._least_similarity = least_similarity

    async def look_up(self, tenant: str, question: str, key: bytes) -> LookedUp:
        """The answer to this question under this key, if there is one. Raises STORE_UNAVAILABLE."""
        place = Place(tenant, await self._revisions.current(tenant), key)
        forms = question_forms(question)
        similarity = SAME_WORDS
        kept = self._memory.find(place, forms)
        if kept is None and self._least_similarity < SAME_WORDS:
            kept = self._memory.find_near(place, forms)
            similarity = await self._similarity(question, kept.answer.question) if kept else 0.0
            if similarity < self._least_similarity:
                kept = None
        if kept is None:
            return LookedUp(place.revision, None)
        if not await self._is_live(tenant, kept.answer):
            self._memory.drop(tenant, kept)
            return LookedUp(place.revision, None)
        return LookedUp(place.revision, Hit(kept.answer, similarity, self._memory.age_seconds(kept)))

    async def store(self, tenant: str, revision: str, key: bytes, answer: Answer) -> bool:
        """Keeps an answer whose search began after `revision` was read.

        False, and nothing is kept, when the documents have changed since or the answer is too large. Raises
        STORE_UNAVAILABLE.
        """
        forms = question_forms(answer.question)
        if not forms.near or len(answer.payload) > MAX_PAYLOAD_BYTES:
            return False
        if await self._revisions.current(tenant) != revision:
            return False
        self._memory.put(Place(tenant, revision, key), forms, answer)
        return True

    async def _similarity(self, question: str, other: str) -> float:
        """The cosine of the questions' vectors; 0 while the embedder is down."""
        try:
            first, second = await asyncio.gather(
                self._embedder.embed_query(question), self._embedder.embed_query(other)
            )
        except DocuQueryError as error:
            if error.reason != reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE:
                raise
            return 0.0
        return float(first @ second)

    async def _is_live(self, tenant: str, answer: Answer) -> bool:
        documents = list(answer.documents)
        records = await asyncio.gather(
            *(self._records.get(tenant, document_id) for document_id, _ in documents)
        )
        return all(
            record is not None and record.live is not None and record.live.version == version
            for record, (_, version) in zip(records, documents, strict=True)
        )
