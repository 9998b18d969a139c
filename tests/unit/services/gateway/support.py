"""A generation service that follows a script, for tests of what the gateway does with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docuquery.answer.v1.answer_service_pb2 import GenerationCompleted
from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED, Outcome
from libs.clock import Clock, SystemClock
from libs.errors import DocuQueryError, reason_name
from libs.rpc.deadlines import Deadline
from services.gateway.breakers.model import BreakerPolicy
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Candidate, Plan
from services.gateway.fallback.ladder import AttemptPolicy, Climb, Ladder
from services.gateway.model import Completed, GenerationEvent, Started, TextDelta

if TYPE_CHECKING:
    from libs.errors import Reason

HANG = "hang"
"""As a step of a script: nothing more comes."""

Step = GenerationEvent | DocuQueryError | float | str
"""An event to send, an error to raise, seconds to wait, or HANG."""


def failing(reason: Reason, *, retry_after: float | None = None, phase: str = "OPENING") -> DocuQueryError:
    return DocuQueryError(
        reason, "The provider failed.", metadata={"phase": phase}, retry_after_seconds=retry_after
    )


def completed(provider: str, outcome: Outcome.ValueType = OUTCOME_ANSWERED) -> Completed:
    return Completed(
        GenerationCompleted(answer="42.", provider=provider, model=f"{provider}-model", outcome=outcome)
    )


def no_model_was_asked() -> Completed:
    return Completed(GenerationCompleted(answer="Nothing about that.", outcome=Outcome.OUTCOME_NO_EVIDENCE))


def answering(provider: str) -> list[Step]:
    return [Started(provider, f"{provider}-model"), TextDelta("4"), TextDelta("2."), completed(provider)]


def candidate(name: str, window: int = 0) -> Candidate:
    adapter = "extractive" if name == "extractive" else "openai"
    return Candidate(name, adapter, f"{name}-model", window)


def plan(*names: str, rung: bool = False, missing: Sequence[str] = ()) -> Plan:
    return Plan(
        tuple(candidate(name) for name in names), candidate("extractive") if rung else None, tuple(missing)
    )


@dataclass
class ScriptedGenerator:
    """For each provider a list of scripts, one for each time it is asked; the last one repeats."""

    scripts: dict[str, list[list[Step]]]
    asked: list[str] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    open_streams: int = 0

    @asynccontextmanager
    async def __call__(
        self, provider: str, timeout_seconds: float
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        scripts = self.scripts[provider]
        script = scripts[min(self.asked.count(provider), len(scripts) - 1)]
        self.asked.append(provider)
        self.timeouts.append(timeout_seconds)
        self.open_streams += 1
        try:
            async with aclosing(self._play(script)) as events:
                yield events
        finally:
            self.open_streams -= 1

    async def _play(self, script: list[Step]) -> AsyncGenerator[GenerationEvent, None]:
        for step in script:
            if isinstance(step, DocuQueryError):
                # A fresh error each time, as from a wire.
                raise DocuQueryError(
                    step.reason,
                    step.message,
                    metadata=step.metadata,
                    retry_after_seconds=step.retry_after_seconds,
                    domain=step.domain,
                )
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, str):
                await asyncio.Event().wait()
            else:
                yield step


class Bench:
    """A ladder over scripted providers. Time is real unless a clock is given; jitter is a half."""

    def __init__(
        self,
        scripts: dict[str, list[list[Step]]],
        policy: AttemptPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.breakers = Breakers(BreakerPolicy(), monotonic=self.clock.monotonic, random=lambda: 0.5)
        self.generator = ScriptedGenerator(scripts)
        self.ladder = Ladder(self.breakers, self.clock, lambda: 0.01, policy or AttemptPolicy())

    def climb(self, plan: Plan, *, seconds: float = 30, whole: bool = False) -> Climb:
        return self.ladder.climb(plan, self.generator, Deadline.after(seconds, self.clock), whole=whole)

    async def run(self, climb: Climb) -> list[GenerationEvent]:
        async with aclosing(climb.events()) as events:
            return [event async for event in events]


def tried(climb: Climb) -> list[tuple[str, str]]:
    """The attempts as (provider, reason), `OK` for the one that answered."""
    return [
        (attempt.provider, reason_name(attempt.error_reason) if attempt.error_reason else "OK")
        for attempt in climb.attempts
    ]
