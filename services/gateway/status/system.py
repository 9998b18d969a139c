"""How everything is: a health check of each service, the providers, every breaker.

It is asked when things are wrong, so it needs none of the services and waits for none of them long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from docuquery.common.v1.reindex_pb2 import Reindex
from docuquery.retrieval.v1.retrieval_service_pb2 import GetStoreStatusResponse
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.about import about_from
from libs.version import program_version
from services.gateway import budget
from services.gateway.breakers.model import Snapshot
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Candidate, make_plan
from services.gateway.fallback.providers import ProviderDirectory
from services.gateway.query import QueryPolicy


class ComponentState(IntEnum):
    """How well a component works; the greater, the worse."""

    SERVING = 1
    NOT_SERVING = 2
    UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class Component:
    """One service."""

    name: str
    state: ComponentState
    latency_ms: float | None = None
    detail: str = ""
    version: str = ""
    """Of its program, as it says itself."""


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One provider."""

    candidate: Candidate
    available: bool
    """Whether the next request would be offered to it."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Everything, at one moment."""

    components: Sequence[Component]
    providers: Sequence[ProviderStatus]
    """In the order they are asked."""
    breakers: Mapping[str, Snapshot]
    version: str
    reindex: Reindex | None = None
    """The change of the store to other vectors, as retrieval tells it; None when there is none."""

    @property
    def state(self) -> ComponentState:
        """The worst state of the components."""
        return max(component.state for component in self.components)


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """What a service says of its health."""

    serving: bool
    version: str = ""


class HealthCheck(Protocol):
    """Asks one service whether it is serving."""

    async def __call__(self, timeout_seconds: float) -> HealthAnswer:
        """What it says. Raises grpc.aio.AioRpcError when it does not answer."""
        ...


class StoreSource(Protocol):
    """Tells what is going on in the store."""

    async def get_store_status(self, timeout_seconds: float) -> GetStoreStatusResponse:
        """Raises DocuQueryError."""
        ...


def health_check(channel: grpc.aio.Channel) -> HealthCheck:
    """The standard gRPC health check of the whole server at the other end of `channel`."""
    method = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )

    async def check(timeout_seconds: float) -> HealthAnswer:
        call = method(HealthCheckRequest(), timeout=timeout_seconds)
        response = await call
        about = about_from(await call.trailing_metadata())
        return HealthAnswer(response.status == HealthCheckResponse.SERVING, about.version)

    return check


class StatusReporter:
    """Serves GetSystemStatus."""

    def __init__(
        self,
        checks: Mapping[str, HealthCheck],
        store: StoreSource,
        directory: ProviderDirectory,
        breakers: Breakers,
        clock: Clock,
        policy: QueryPolicy,
    ) -> None:
        self._checks = checks
        self._store = store
        self._directory = directory
        self._breakers = breakers
        self._clock = clock
        self._policy = policy

    async def report(self) -> SystemStatus:
        """The state of everything, within about `budget.STATUS_SECONDS` whatever is dead."""
        components, providers, reindex = await asyncio.gather(
            asyncio.gather(*(self._component(name, check) for name, check in self._checks.items())),
            self._providers(),
            self._reindex(),
        )
        itself = Component("gateway", ComponentState.SERVING, version=program_version())
        return SystemStatus(
            (itself, *components), providers, self._breakers.snapshots(), program_version(), reindex
        )

    async def _component(self, name: str, check: HealthCheck) -> Component:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(budget.STATUS_SECONDS):
                answer = await check(budget.STATUS_SECONDS)
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else "DEADLINE_EXCEEDED"
            return Component(name, ComponentState.UNREACHABLE, detail=f"It does not answer ({code}).")
        latency_ms = (self._clock.monotonic() - began) * 1000
        if answer.serving:
            return Component(name, ComponentState.SERVING, latency_ms, version=answer.version)
        detail = "It answers, but takes no calls at present."
        return Component(name, ComponentState.NOT_SERVING, latency_ms, detail, answer.version)

    async def _reindex(self) -> Reindex | None:
        try:
            async with asyncio.timeout(budget.STATUS_SECONDS):
                status = await self._store.get_store_status(budget.STATUS_SECONDS)
        except (DocuQueryError, TimeoutError):
            return None  # what is wrong with retrieval, its component says
        return status.reindex if status.HasField("reindex") else None

    async def _providers(self) -> Sequence[ProviderStatus]:
        try:
            async with asyncio.timeout(budget.STATUS_SECONDS):
                offered = await self._directory.list()
        except (DocuQueryError, TimeoutError):
            return ()
        policy = self._policy
        plan = make_plan(offered, policy.provider_order, "", policy.extractive_fallback)
        asked = (*plan.candidates, plan.last_rung) if plan.last_rung is not None else plan.candidates
        rest = tuple(candidate for candidate in offered if candidate not in asked)
        return tuple(
            ProviderStatus(
                candidate,
                available=candidate in asked and self._breakers.get(candidate.target).snapshot().available,
            )
            for candidate in (*asked, *rest)
        )
