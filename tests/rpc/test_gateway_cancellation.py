"""A caller who leaves takes along everything done for it, down to the connection to the model's server.

Gateway, answer service and the providers' own SDKs are real; the model's server is scripted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from services.answer.app import start as start_answer
from services.answer.settings import Settings as AnswerSettings
from tests.contract.llm_server import Hang, LlmServer, Open, Status, Step, Text
from tests.e2e.support import require
from tests.rpc.gateway_support import HANG, System, failure_of, running, until

QUESTION = pb.QueryRequest(question="How many days of sick leave?")

# Until the reply's headers, until its first token, until its end.
WINDOWS: dict[str, tuple[Step, ...]] = {
    "before the reply": (Hang(),),
    "before the first token": (Open(), Hang()),
    "in mid-stream": (Open(), Text("Sick leave is "), Hang()),
}


@dataclass(frozen=True)
class Scene:
    """A gateway, and the model's server at the far end."""

    system: System
    llm: LlmServer


@pytest.fixture(params=["openai", "anthropic"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    path = "/v1" if request.param == "openai" else ""
    async with LlmServer() as llm:
        answering = AnswerSettings(
            _env_file=None,
            port=0,
            drain_seconds=1,
            **{
                f"{request.param}_base_url": f"http://127.0.0.1:{llm.port}{path}",
                f"{request.param}_api_key": "sk-test",
            },
        )
        async with (
            start_answer(answering) as answer,
            running(answer_target=answer.address) as system,
        ):
            yield Scene(system, llm)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("window", WINDOWS)
async def test_a_caller_who_leaves_closes_the_connection_to_the_model(
    scene: Scene, window: str, streamed: bool
) -> None:
    scene.llm.play(*WINDOWS[window])
    if streamed:
        call = scene.system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION))
    else:
        call = scene.system.api.Query(QUESTION)
    await asyncio.wait_for(scene.llm.hanging.wait(), 5)
    call.cancel()
    await asyncio.wait_for(scene.llm.client_gone.wait(), 5)
    assert len(scene.llm.requests) == 1
    status = await scene.system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    assert {breaker.failures for breaker in status.breakers} == {0}, "leaving is nobody's failure"


@pytest.mark.parametrize("window", WINDOWS)
async def test_so_does_a_deadline_that_passes(scene: Scene, window: str) -> None:
    scene.llm.play(*WINDOWS[window])
    call = scene.system.api.Query(QUESTION, timeout=0.5)
    await asyncio.wait_for(scene.llm.client_gone.wait(), 5)
    # Within its time the caller is answered by the rung below.
    assert await call.code() in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_time_that_ends_in_mid_answer_is_no_failure_of_the_model(
    scene: Scene, streamed: bool
) -> None:
    scene.llm.play(*WINDOWS["in mid-stream"])
    if streamed:
        stream = scene.system.api.StreamQuery(pb.StreamQueryRequest(query=QUESTION), timeout=2.6)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            _ = [event async for event in stream]
        failure = failure_of(error.value)
        assert (failure.reason, failure.metadata["phase"]) == ("DEADLINE_EXCEEDED", "MID_STREAM")
    else:
        result = (await scene.system.api.Query(QUESTION, timeout=2.6)).result
        assert (result.provider, result.attempts[0].error_reason) == (
            "extractive",
            reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        )
    status = await scene.system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    assert {breaker.failures for breaker in status.breakers} == {0}


async def test_a_caller_who_leaves_during_a_backoff_causes_no_further_request(scene: Scene) -> None:
    scene.llm.play(Status(429, type="rate_limit_error", headers={"retry-after": "1"}))
    call = scene.system.api.Query(QUESTION)
    await until(lambda: len(scene.llm.requests) == 1, seconds=5)
    await asyncio.sleep(0.2)
    call.cancel()
    await asyncio.sleep(1.2)
    assert len(scene.llm.requests) == 1


@pytest.mark.externals
@pytest.mark.parametrize("method", ["Query", "StreamQuery"])
async def test_grpcurl_s_max_time_is_kept_to_within_50_ms(method: str) -> None:
    """From the call's arrival: grpcurl has spent a part of its time before, on starting and reflection."""
    grpcurl = require("grpcurl")
    body = '{"question": "How many days?"}'
    body = f'{{"query": {body}}}' if method == "StreamQuery" else body
    async with running() as system:
        system.providers(a=[[HANG]])
        system.answer.scripts["extractive"] = [[HANG]]
        late = []
        for turn in range(3):
            process = await asyncio.create_subprocess_exec(
                *(grpcurl, "-plaintext", "-max-time", "1", "-d", body, system.address),
                f"docuquery.gateway.v1.DocuQueryService/{method}",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            await until(lambda turn=turn: len(system.retrieval.seen) > turn, seconds=10)
            allowed = system.retrieval.seen[-1].seconds_left * 3  # the search got a third of it
            began = time.monotonic()
            output, _ = await process.communicate()
            late.append(time.monotonic() - began - allowed)
            assert process.returncode != 0
            assert b"DeadlineExceeded" in output
        await until(lambda: system.answer.under_way == 0)
        assert min(late) < 0.05, "the best of three, for the sake of busy machines"
