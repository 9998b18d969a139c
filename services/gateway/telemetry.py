"""What the gateway measures: attempts on providers, how questions end, breakers, refusals, room.

The classes here stand around others, put there by `app.py` where telemetry is on; what they watch knows
nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from docuquery.common.v1.answer_pb2 import DegradationKind, Outcome
from libs.rpc.deadlines import Deadline
from libs.telemetry import tracing
from libs.telemetry.metrics import Counter, Gauge, Histogram
from libs.telemetry.stages import Stages
from services.gateway.breakers.model import Snapshot, State
from services.gateway.model import Completed, Finished, GenerationEvent, QueryEvent, QueryResult, Question

if TYPE_CHECKING:
    from services.gateway.fallback.attempt import AttemptLimits, EventStream, RunAttempt
    from services.gateway.fallback.candidates import Candidate

ATTEMPTS = Counter(
    "docuquery_provider_attempts",
    "Attempts on providers: `ok`, `no_evidence` (no model was needed), `cancelled`, or the error's reason; "
    "`DEADLINE_EXCEEDED`: the caller's time was too short.",
    "provider",
    "result",
)
ATTEMPT_SECONDS = Histogram("docuquery_provider_attempt_duration_seconds", "Length of attempts.", "provider")
FIRST_TEXT_SECONDS = Histogram(
    "docuquery_provider_first_text_seconds", "From an attempt's start to its first event.", "provider"
)
QUERIES = Counter("docuquery_query_outcomes", "Questions answered, by the outcome in the reply.", "outcome")
CACHE_HITS = Counter("docuquery_query_cache_hits", "Questions answered by the semantic cache.")
DEGRADATIONS = Counter("docuquery_query_degradations", "What was done less well than configured.", "kind")
QUERY_STAGE = Histogram(
    "docuquery_query_stage_duration_seconds", "Steps of a question: rewrite, cache, search.", "stage"
)
BREAKER_STATE = Gauge(
    "docuquery_breaker_state", "1 for the state a circuit breaker is in.", "target", "state"
)
BREAKER_CHANGES = Counter("docuquery_breaker_transitions", "Changes of circuit breakers.", "target", "to")
REFUSALS = Counter("docuquery_admission_refusals", "Calls refused for want of room.", "method", "rule")
ROOM_TAKEN = Gauge("docuquery_admission_inside", "Calls that have a place.", "room")
ROOM_QUEUE = Gauge("docuquery_admission_waiting", "Calls that wait for a place.", "room")
HEDGES = Counter(
    "docuquery_hedged_reads", "Reads asked again, of another replica if may be, because one was slow."
)

stages = Stages(QUERY_STAGE)


class Breakers(Protocol):
    """Where the states of all breakers are read."""

    def snapshots(self) -> dict[str, Snapshot]:
        """Every breaker as it stands."""
        ...


class Room(Protocol):
    """A bulkhead."""

    @property
    def inside(self) -> int: ...

    @property
    def waiting(self) -> int: ...


def follow_breakers(breakers: Breakers) -> None:
    """Shows every breaker's state."""

    def read() -> Mapping[tuple[str, ...], float]:
        shown = {target: snapshot.state for target, snapshot in breakers.snapshots().items()}
        return {(target, one.value): float(one is now) for target, now in shown.items() for one in State}

    BREAKER_STATE.follow_all(read)


def follow_room(name: str, room: Room) -> None:
    """Shows how full a bulkhead is."""
    ROOM_TAKEN.follow(lambda: room.inside, name)
    ROOM_QUEUE.follow(lambda: room.waiting, name)


class MeasuredAttempts:
    """Counts and times every attempt on a provider as it is told in the reply, and makes it a span."""

    def __init__(self, inner: RunAttempt) -> None:
        self._inner = inner

    async def __call__(
        self,
        stream: EventStream,
        candidate: Candidate,
        limits: AttemptLimits,
        on_first_text: Callable[[], None],
    ) -> AsyncGenerator[GenerationEvent, None]:
        """See `fallback.attempt.run_attempt`."""
        provider, began, result = candidate.name, time.perf_counter(), "cancelled"

        def first_text() -> None:
            FIRST_TEXT_SECONDS.observe(time.perf_counter() - began, provider)
            on_first_text()

        with tracing.span("provider_attempt", docuquery__provider=provider) as span:
            try:
                async with aclosing(self._inner(stream, candidate, limits, first_text)) as events:
                    async for event in events:
                        if isinstance(event, Completed):
                            result = "ok" if event.generation.provider else "no_evidence"
                        yield event
            except BaseException as error:
                if result == "cancelled":
                    result = tracing.kind_of(error)
                raise
            finally:
                ATTEMPTS.add(provider, result)
                ATTEMPT_SECONDS.observe(time.perf_counter() - began, provider)
                span.set("docuquery.result", result)


class Queries(Protocol):
    """See `query.QueryRunner`."""

    def run(self, question: Question, deadline: Deadline, *, whole: bool) -> AsyncGenerator[QueryEvent, None]:
        """The events of one query."""
        ...


class MeasuredQueries:
    """Counts how questions end."""

    def __init__(self, inner: Queries) -> None:
        self._inner = inner

    async def run(
        self, question: Question, deadline: Deadline, *, whole: bool
    ) -> AsyncGenerator[QueryEvent, None]:
        """See `query.QueryRunner.run`."""
        async with aclosing(self._inner.run(question, deadline, whole=whole)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    _count(event.result)
                yield event


def _count(result: QueryResult) -> None:
    QUERIES.add(Outcome.Name(result.generation.outcome).removeprefix("OUTCOME_"))
    if result.cache_hit is not None:
        CACHE_HITS.add()
    for degraded in result.degradations:
        DEGRADATIONS.add(DegradationKind.Name(degraded.kind).removeprefix("DEGRADATION_KIND_"))
