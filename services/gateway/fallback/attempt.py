"""One attempt on one provider: its timers, and when its events may be shown.

Nothing leaves an attempt before its first content: a stream that has only announced itself can still be
replaced by another provider's without anybody noticing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.fallback.candidates import Candidate
from services.gateway.model import Completed, GenerationEvent, Started

log = structlog.get_logger()

EventStream: TypeAlias = AbstractAsyncContextManager[AsyncIterator[GenerationEvent]]

_WRAP_UP_SECONDS = 1.0


async def run_attempt(
    stream: EventStream,
    candidate: Candidate,
    *,
    deadline: Deadline,
    first_text_seconds: float,
    idle_seconds: float,
    on_first_text: Callable[[], None],
) -> AsyncGenerator[GenerationEvent, None]:
    """The events of one generation, from its first content to its one `Completed`.

    `first_text_seconds` runs from now to the first event, `idle_seconds` between events (infinite for an
    answer that comes whole: its writing shows no events), and `deadline` bounds it all. Raises
    DocuQueryError: PROVIDER_TIMEOUT from the first two timers, DEADLINE_EXCEEDED from the third when text had
    come, here or in the answer service, and what else `stream` raises.
    """
    phase = "BEFORE_FIRST_TOKEN"
    limit = first_text_seconds
    held: Started | None = None
    try:
        async with stream as events:
            while True:
                async with asyncio.timeout(min(limit, deadline.remaining())):
                    event = await anext(events, None)
                if event is None:
                    raise _ended_early()
                limit = idle_seconds
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
        raise _timed_out(candidate, phase, deadline) from None
    except DocuQueryError as error:
        if phase == "MID_STREAM" and _ended_for_the_deadline(error, deadline):
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


def _timed_out(candidate: Candidate, phase: str, deadline: Deadline) -> DocuQueryError:
    if deadline.remaining() <= 0 and phase == "MID_STREAM":
        return _out_of_time(phase)
    return DocuQueryError(
        reasons.ERROR_REASON_PROVIDER_TIMEOUT,
        f"The provider {candidate.name} did not answer in time. Try again.",
        metadata={"provider": candidate.name, "model": candidate.model, "phase": phase},
    )


def _ended_for_the_deadline(error: DocuQueryError, deadline: Deadline) -> bool:
    """Whether the answer service ended a provider's call because the time we allowed it was up."""
    return (
        error.reason == reasons.ERROR_REASON_PROVIDER_TIMEOUT
        and not error.metadata.get("http_status")
        and deadline.remaining() <= budget.ANSWER_REPORT_SECONDS
    )


def _out_of_time(phase: str) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_DEADLINE_EXCEEDED,
        "The time allowed ran out in the middle of the answer. Allow more time and try again.",
        metadata={"phase": phase},
    )


def _ended_early() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The answer service ended its reply before it was complete. Try again.",
        metadata={"service": "answer"},
    )
