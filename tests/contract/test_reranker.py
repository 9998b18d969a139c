"""What every reranker must do. Each one behind the seam runs this whole suite."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.model import Chunk, ChunkKey, Span
from services.retrieval.rerankers.cross_encoder import open_cross_encoder
from services.retrieval.rerankers.http import open_http
from services.retrieval.rerankers.local import LocalReranker
from services.retrieval.rerankers.protocol import Candidate, Reranker, RerankError, RerankQuery
from services.retrieval.rerankers.words import WordTable
from services.retrieval.terms.bm25 import Bm25Encoder
from tests.contract.rerank_server import RerankServer, common_words

QUERY = RerankQuery("acme", "who repairs the pump")
TEXTS = [
    "Invoices are paid within thirty days.",
    "The canteen opens at noon. Guests pay more.",
    "The technician repairs the pump. Call the technician first.",
    "漢字かな交じり文。",
    "...",
]
BEST = TEXTS[2]


def candidates(texts: list[str]) -> list[Candidate]:
    return [
        Candidate(Chunk(ChunkKey("a", i), "d", text, Span(0, len(text), 0, len(text.encode()))), 0.5)
        for i, text in enumerate(texts)
    ]


class EvenIdf:
    """Statistics of a store where all terms are alike."""

    async def idf(self, tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        assert tenant == "acme"
        return dict.fromkeys(terms, 2.0)


class TextCrossEncoder:
    """Stands in for fastembed's class of that name: the constructor and method it documents, no model."""

    made_with: dict[str, Any]
    fails = False
    batches: list[int]

    def __init__(self, model_name: str, **options: Any) -> None:
        if options["specific_model_path"] is None and options["local_files_only"]:
            raise ValueError(f"Could not load model {model_name} from any source.")
        type(self).made_with = {"model_name": model_name, **options}
        type(self).batches = []

    def rerank(self, query: str, documents: list[str], batch_size: int) -> Iterator[float]:
        if self.fails:
            raise RuntimeError("out of memory")
        assert len(documents) <= batch_size
        type(self).batches.append(len(documents))
        yield from (common_words(query, text) for text in documents)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> type[TextCrossEncoder]:
    module = ModuleType("fastembed.rerank.cross_encoder")
    fresh = type("TextCrossEncoder", (TextCrossEncoder,), {})
    module.TextCrossEncoder = fresh  # type: ignore[attr-defined]  # a module made by hand
    monkeypatch.setitem(sys.modules, "fastembed.rerank.cross_encoder", module)
    monkeypatch.setitem(sys.modules, "fastembed.rerank", ModuleType("fastembed.rerank"))
    monkeypatch.setitem(sys.modules, "fastembed", ModuleType("fastembed"))
    return fresh


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Reranker]:
    yield LocalReranker(WordTable(LocalEmbedder.load(), Bm25Encoder("english")), EvenIdf())


@asynccontextmanager
async def http(folder: Path, model: str = "") -> AsyncIterator[Reranker]:
    with RerankServer() as server:
        async with open_http(server.url, api_key="k", model=model, timeout_seconds=5) as opened:
            yield opened


RERANKERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Reranker]]] = {
    "local": local,
    "http, as TEI": http,
    "http, as Jina and Cohere": lambda folder: http(folder, "rerank-v3"),
    "cross-encoder": lambda folder: open_cross_encoder(folder=folder),
}


@pytest.fixture(params=RERANKERS)
async def reranker(
    request: pytest.FixtureRequest, tmp_path: Path, package: type[TextCrossEncoder]
) -> AsyncIterator[Reranker]:
    async with RERANKERS[request.param](tmp_path) as opened:
        yield opened


async def test_every_candidate_has_one_finite_score_in_its_place(reranker: Reranker) -> None:
    for texts in (TEXTS, TEXTS[::-1], TEXTS[:1], TEXTS * 20):
        scores = await reranker.rerank(QUERY, candidates(texts))
        assert len(scores) == len(texts)
        assert all(map(math.isfinite, scores))
        assert scores[texts.index(BEST) if BEST in texts else 0] == max(scores)


async def test_a_question_of_stop_words_or_signs_is_no_fault(reranker: Reranker) -> None:
    for text in ("the of and", "?!", "漢字"):
        scores = await reranker.rerank(RerankQuery("acme", text), candidates(TEXTS))
        assert all(map(math.isfinite, scores))


