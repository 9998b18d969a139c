"""How everything is, also when most of it is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.reindex_pb2 import REINDEX_STATE_RUNNING, Reindex
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.retrieval.v1.retrieval_service_pb2 import GetStoreStatusResponse
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.gateway.breakers.model import BreakerPolicy, Outcome, OutcomeKind, Override, Snapshot, State
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.providers import ProviderDirectory
from services.gateway.query import QueryPolicy
from services.gateway.status.convert import breaker_to_proto, override_from_proto, status_to_proto
from services.gateway.status.system import (
    ComponentState,
    HealthAnswer,
    HealthCheck,
    StatusReporter,
    SystemStatus,
)
from tests.unit.services.gateway.support import candidate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def serving(_seconds: float) -> HealthAnswer:
    return HealthAnswer(serving=True, version="1.2")


async def not_serving(_seconds: float) -> HealthAnswer:
    return HealthAnswer(serving=False)


async def dead(_seconds: float) -> HealthAnswer:
    raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())


async def paused(_seconds: float) -> HealthAnswer:
    await asyncio.Event().wait()
    return HealthAnswer(serving=True)


class Source:
    def __init__(self, *names: str, error: DocuQueryError | None = None) -> None:
        self.names = names
        self.error = error

    async def list_providers(self) -> Sequence[Candidate]:
        if self.error:
            raise self.error
        return [candidate(name) for name in self.names]


REINDEX = Reindex(state=REINDEX_STATE_RUNNING, chunks_done=3, chunk_count=9, seconds_left=2.0)


class Store:
    """Retrieval's word on its store."""

    def __init__(self) -> None:
        self.reindex: Reindex | None = None
        self.error: DocuQueryError | None = None
        self.hangs = False

    async def get_store_status(self, timeout_seconds: float) -> GetStoreStatusResponse:
        if self.error:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()
        return GetStoreStatusResponse(reindex=self.reindex)


class Bench:
    def __init__(self, source: Source, policy: QueryPolicy | None = None, **checks: HealthCheck) -> None:
        self.store = Store()
        clock = SystemClock()
        self.breakers = Breakers(BreakerPolicy(), monotonic=clock.monotonic, random=lambda: 0.5)
        directory = ProviderDirectory(source, self.breakers, clock)
        self.reporter = StatusReporter(
            checks, self.store, directory, self.breakers, clock, policy or QueryPolicy()
        )

    async def report(self) -> SystemStatus:
        return await self.reporter.report()


def providers(status: SystemStatus) -> list[tuple[str, bool]]:
    return [(provider.candidate.name, provider.available) for provider in status.providers]


async def test_every_component_is_named_and_the_worst_decides() -> None:
    status = await Bench(Source(), ingest=serving, retrieval=not_serving, answer=serving).report()
    assert [(c.name, c.state.name) for c in status.components] == [
        ("gateway", "SERVING"),
        ("ingest", "SERVING"),
        ("retrieval", "NOT_SERVING"),
        ("answer", "SERVING"),
    ]
    assert status.state is ComponentState.NOT_SERVING
    assert [component.version for component in status.components[1:]] == ["1.2", "", "1.2"]
    assert status.components[0].latency_ms is None
    assert status.components[1].latency_ms is not None


