"""What every embedder must do. Each provider behind the seam runs this whole suite."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from libs.clock import SystemClock
from services.retrieval.embedders.fastembed import open_fastembed
from services.retrieval.embedders.opening import Server, open_openai
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.embedders.remote import Limits
from tests.contract.embeddings_server import EmbeddingsServer, local_model
from tests.contract.onnx_model import MODEL, write_model

TEXTS = [
    "The cat sleeps on the sofa.",
    "Quarterly revenue grew by four percent.",
    "Umlaute: Äpfel, Öl, Übermut. 漢字かな交じり文。 ✈ 👩‍👩‍👧",
    "x",
    "word " * 400,
    "\u200b",
]


TOLERANCE = 1e-4
"""Of a component: a cache keeps vectors in half precision."""


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Embedder]:
    yield local_model()


@asynccontextmanager
async def openai(folder: Path, cache_bytes: int = 0) -> AsyncIterator[Embedder]:
    """Over HTTP, to a server with the local model."""
    async with (
        EmbeddingsServer() as server,
        open_openai(
            Server(model="m", base_url=server.url),
            Limits(batch_texts=32, batch_tokens=100_000, concurrency=4, timeout_seconds=20.0),
            folder=folder,
            cache_bytes=cache_bytes,
            clock=SystemClock(),
            remaining_seconds=lambda: math.inf,
        ) as embedder,
    ):
        yield embedder


@asynccontextmanager
async def fastembed(folder: Path) -> AsyncIterator[Embedder]:
    """The real package and runtime, on a model made of the local one."""
    pytest.importorskip("fastembed", reason="the extra `fastembed` is not installed")
    write_model(folder)
    async with open_fastembed(MODEL, folder) as embedder:
        yield embedder


EMBEDDERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Embedder]]] = {
    "local": local,
    "openai": openai,
    "openai, cached": lambda folder: openai(folder, 2**20),
    "fastembed": fastembed,
}


@pytest.fixture(params=EMBEDDERS)
async def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Embedder]:
    async with EMBEDDERS[request.param](tmp_path) as opened:
        yield opened


async def test_vectors_are_finite_of_length_one_and_one_a_text(embedder: Embedder) -> None:
    vectors = await embedder.embed_passages(TEXTS * 20)
    assert vectors.shape == (len(TEXTS) * 20, embedder.dimensions)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


async def test_a_text_has_one_vector_whatever_stands_beside_it(embedder: Embedder) -> None:
    """Batching never changes a result, and a question is embedded as a passage is."""
    together = await embedder.embed_passages(TEXTS)
    for text, expected in zip(TEXTS, together, strict=True):
        assert (await embedder.embed_passages([text]))[0] == pytest.approx(expected, abs=TOLERANCE)
        query = await embedder.embed_query(text)
        assert query.shape == (embedder.dimensions,)
        assert query == pytest.approx(expected, abs=TOLERANCE)


async def test_no_texts_make_no_vectors(embedder: Embedder) -> None:
    assert (await embedder.embed_passages([])).shape == (0, embedder.dimensions)


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0\u2003"])
async def test_blank_text_is_refused(embedder: Embedder, blank: str) -> None:
    with pytest.raises(ValueError, match="blank"):
        await embedder.embed_passages(["fine", blank])
    with pytest.raises(ValueError, match="blank"):
        await embedder.embed_query(blank)


async def test_what_means_the_same_is_near(embedder: Embedder) -> None:
    query = await embedder.embed_query("Where does the kitten rest?")
    vectors = await embedder.embed_passages(TEXTS[:2])
    assert query @ vectors[0] > query @ vectors[1] + 0.1


async def test_the_event_loop_goes_on_while_a_document_is_embedded(embedder: Embedder) -> None:
    """Other tasks get at least fifty turns a second."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    started = time.perf_counter()
    await embedder.embed_passages(TEXTS * 50)
    elapsed = time.perf_counter() - started
    task.cancel()
    assert turns > elapsed * 50, "fewer than 50 turns a second: somebody holds the loop for 20 ms at a time"


async def test_texts_come_in_batches_of_a_stated_size(embedder: Embedder) -> None:
    assert embedder.batch_texts >= 1


async def test_the_name_says_provider_and_model(embedder: Embedder) -> None:
    provider, model = embedder.name.split("/", 1)
    assert provider
    assert model
