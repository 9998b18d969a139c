"""What the remote embedder makes of a server's faults: real HTTP, through the real SDK."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock, ManualClock, SystemClock
from libs.errors import DocuQueryError
from services.retrieval.embedders import failures
from services.retrieval.embedders.openai import OpenAiEmbeddings
from services.retrieval.embedders.remote import Limits, RemoteEmbedder
from tests.contract.embeddings_server import (
    Answer,
    Body,
    Changed,
    Drop,
    EmbeddingsServer,
    Hang,
    Slow,
    Status,
    Step,
    local_model,
)

KEY = "sk-a-secret-key"


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as running:
        yield running


@asynccontextmanager
async def client_of(
    url: str,
    clock: Clock | None = None,
    *,
    remaining: float = math.inf,
    expected: int | None = 256,
    **limits: Any,
) -> AsyncIterator[RemoteEmbedder]:
    clock = clock or ManualClock()
    values: dict[str, Any] = {
        "batch_texts": 32, "batch_tokens": 10**6, "concurrency": 4, "timeout_seconds": 20.0
    }  # fmt: skip
    api = OpenAiEmbeddings(model="m", api_key=KEY, base_url=url, dimensions=None, clock=clock)
    yield RemoteEmbedder(
        api,
        Limits(**(values | limits)),
        dimensions=expected or 0,
        clock=clock,
        rng=random.Random(7),
        remaining_seconds=lambda: remaining,
    )
    await api.aclose()


async def failure_of(embedder: RemoteEmbedder, texts: list[str] | None = None) -> DocuQueryError:
    with pytest.raises(DocuQueryError) as caught:
        await embedder.embed_passages(texts or ["a text"])
    error = caught.value
    assert error.reason == reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE
    assert error.retryable
    assert KEY not in str(error)
    assert "server text" not in str(error)
    return error


async def test_requests_are_cut_by_texts_and_by_tokens(server: EmbeddingsServer) -> None:
    texts = [f"text {i} " + "word " * (300 if i == 3 else 5) for i in range(20)]
    async with client_of(server.url, batch_texts=6, batch_tokens=100) as embedder:
        vectors = await embedder.embed_passages(texts)
    assert vectors == pytest.approx(await local_model().embed_passages(texts), abs=1e-5)
    assert sorted(server.texts) == sorted(texts)
    assert max(len(request.texts) for request in server.requests) <= 6
    assert [texts[3]] in [request.texts for request in server.requests], "too long for company"


async def test_so_many_requests_at_a_time_and_no_more(server: EmbeddingsServer) -> None:
    server.play(then=Slow(0.05))
    async with client_of(server.url, batch_texts=1, concurrency=3) as embedder:
        await asyncio.gather(*(embedder.embed_passages(["a", "b", "c"]) for _ in range(4)))
    assert server.most_under_way == 3


async def test_a_question_does_not_queue_behind_documents(server: EmbeddingsServer) -> None:
    server.play(Hang())
    async with client_of(server.url, concurrency=1) as embedder:
        document = asyncio.create_task(embedder.embed_passages(["long"]))
        await asyncio.wait_for(server.asked.wait(), 5)
        await embedder.embed_query("short")
        assert not document.done()
        document.cancel()


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "date"])
async def test_retry_after_is_waited_for_and_by_others_too(server: EmbeddingsServer, form: str) -> None:
    clock = ManualClock()
    headers = {
        "seconds": {"retry-after": "7"},
        "milliseconds": {"retry-after-ms": "7000"},
        "date": {"retry-after": format_datetime(clock.now() + timedelta(seconds=7), usegmt=True)},
    }[form]
    server.play(Status(429, headers=headers))
    async with client_of(server.url, clock) as embedder:
        await embedder.embed_passages(["a text"])
        assert 7.0 <= clock.monotonic() <= 7.5
    assert len(server.requests) == 2


async def test_a_retry_after_beyond_the_time_is_told_and_nobody_asks_meanwhile(
    server: EmbeddingsServer,
) -> None:
    clock = ManualClock()
    server.play(Status(429, headers={"retry-after": "30"}))
    async with client_of(server.url, clock) as embedder:
        error = await failure_of(embedder)
        assert error.retry_after_seconds == 30.0
        assert error.message == failures.RATE
        with pytest.raises(DocuQueryError) as caught:
            await embedder.embed_query("a question")
        assert caught.value.retry_after_seconds == pytest.approx(30.0)
        assert len(server.requests) == 1
        clock.advance(31)
        await embedder.embed_query("a question")


class NotingClock(ManualClock):
    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await super().sleep(seconds)


async def test_backoff_has_full_jitter_and_an_end(server: EmbeddingsServer) -> None:
    clock = NotingClock()
    server.play(then=Status(500))
    async with client_of(server.url, clock) as embedder:
        error = await failure_of(embedder)
    assert error.message == failures.FAULT
    assert error.retry_after_seconds == 5.0
    assert clock.monotonic() <= 20.0, "the total time is bounded"
    assert len(clock.pauses) >= 5
    assert all(pause <= min(0.25 * 2**i, 4.0) for i, pause in enumerate(clock.pauses))
    assert len(set(clock.pauses)) == len(clock.pauses)


@pytest.mark.parametrize(
    "step",
    [Status(500), Status(502), Status(503), Status(408), Status(409), Status(504), Status(429), Drop()],
    ids=["500", "502", "503", "408", "409", "504", "429", "dropped"],
)
async def test_what_passes_is_tried_again(server: EmbeddingsServer, step: Step) -> None:
    server.play(step, step)
    async with client_of(server.url) as embedder:
        await embedder.embed_passages(["a text"])
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("step", "message", "setting"),
    [
        (Status(401), failures.CREDENTIALS, "EMBEDDING_API_KEY"),
        (Status(403), failures.CREDENTIALS, "OPENAI_API_KEY"),
        (Status(400, code="invalid_api_key"), failures.CREDENTIALS, "EMBEDDING_API_KEY"),
        (Status(404), failures.MODEL, "EMBEDDING_MODEL"),
        (Status(400, code="model_not_found"), failures.MODEL, "EMBEDDING_BASE_URL"),
        (Status(402), failures.QUOTA, "quota"),
        (Status(429, code="insufficient_quota"), failures.QUOTA, "quota"),
        (
            Status(302, headers={"location": "http://127.0.0.1:9/"}),
            failures.NOT_UNDERSTOOD,
            "EMBEDDING_BASE_URL",
        ),
    ],
    ids=repr,
)
async def test_what_lasts_is_not_tried_again_and_says_what_to_set(
    server: EmbeddingsServer, step: Step, message: str, setting: str
) -> None:
    server.play(then=step)
    async with client_of(server.url) as embedder:
        error = await failure_of(embedder)
        assert error.message == message
        assert setting in message
        assert error.retry_after_seconds == 60.0
        assert (await failure_of(embedder)).message == message
    assert len(server.requests) == 1, "asked again although nothing can have changed"


@pytest.mark.parametrize("status", [400, 422, 413])
async def test_one_bad_request_stops_no_other(server: EmbeddingsServer, status: int) -> None:
    server.play(Status(status))
    async with client_of(server.url) as embedder:
        error = await failure_of(embedder)
        assert "CHUNK_SIZE" in error.message
        assert error.retry_after_seconds is None
        await embedder.embed_passages(["another"])


async def test_a_request_that_is_too_large_is_halved(server: EmbeddingsServer) -> None:
    server.max_texts = 3
    texts = [f"text {i}" for i in range(10)]
    async with client_of(server.url) as embedder:
        vectors = await embedder.embed_passages(texts)
    assert vectors == pytest.approx(await local_model().embed_passages(texts), abs=1e-5)


def with_vector(value: Any) -> Changed:
    return Changed(lambda items: [items[0] | {"embedding": value}, *items[1:]])


@pytest.mark.parametrize(
    "step",
    [
        Body(b"<html>hello</html>"),
        Body(b"{}"),
        Body(b'{"data": []}'),
        Body(b'{"data": 3}'),
        Changed(lambda items: items[1:]),
        Changed(lambda items: [items[0], items[0]]),
        Changed(lambda items: [*items, items[0] | {"index": 2}]),
        Changed(lambda items: [item | {"index": item["index"] + 1} for item in items]),
        with_vector([math.nan] * 256),
        with_vector([math.inf] * 256),
        with_vector([1e300] * 256),
        with_vector([0.0] * 256),
        with_vector([0.1] * 255),
        with_vector("not base64!"),
        with_vector("AAA="),
        with_vector(None),
        with_vector(["a"] * 256),
    ],
)
async def test_a_reply_that_is_no_list_of_vectors_is_refused(server: EmbeddingsServer, step: Step) -> None:
    server.play(step)
    async with client_of(server.url) as embedder:
        error = await failure_of(embedder, ["one", "two"])
        assert error.message == failures.NOT_UNDERSTOOD
        await embedder.embed_passages(["one", "two"])


async def test_vectors_of_another_length_than_the_stored_ones_are_refused(server: EmbeddingsServer) -> None:
    server.play(Changed(lambda items: [item | {"embedding": [0.5] * 8} for item in items]))
    async with client_of(server.url) as embedder:
        error = await failure_of(embedder)
    assert "8 dimensions" in error.message
    assert "EMBEDDING_MODEL" in error.message


async def test_a_server_without_base64_is_asked_for_floats_from_then_on(server: EmbeddingsServer) -> None:
    server.takes_base64 = False
    async with client_of(server.url) as embedder:
        await embedder.embed_passages(["one"])
        await embedder.embed_passages(["two"])
    assert [request.body["encoding_format"] for request in server.requests] == ["base64", "float", "float"]


async def test_floats_are_taken_from_a_server_that_ignores_the_encoding(server: EmbeddingsServer) -> None:
    server.play(then=Changed(lambda items: items))
    async with client_of(server.url) as embedder:
        found = await embedder.embed_passages(["one"])
    assert found == pytest.approx(await local_model().embed_passages(["one"]), abs=1e-5)


async def test_a_server_that_hangs_costs_no_more_than_the_limit(server: EmbeddingsServer) -> None:
    server.play(then=Hang())
    async with client_of(server.url, SystemClock(), timeout_seconds=0.6) as embedder:
        started = time.perf_counter()
        error = await failure_of(embedder)
        assert 0.3 <= time.perf_counter() - started < 5
        assert error.message == failures.SLOW
        assert error.retry_after_seconds == 5.0
    assert len(server.requests) >= 2, "one request may not take all the time"


async def test_one_request_that_hangs_leaves_time_for_another(server: EmbeddingsServer) -> None:
    server.play(Hang())
    async with client_of(server.url, SystemClock(), timeout_seconds=1.0) as embedder:
        await embedder.embed_passages(["a text"])


async def test_a_question_leaves_half_of_its_time_to_search_by_words(server: EmbeddingsServer) -> None:
    """And a caller in a hurry does not make the server count as down."""
    server.play(Hang())
    async with client_of(server.url, SystemClock(), remaining=2) as embedder:
        started = time.perf_counter()
        with pytest.raises(DocuQueryError) as caught:
            await embedder.embed_query("a question")
        assert 0.9 < time.perf_counter() - started < 1.9
        assert caught.value.retry_after_seconds is None
        await embedder.embed_query("a question")


async def test_a_server_that_is_not_there_is_reported_as_such(server: EmbeddingsServer) -> None:
    async with client_of("http://127.0.0.1:9/v1") as embedder:
        error = await failure_of(embedder)
    assert error.message == failures.UNREACHABLE
    assert "EMBEDDING_BASE_URL" in error.message


async def test_a_caller_who_goes_away_ends_the_request(server: EmbeddingsServer) -> None:
    server.play(then=Hang())
    async with client_of(server.url, SystemClock()) as embedder:
        task = asyncio.create_task(embedder.embed_passages(["a text"]))
        await asyncio.wait_for(server.asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.client_gone.wait(), 5)


async def test_dimensions_are_learnt_from_the_first_reply(server: EmbeddingsServer) -> None:
    async with client_of(server.url, expected=None) as embedder:
        await embedder.learn_dimensions(None)
        assert embedder.dimensions == 256
        assert np.linalg.norm(await embedder.embed_query("x")) == pytest.approx(1.0, abs=1e-6)


async def test_other_dimensions_than_the_settings_say_are_refused_at_the_start(
    server: EmbeddingsServer,
) -> None:
    async with client_of(server.url, expected=None) as embedder:
        with pytest.raises(DocuQueryError, match=r"256 dimensions\. Set EMBEDDING_DIMENSIONS"):
            await embedder.learn_dimensions(512)


async def test_a_server_that_is_down_at_the_start_stops_only_who_knows_nothing_of_it(
    server: EmbeddingsServer,
) -> None:
    server.play(then=Status(500))
    for expected, remembered in ((256, None), (None, 256)):
        async with client_of(server.url, expected=None) as embedder:
            await embedder.learn_dimensions(expected, remembered)
            assert embedder.dimensions == 256
    async with client_of(server.url, expected=None) as embedder:
        with pytest.raises(DocuQueryError):
            await embedder.learn_dimensions(None)


async def test_the_request_is_as_openai_defines_it(
    server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-account")
    async with client_of(server.url) as embedder:
        await embedder.embed_passages(["a text"])
    (request,) = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "openai-organization" not in request.headers
    assert request.body == {"model": "m", "input": ["a text"], "encoding_format": "base64"}
    api = OpenAiEmbeddings(model="m", api_key="", base_url=server.url, dimensions=64, clock=ManualClock())
    assert (await api.embed(["a text"], 5.0)).shape == (1, 64)
    await api.aclose()
    assert server.requests[-1].body["dimensions"] == 64


async def test_the_failure_of_one_batch_fails_the_call_and_cancels_the_others(
    server: EmbeddingsServer,
) -> None:
    server.play(Hang(), Status(401), then=Answer())
    async with client_of(server.url, SystemClock(), batch_texts=1, concurrency=2) as embedder:
        error = await failure_of(embedder, ["a", "b"])
        assert error.message == failures.CREDENTIALS
        await asyncio.wait_for(server.client_gone.wait(), 5)


async def test_who_waited_for_a_slot_learns_that_the_server_is_not_to_be_asked(
    server: EmbeddingsServer,
) -> None:
    server.play(then=Status(401))
    async with client_of(server.url, concurrency=1) as embedder:
        results = await asyncio.gather(
            *(embedder.embed_passages([text]) for text in "abcdef"), return_exceptions=True
        )
    assert {getattr(result, "message", "") for result in results} == {failures.CREDENTIALS}
    assert len(server.requests) == 1


async def test_a_queue_that_is_too_long_is_not_taken_for_an_outage(server: EmbeddingsServer) -> None:
    server.play(then=Slow(0.1))
    async with client_of(server.url, SystemClock(), concurrency=1, timeout_seconds=2.0) as embedder:
        results = await asyncio.gather(
            *(embedder.embed_passages([text]) for text in "abcdefgh" * 5), return_exceptions=True
        )
        failed = [result for result in results if isinstance(result, DocuQueryError)]
        assert 0 < len(failed) < 40
        assert {error.reason for error in failed} == {reasons.ERROR_REASON_EMBEDDER_UNAVAILABLE}
        await embedder.embed_query("a question")


async def test_a_question_does_not_wait_for_a_server_that_asks_for_patience(server: EmbeddingsServer) -> None:
    """Words answer at once; a document waits."""
    clock = ManualClock()
    server.play(Status(429, headers={"retry-after": "3"}))
    async with client_of(server.url, clock) as embedder:
        for _ in range(2):
            with pytest.raises(DocuQueryError):
                await embedder.embed_query("a question")
        assert clock.monotonic() == 0.0
        assert len(server.requests) == 1
        await embedder.embed_passages(["a text"])
        assert 3.0 <= clock.monotonic() <= 3.5


async def test_each_outage_in_a_row_is_sat_out_for_twice_as_long(server: EmbeddingsServer) -> None:
    clock = ManualClock()
    server.play(then=Status(500))
    waits = []
    async with client_of(server.url, clock) as embedder:
        for _ in range(6):
            error = await failure_of(embedder)
            assert error.retry_after_seconds is not None
            waits.append(error.retry_after_seconds)
            clock.advance(error.retry_after_seconds)
        assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
        server.play()
        await embedder.embed_query("it works")
        server.play(then=Status(500))
        assert (await failure_of(embedder)).retry_after_seconds == 5.0
