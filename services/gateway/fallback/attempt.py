"""One attempt on one provider: its timers, and when its events may be shown.

Nothing leaves an attempt before its first content: a stream that has only announced itself can still be
replaced by another provider's without anybody noticing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.classification import is_own_timer
from services.gateway.model import Completed, GenerationEvent, Started

log = structlog.get_logger()

EventStream: TypeAlias = AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]

_WRAP_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How long one attempt may take."""

    deadline: Deadline
    """Bounds it all."""
    first_text_seconds: float
    """From now to the first event."""
    idle_seconds: float
    """Between events; infinite for an answer that comes whole: its writing shows no events."""
    judgeable_seconds: float
    """With less to the first event, missing it is not the provider's fault: its caller was in a hurry."""


class RunAttempt(Protocol):
    """See `run_attempt`."""

    def __call__(
        self,
        stream: EventStream,
        candidate: Candidate,
        limits: AttemptLimits,
        on_first_text: Callable[[], None],
    ) -> AsyncGenerator[GenerationEvent, None]:
        """The events of one generation."""
        ...


async def run_attempt(
    stream: EventStream, candidate: Candidate, limits: AttemptLimits, on_first_text: Callable[[], None]
) -> AsyncGenerator[GenerationEvent, None]:
    """The events of one generation, from its first content to its one `Completed`.

    Raises DocuQueryError: PROVIDER_TIMEOUT when the provider took too long, DEADLINE_EXCEEDED when what its
    caller allowed was too short, here or in the answer service, and what else `stream` raises.
    """
    phase = "BEFORE_FIRST_TOKEN"
    deadline = limits.deadline
    limit = allowed = min(limits.first_text_seconds, deadline.remaining())
    held: Started | None = None
    try:
        async with stream as events:
            while True:
                async with asyncio.timeout(min(limit, deadline.remaining())):
                    event = await anext(events, None)
                if event is None:
                    raise _ended_early()
                limit = limits.idle_seconds
                if phase == "BEFORE_FIRST_TOKEN":
                    on_first_text()
                    phase = "MID_STREAM"
                if isinstance(event, Started):
                    held = event
                    continue
                if isinstance(event, Completed):
                    await _wrap_up(events)
                if held is not None:
                    yield held
                    held = None
                yield event
                if isinstance(event, Completed):
                    return
    except TimeoutError:
        if _was_too_short(phase, limits, allowed):
            raise _out_of_time(phase) from None
        raise _timed_out(candidate, phase) from None
    except DocuQueryError as error:
        if is_own_timer(error) and _was_too_short(phase, limits, allowed):
            raise _out_of_time(phase) from error
        raise


async def _wrap_up(events: AsyncIterator[GenerationEvent]) -> None:
    """Lets the answer service end the call by itself: it keeps the conversation's turn after `Completed`.

    Cancelling now could lose the turn. What goes wrong from here on does not change the answer.
    """
    try:
        async with asyncio.timeout(_WRAP_UP_SECONDS):
            async for _ in events:
                log.warning("event_after_completed")
    except (DocuQueryError, TimeoutError) as error:
        log.warning("generation_ended_badly", error=str(error))


def _was_too_short(phase: str, limits: AttemptLimits, allowed: float) -> bool:
    """Whether an attempt ended in `phase` for its caller's hurry; `allowed`: seconds to its first event."""
    if phase == "BEFORE_FIRST_TOKEN":
        return allowed < limits.judgeable_seconds
    return limits.deadline.remaining() <= budget.ANSWER_REPORT_SECONDS


def _timed_out(candidate: Candidate, phase: str) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_PROVIDER_TIMEOUT,
        f"The provider {candidate.name} did not answer in time. Try again.",
        metadata={"provider": candidate.name, "model": candidate.model, "phase": phase},
    )


def _out_of_time(phase: str) -> DocuQueryError:
    where = "in the middle of the answer" if phase == "MID_STREAM" else "before the answer had begun"
    return DocuQueryError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The time allowed ran out {where}. Allow more time and try again.",
        metadata={"phase": phase},
    )


def _ended_early() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The answer service ended its reply before it was complete. Try again.",
        metadata={"service": "answer"},
    )
