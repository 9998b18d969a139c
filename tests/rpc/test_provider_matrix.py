"""Everything that can go wrong with a provider, wherever it can: one table, seen from the public API.

Each fault, times the stage it comes at, times unary and streamed, times both wire formats: through a real
gateway, a real answer service and the real SDKs, against a server that misbehaves over real HTTP. The table
says what a caller must see; `test_nothing_is_forgotten` holds it complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
import pytest_asyncio

from docuquery.common.v1 import answer_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import TextSpan
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceStub
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import add_RetrievalServiceServicer_to_server
from libs.errors import CODES, reason_name
from libs.rpc.server import ServiceRegistration, serve
from libs.settings import ServiceSettings
from services.answer.app import start as start_answer
from services.answer.providers.errors import MESSAGES
from services.answer.settings import Settings as AnswerSettings
from services.gateway.app import start as start_gateway
from services.gateway.settings import Settings as GatewaySettings
from tests.contract.llm_server import End, Finish, Hang, LlmServer, Open, Step, Text
from tests.contract.provider_faults import FAULTS, Cell, Stage, cells, status
from tests.rpc.gateway_support import FakeRetrieval, failure_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACT = "The mascot of the firm is a heron."
QUESTION = "What is the mascot of the firm?"
ADAPTERS = ("openai", "anthropic")
STOP = {"openai": "stop", "anthropic": "end_turn"}
FILTERED = {"openai": "content_filter", "anthropic": "refusal"}


class OnePassage(FakeRetrieval):
    """Finds the fact."""

    async def Search(self, request: retrieval.SearchRequest, context: Any) -> retrieval.SearchResponse:
        span = TextSpan(char_end=len(FACT), byte_end=len(FACT))
        found = Passage(document_id="d", filename="m.txt", version="v", text=FACT, span=span, score=0.8)
        return retrieval.SearchResponse(passages=[found], mode=request.mode)


@dataclass
class System:
    """A gateway with two providers of one wire format: `first` misbehaves, `second` answers."""

    api: Any
    admin: Any
    first: LlmServer
    second: LlmServer
    adapter: str

    async def ask(self, *, whole: bool) -> tuple[pb.QueryResult | None, str, grpc.aio.AioRpcError | None]:
        """(the result, the text shown, the error)."""
        query = pb.QueryRequest(question=QUESTION)
        shown = ""
        result: pb.QueryResult | None = None
        try:
            if whole:
                return (await self.api.Query(query, timeout=20)).result, "", None
            async for event in self.api.StreamQuery(pb.StreamQueryRequest(query=query), timeout=20):
                shown += event.text_delta
                if event.WhichOneof("event") == "completed":
                    result = event.completed
        except grpc.aio.AioRpcError as error:
            return None, shown, error
        return result, shown, None

    async def override(self, target: str, override: admin.BreakerOverride) -> None:
        """Forces the circuit breakers with `target` in their name."""
        status = await self.api.GetSystemStatus(pb.GetSystemStatusRequest())
        for breaker in status.breakers:
            if target in breaker.target:
                await self.admin.OverrideBreaker(
                    admin.OverrideBreakerRequest(target=breaker.target, override=override)
                )

    @asynccontextmanager
    async def without_second(self) -> AsyncIterator[None]:
        """Nobody but `first` takes calls."""
        await self.override("second", admin.BREAKER_OVERRIDE_FORCE_OPEN)
        try:
            yield
        finally:
            await self.override("second", admin.BREAKER_OVERRIDE_FORCE_CLOSED)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ADAPTERS)
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    adapter = request.param
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(LlmServer()) for _ in range(2)]
        path = "/v1" if adapter == "openai" else ""
        file = tmp_path_factory.mktemp("providers") / "providers.toml"
        file.write_text(
            "\n".join(
                f'[[provider]]\nname = "{name}"\nadapter = "{adapter}"\nmodel = "m-1"\n'
                f'base_url = "http://127.0.0.1:{server.port}{path}"\n'
                f"timeout_seconds = 2\ncontext_window_tokens = {window}\n"
                for name, server, window in (("first", first, 8000), ("second", second, 16_000))
            )
        )
        answer = await stack.enter_async_context(
            start_answer(AnswerSettings(port=0, providers_file=file, _env_file=None))
        )
        found = await stack.enter_async_context(
            serve(
                name="retrieval",
                settings=ServiceSettings(port=0, _env_file=None),
                services=[
                    ServiceRegistration(
                        "docuquery.retrieval.v1.RetrievalService",
                        partial(add_RetrievalServiceServicer_to_server, OnePassage()),
                    )
                ],
            )
        )
        gateway = await stack.enter_async_context(
            start_gateway(
                GatewaySettings(
                    port=0,
                    answer_target=answer.address,
                    retrieval_target=found.address,
                    llm_provider="first,second",
                    extractive_fallback=False,
                    _env_file=None,
                )
            )
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        second.play(*answers(adapter))
        system = System(DocuQueryServiceStub(channel), AdminServiceStub(channel), first, second, adapter)
        # One cell must not park or break a provider for the next one.
        await system.override("", admin.BREAKER_OVERRIDE_FORCE_CLOSED)
        yield system


def answers(adapter: str) -> tuple[Step, ...]:
    return (Open(), Text(f"{FACT} [1]"), Finish(STOP[adapter]), End())


def by_mode(whole: bool) -> str:
    return "unary" if whole else "streamed"


@pytest.mark.parametrize("whole", [True, False], ids=by_mode)
@pytest.mark.parametrize("cell", list(cells()), ids=str)
async def test_a_fault_is_typed_and_the_ladder_goes_on_as_the_table_says(
    system: System, cell: Cell, whole: bool
) -> None:
    fault = cell.fault
    system.first.play(*cell.stage.value, *cell.script(system.adapter))
    before = len(system.first.requests), len(system.second.requests)
    result, shown, error = await system.ask(whole=whole)
    asked = len(system.first.requests) - before[0], len(system.second.requests) - before[1]

    late = cell.stage is Stage.MID_STREAM
    if late and not whole:
        assert result is None
        assert error is not None
        failure = failure_of(error)
        assert (failure.code, failure.reason) == (CODES[fault.reason], reason_name(fault.reason))
        assert failure.domain == "docuquery.llm"
        assert failure.metadata["provider"] == "first"
        assert failure.metadata["phase"] == "MID_STREAM"
        assert shown == "The mascot of the firm"
        assert asked == (1, 0)
        return
    assert error is None
    assert result is not None
    assert (result.provider, result.answer) == ("second", FACT)
    assert [(a.provider, a.error_reason) for a in result.attempts] == [
        ("first", fault.reason),
        ("second", reasons.ERROR_REASON_UNSPECIFIED),
    ]
    assert [d.kind for d in result.degradations] == [answer_pb2.DEGRADATION_KIND_PROVIDER_FALLBACK]
    assert asked == (1, 1)
    if not whole:
        assert shown == FACT


@pytest.mark.parametrize("cell", list(cells()), ids=str)
async def test_without_another_the_same_provider_is_asked_again_where_the_table_says_so(
    system: System, cell: Cell
) -> None:
    system.first.play(*cell.stage.value, *cell.script(system.adapter))
    before = len(system.first.requests)
    async with system.without_second():
        result, _, error = await system.ask(whole=True)
    assert result is None
    assert error is not None
    again = cell.fault.retried and cell.stage is not Stage.MID_STREAM
    assert len(system.first.requests) - before == (2 if again else 1)


@pytest.mark.parametrize("whole", [True, False], ids=by_mode)
@pytest.mark.parametrize("stage", [Stage.BEFORE_FIRST_TOKEN, Stage.MID_STREAM], ids=lambda s: s.name)
async def test_a_refusal_is_an_answer_and_nobody_else_is_asked(
    system: System, stage: Stage, whole: bool
) -> None:
    system.first.play(*stage.value, Finish(FILTERED[system.adapter]), End())
    before = len(system.second.requests)
    result, _, error = await system.ask(whole=whole)
    assert error is None
    assert result is not None
    assert result.finish_reason == answer_pb2.FINISH_REASON_CONTENT_FILTERED
    assert result.provider == "first"
    assert len(system.second.requests) == before


@pytest.mark.parametrize("whole", [True, False], ids=by_mode)
@pytest.mark.parametrize("stage", Stage, ids=lambda s: s.name)
async def test_a_caller_that_goes_away_hangs_up_on_the_provider_and_nobody_else_is_asked(
    system: System, stage: Stage, whole: bool
) -> None:
    system.first.hanging.clear()
    system.first.client_gone.clear()
    system.first.play(*stage.value, Hang())
    before = len(system.second.requests)
    asking = asyncio.create_task(system.ask(whole=whole))
    await asyncio.wait_for(system.first.hanging.wait(), 5)
    asking.cancel()
    await asyncio.wait_for(system.first.client_gone.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(system.second.requests) == before


async def test_a_short_retry_after_is_waited_for_when_there_is_no_other_provider(system: System) -> None:
    limited = status(429, ("requests", "rate_limit_exceeded"), ("rate_limit_error",), **{"retry-after": "0"})
    system.first.play_in_turn(limited(system.adapter), answers(system.adapter))
    async with system.without_second():
        result, _, error = await system.ask(whole=True)
    assert error is None
    assert result is not None
    assert [(a.provider, reason_name(a.error_reason)) for a in result.attempts] == [
        ("first", "PROVIDER_RATE_LIMITED"),
        ("first", "UNSPECIFIED"),
    ]


async def test_nothing_is_forgotten() -> None:
    """Every reason a provider can cause has its row; a row has a signal at every stage, or says why not."""
    assert [fault.reason for fault in FAULTS] == sorted({f.reason for f in FAULTS}, key=list(MESSAGES).index)
    assert {fault.reason for fault in FAULTS} == set(MESSAGES)
    for fault in FAULTS:
        assert (fault.opening and fault.streamed) or fault.cannot, reason_name(fault.reason)
    stages = {(cell.fault.reason, cell.stage) for cell in cells()}
    possible = {(f.reason, s) for f in FAULTS for s in Stage if not f.cannot}
    assert possible <= stages
    assert set(ADAPTERS) == set(STOP) == set(FILTERED)