async def test_many_at_a_time_do_not_disturb_each_other(reranker: Reranker) -> None:
    alone = await reranker.rerank(QUERY, candidates(TEXTS))
    together = await asyncio.gather(*(reranker.rerank(QUERY, candidates(TEXTS)) for _ in range(8)))
    assert all(list(scores) == pytest.approx(list(alone), abs=1e-6) for scores in together)


# --- over HTTP ---


async def test_the_request_has_the_shape_the_server_knows() -> None:
    with RerankServer() as server:
        async with open_http(server.url, api_key="secret", model="", timeout_seconds=5) as reranker:
            await reranker.rerank(QUERY, candidates(TEXTS[:2]))
        async with open_http(server.url, api_key="", model="m", timeout_seconds=5) as reranker:
            await reranker.rerank(QUERY, candidates(TEXTS[:2]))
        assert server.requests == [
            {"query": QUERY.text, "texts": TEXTS[:2]},
            {"model": "m", "query": QUERY.text, "documents": TEXTS[:2], "top_n": 2},
        ]
        assert [headers.get("Authorization") for headers in server.headers] == ["Bearer secret", None]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        {"error": "overloaded"},
        [],
        [{"index": 0, "score": 1.0}],
        [{"index": 0, "score": 1.0}, {"index": 2, "score": 1.0}],
        [{"index": 0, "score": 1.0}, {"index": 1, "score": "high"}],
        b'[{"index": 0, "score": 1.0}, {"index": 1, "score": NaN}]',
        ["a", "b"],
        {"results": [{"index": 0, "relevance_score": 1.0}, {"index": True, "relevance_score": 1.0}]},
    ],
)
async def test_an_answer_that_is_no_ranking_is_an_error(answer: Any) -> None:
    with RerankServer() as server:
        server.answer = answer
        async with open_http(server.url, api_key="", model="", timeout_seconds=5) as reranker:
            with pytest.raises(RerankError, match="not a ranking"):
                await reranker.rerank(QUERY, candidates(TEXTS[:2]))


async def test_a_server_that_fails_hangs_or_is_gone_is_an_error() -> None:
    with RerankServer() as server:
        server.status = 503
        async with open_http(server.url, api_key="", model="", timeout_seconds=0.2) as reranker:
            with pytest.raises(RerankError, match="503"):
                await reranker.rerank(QUERY, candidates(TEXTS))
            server.status, server.delay_seconds = 200, 0.6
            with pytest.raises(RerankError, match="Timeout"):
                await reranker.rerank(QUERY, candidates(TEXTS))
    async with open_http(server.url, api_key="", model="", timeout_seconds=5) as reranker:
        with pytest.raises(RerankError, match="ConnectError"):
            await reranker.rerank(QUERY, candidates(TEXTS))


# --- by fastembed ---


async def test_a_cross_encoder_reads_in_small_batches_from_its_folder(
    package: type[TextCrossEncoder], tmp_path: Path
) -> None:
    async with open_cross_encoder("org/model", tmp_path) as reranker:
        await reranker.rerank(QUERY, candidates(TEXTS * 4))
    assert package.made_with == {
        "model_name": "org/model",
        "specific_model_path": str(tmp_path),
        "local_files_only": True,
    }
    assert package.batches == [8, 8, 4]


async def test_a_cross_encoder_that_fails_is_an_error(
    package: type[TextCrossEncoder], tmp_path: Path
) -> None:
    package.fails = True
    async with open_cross_encoder(folder=tmp_path) as reranker:
        with pytest.raises(RerankError, match="out of memory"):
            await reranker.rerank(QUERY, candidates(TEXTS))


async def test_without_package_or_model_the_start_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, package: type[TextCrossEncoder], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="RERANK_DOWNLOAD=true"):
        async with open_cross_encoder():
            pytest.fail("there is no model")
    with pytest.raises(ValueError, match="RERANK_MODEL_PATH"):
        async with open_cross_encoder(folder=tmp_path / "nowhere"):
            pytest.fail("there is no folder")
    monkeypatch.setitem(sys.modules, "fastembed.rerank.cross_encoder", None)
    with pytest.raises(ValueError, match=r"docuquery\[fastembed\]"):
        async with open_cross_encoder(folder=tmp_path):
            pytest.fail("there is no package")
