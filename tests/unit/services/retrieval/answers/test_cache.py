"""Answers are given again only while nothing they were made from has changed, and to no other question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.answers.cache import MAX_PAYLOAD_BYTES, AnswerCache, Hit
from services.retrieval.answers.memory import Answer, AnswerMemory
from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import next_revision, record
from tests.contract.test_store import SPACE

QUESTION = "What is the limit?"
NEAR = "Hello, what is the limit?"
TENANT, KEY = "acme", b"key"


class Vectors(LocalEmbedder):
    """The real embedder, which may be down, and counts its calls."""

    down = False
    calls = 0

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        self.calls += 1
        if self.down:
            raise DocuQueryError(reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE, "Down.")
        return await super().embed_query(text)


class Bench:
    """A cache over an embedded store that holds one document."""

    def __init__(self, stores: Stores, least_similarity: float = 0.7) -> None:
        self.stores = stores
        self.clock = ManualClock()
        self.embedder = Vectors.load()
        memory = AnswerMemory(self.clock, ttl_seconds=60, max_entries=10, max_bytes=2**20)
        self.cache = AnswerCache(stores.revisions, stores.records, self.embedder, memory, least_similarity)
        self.document = record(1)

    async def open(self) -> Bench:
        assert await self.stores.records.put(TENANT, self.document, expected_revision=None)
        return self

    def answer(self, question: str = QUESTION, size: int = 10) -> Answer:
        assert self.document.live is not None
        documents = frozenset({(self.document.document_id, self.document.live.version)})
        return Answer(question, documents, b"x" * size)

    async def hit(self, question: str = QUESTION) -> Hit | None:
        return (await self.cache.look_up(TENANT, question, KEY)).hit

    async def store(self, answer: Answer) -> bool:
        revision = (await self.cache.look_up(TENANT, answer.question, KEY)).revision
        return await self.cache.store(TENANT, revision, KEY, answer)


async def test_an_answer_is_given_again_to_the_same_question(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        assert await bench.hit() is None
        stored = bench.answer()
        assert await bench.store(stored)
        bench.clock.advance(5)
        assert await bench.hit("what is THE limit") == Hit(stored, similarity=1.0, age_seconds=5)
        assert bench.embedder.calls == 0


async def test_nearly_the_same_words_need_vectors_that_are_alike_enough(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        await bench.store(bench.answer())
        hit = await bench.hit(NEAR)
        assert hit is not None
        assert 0.7 <= hit.similarity < 1
        strict = Bench(stores, least_similarity=0.999)
        strict.document = bench.document
        await strict.store(strict.answer())
        assert await strict.hit(NEAR) is None
        assert await strict.hit() is not None


async def test_at_a_similarity_of_one_only_the_same_words_count_and_nothing_is_embedded(
    tmp_path: Path,
) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores, least_similarity=1.0).open()
        await bench.store(bench.answer())
        assert await bench.hit("What is limit?") is None
        assert await bench.hit() is not None
        assert bench.embedder.calls == 0


async def test_while_the_embedder_is_down_the_same_words_still_hit(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        await bench.store(bench.answer())
        bench.embedder.down = True
        assert await bench.hit(NEAR) is None
        assert await bench.hit() is not None


async def test_no_answer_outlives_the_revision_it_was_made_under(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        await bench.store(bench.answer())
        await stores.revisions.advance("other")
        assert await bench.hit() is not None
        await stores.revisions.advance(TENANT)
        assert await bench.hit() is None
        assert await bench.hit(NEAR) is None


async def test_an_answer_whose_search_began_before_a_change_is_not_kept(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        before = (await bench.cache.look_up(TENANT, QUESTION, KEY)).revision
        await stores.revisions.advance(TENANT)
        assert not await bench.cache.store(TENANT, before, KEY, bench.answer())
        assert await bench.hit() is None


@pytest.mark.parametrize("change", ["replaced", "removed"])
async def test_an_answer_with_a_dead_source_is_not_given_even_if_the_revision_stayed(
    tmp_path: Path, change: str
) -> None:
    """As when a replica died between its commit and the new revision."""
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        await bench.store(bench.answer())
        document = bench.document
        if change == "removed":
            assert await stores.records.remove(TENANT, document.document_id, expected_revision=1)
        else:
            assert document.live is not None
            newer = next_revision(document, live=replace(document.live, version="f" * 64))
            assert await stores.records.put(TENANT, newer, expected_revision=document.revision)
        assert await bench.hit() is None


async def test_what_is_too_large_or_has_no_words_is_not_kept(tmp_path: Path) -> None:
    async with open_edge(tmp_path, SPACE) as stores:
        bench = await Bench(stores).open()
        assert await bench.store(bench.answer(size=MAX_PAYLOAD_BYTES))
        assert not await bench.store(bench.answer(size=MAX_PAYLOAD_BYTES + 1))
        assert not await bench.store(bench.answer("?!"))
        assert await bench.hit("??") is None
