"""Model providers that exist in simulated time only, and how they fail."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from docuquery.answer.v1.answer_service_pb2 import GenerationCompleted
from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.gateway.model import Completed, GenerationEvent, Started

if TYPE_CHECKING:
    from libs.errors import Reason

FIRST_TEXT_SECONDS = 0.5
"""Median of a healthy provider's time to its first text; lognormal, σ = 0.3."""
WRITING_SECONDS = 1.0
"""From there to its end."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """Answers; its first text comes `times` as late as usual."""

    times: float = 1.0


@dataclass(frozen=True, slots=True)
class Failing:
    """Fails with `reason` after `seconds`, and says when to come back if `retry_after` is given."""

    reason: Reason
    seconds: float = 0.02
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Hanging:
    """Never says anything."""


Behaviour: TypeAlias = Healthy | Failing | Hanging
Fault: TypeAlias = Callable[[float, random.Random], Behaviour]
"""How a provider behaves towards one call, so many seconds after the fault began."""


@dataclass(slots=True)
class SimulatedProvider:
    """A provider that has `fault` between two moments, and is healthy before and after."""

    name: str
    rng: random.Random
    fault: Fault | None = None
    begins: float = math.inf
    ends: float = math.inf
    failed_at: list[float] = field(default_factory=list)
    """When calls began that came to nothing."""

    def _behaviour(self, now: float) -> Behaviour:
        if self.fault is None or not self.begins <= now < self.ends:
            return Healthy()
        return self.fault(now - self.begins, self.rng)

    @asynccontextmanager
    async def generate(self) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """One call."""
        began = asyncio.get_running_loop().time()
        succeeded = False

        async def events() -> AsyncIterator[GenerationEvent]:
            nonlocal succeeded
            behaviour = self._behaviour(began)
            if isinstance(behaviour, Hanging):
                await asyncio.Event().wait()
            elif isinstance(behaviour, Failing):
                await asyncio.sleep(behaviour.seconds)
                raise DocuQueryError(
                    behaviour.reason,
                    "Simulated.",
                    metadata={"http_status": "500"},
                    retry_after_seconds=behaviour.retry_after,
                )
            else:
                first_text = self.rng.lognormvariate(math.log(FIRST_TEXT_SECONDS), 0.3)
                await asyncio.sleep(first_text * behaviour.times)
                yield Started(self.name, "model")
                await asyncio.sleep(WRITING_SECONDS)
                succeeded = True
                yield Completed(GenerationCompleted(provider=self.name))

        try:
            yield events()
        finally:
            if not succeeded:
                self.failed_at.append(began)


def dead(_since: float, _rng: random.Random) -> Behaviour:
    """Refuses connections."""
    return Failing(reasons.ERROR_REASON_PROVIDER_CONNECTION, 0.002)


def hung(_since: float, _rng: random.Random) -> Behaviour:
    """Takes calls and says nothing."""
    return Hanging()


def slow(_since: float, rng: random.Random) -> Behaviour:
    """Its first text takes 6 to 26 seconds: half the time longer than a provider that is not the last may."""
    return Healthy(rng.uniform(12, 52))


def flapping(since: float, _rng: random.Random) -> Behaviour:
    """Down for 20 s, up for 20 s."""
    if since % 40 < 20:
        return Failing(reasons.ERROR_REASON_PROVIDER_INTERNAL)
    return Healthy()


def overloaded(_since: float, rng: random.Random) -> Behaviour:
    """Turns six of ten calls away."""
    return Failing(reasons.ERROR_REASON_PROVIDER_OVERLOADED) if rng.random() < 0.6 else Healthy()


def rate_limited(since: float, _rng: random.Random) -> Behaviour:
    """Takes calls in the first ten seconds of each minute only, and says when to come back."""
    wait = 60 - since % 60
    if wait > 50:
        return Healthy()
    return Failing(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, 0.02, retry_after=wait)