async def test_dead_and_paused_services_are_unreachable_and_delay_nothing_long() -> None:
    bench = Bench(
        Source(error=DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Dead.")),
        ingest=dead,
        retrieval=paused,
        answer=paused,
    )
    async with asyncio.timeout(1.5):
        status = await bench.report()
    assert status.state is ComponentState.UNREACHABLE
    assert [c.state.name for c in status.components[1:]] == ["UNREACHABLE"] * 3
    assert "UNAVAILABLE" in status.components[1].detail
    assert status.components[2].latency_ms is None
    assert status.providers == ()


async def test_providers_stand_in_the_order_they_are_asked_with_those_never_asked_last() -> None:
    source = Source("extractive", "a", "b", "c")
    status = await Bench(source, QueryPolicy(provider_order=("b", "a"))).report()
    assert providers(status) == [("b", True), ("a", True), ("extractive", True), ("c", False)]


async def test_a_provider_whose_breaker_refuses_is_not_available() -> None:
    bench = Bench(Source("a", "b"))
    await bench.report()
    bench.breakers.override("provider:a/a-model", Override.FORCE_OPEN)
    status = await bench.report()
    assert providers(status) == [("a", False), ("b", True)]
    assert status.breakers["provider:a/a-model"].forced


async def test_a_reindex_is_told_as_retrieval_tells_it() -> None:
    bench = Bench(Source(), retrieval=serving)
    assert not status_to_proto(await bench.report(), NOW).HasField("reindex")
    bench.store.reindex = REINDEX
    assert status_to_proto(await bench.report(), NOW).reindex == REINDEX


async def test_a_retrieval_that_tells_nothing_of_its_store_delays_and_breaks_nothing() -> None:
    bench = Bench(Source(), retrieval=serving)
    bench.store.error = DocuQueryError(reasons.ERROR_REASON_NOT_SUPPORTED, "An older one.")
    assert (await bench.report()).reindex is None
    bench.store.error, bench.store.hangs = None, True
    status = await bench.report()
    assert (status.reindex, status.state) == (None, ComponentState.SERVING)


# --- in the words of the contract ---


async def test_the_report_reads_the_same_in_the_contract() -> None:
    bench = Bench(Source("a"), ingest=dead)
    message = status_to_proto(await bench.report(), NOW)
    assert message.state == pb.COMPONENT_STATE_UNREACHABLE
    assert [c.name for c in message.components] == ["gateway", "ingest"]
    assert not message.components[1].HasField("latency_ms")
    assert [(p.name, p.adapter, p.model, p.available) for p in message.providers] == [
        ("a", "openai", "a-model", True)
    ]
    assert [b.target for b in message.breakers] == ["provider:a/a-model"]
    assert message.version


@pytest.mark.parametrize(
    ("state", "expected", "has_time"),
    [
        (State.CLOSED, pb.BREAKER_STATE_CLOSED, False),
        (State.OPEN, pb.BREAKER_STATE_OPEN, True),
        (State.HALF_OPEN, pb.BREAKER_STATE_HALF_OPEN, False),
        (State.PARKED, pb.BREAKER_STATE_PARKED, True),
    ],
)
def test_every_state_has_its_word_and_a_time_where_one_is_known(
    state: State, expected: int, has_time: bool
) -> None:
    snapshot = Snapshot(state, 9, 4, 30.0, reasons.ERROR_REASON_PROVIDER_TIMEOUT, True, False)
    breaker = breaker_to_proto("service:x", snapshot, NOW)
    assert (breaker.target, breaker.state, breaker.calls, breaker.failures) == ("service:x", expected, 9, 4)
    assert (breaker.last_reason, breaker.forced) == (reasons.ERROR_REASON_PROVIDER_TIMEOUT, True)
    assert breaker.HasField("retry_time") == has_time
    if has_time:
        assert breaker.retry_time.ToDatetime(UTC) == NOW.replace(second=30)


def test_a_breaker_forced_open_has_no_time_of_return() -> None:
    breakers = Breakers(BreakerPolicy(), monotonic=lambda: 0.0, random=lambda: 0.5)
    breakers.get("service:x").acquire().report(Outcome(OutcomeKind.FAILURE))
    snapshot = breakers.override("service:x", Override.FORCE_OPEN)
    assert not breaker_to_proto("service:x", snapshot, NOW).HasField("retry_time")


def test_a_breaker_forced_for_a_while_says_until_when() -> None:
    breakers = Breakers(BreakerPolicy(), monotonic=lambda: 0.0, random=lambda: 0.5)
    breakers.get("service:x")
    snapshot = breakers.override("service:x", Override.FORCE_OPEN, seconds=30)
    breaker = breaker_to_proto("service:x", snapshot, NOW)
    assert breaker.forced_until == breaker.retry_time
    assert breaker.forced_until.ToDatetime(UTC) == NOW.replace(second=30)
    freed = breaker_to_proto("service:x", breakers.override("service:x", Override.AUTOMATIC), NOW)
    assert not freed.HasField("forced_until")


def test_every_override_of_the_contract_is_known() -> None:
    wishes = [value for name, value in admin.BreakerOverride.items() if value]
    assert {override_from_proto(wish) for wish in wishes} == set(Override)
