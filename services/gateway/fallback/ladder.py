"""From candidate to candidate until one answers: fallback, retries, and the rung below.

One code path for whole and for streamed answers. The rules (RESILIENCE.md §3 and §4): candidates in
order, those refused by their breaker skipped; the same one again only when there is no other; at most
three attempts, retries included; after the first content was passed on, no other provider is asked; when
no candidate answers, the extractive rung does; when nothing does, ALL_PROVIDERS_FAILED says who failed how,
and when to come back.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway import budget
from services.gateway.breakers.model import IGNORED, SUCCESS, Refused
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.attempt import AttemptLimits, EventStream, RunAttempt, run_attempt
from services.gateway.fallback.backoff import full_jitter
from services.gateway.fallback.candidates import Candidate, Plan
from services.gateway.fallback.classification import (
    JUDGEABLE_SECONDS,
    NextProvider,
    RetrySame,
    Verdict,
    judge_provider,
)
from services.gateway.fallback.exhausted import all_failed, listed_attempts, out_of_time
from services.gateway.model import Attempt, Completed, GenerationEvent

log = structlog.get_logger()

_SHORT_RETRY_AFTER_SECONDS = 1.0

_READER_SECONDS = 1.0
"""So long a probe that waits for its caller to read, and not for the provider, keeps other questions away."""


class OpenGeneration(Protocol):
    """Opens the stream of one generation by one provider."""

    def __call__(self, provider: str, timeout_seconds: float) -> EventStream: ...


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """The numbers of the loop. RESILIENCE.md §3 and §5 give the defaults."""

    max_attempts: int = 3
    """Attempts on candidates in one request, retries included; the rung below comes on top."""
    first_text_cap_seconds: float = 15.0
    """The longest an attempt that is not the last may take to its first text."""
    idle_seconds: float = 15.0
    """The longest pause between two events of a stream. The answer service watches over the writing of an
    answer that comes whole."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Starts a climb for each request."""

    breakers: Breakers
    clock: Clock
    random: Callable[[], float]
    policy: AttemptPolicy
    run_attempt: RunAttempt = run_attempt

    def climb(self, plan: Plan, open_generation: OpenGeneration, deadline: Deadline, *, whole: bool) -> Climb:
        """A fresh climb. With `whole` only `Completed` comes out, so until then fallback stays possible."""
        return Climb(self, plan, open_generation, deadline, whole)


class Climb:
    """The attempts of one request. Iterate `events` once; the other fields are complete afterwards."""

    def __init__(
        self, ladder: Ladder, plan: Plan, open_generation: OpenGeneration, deadline: Deadline, whole: bool
    ) -> None:
        self._ladder = ladder
        self._breakers = ladder.breakers
        self._clock = ladder.clock
        self._policy = ladder.policy
        self._plan = plan
        self._open = open_generation
        self._deadline = deadline
        self._whole = whole
        self._left = ladder.policy.max_attempts
        self._window_floor = -1
        self._too_long: DocuQueryError | None = None
        self._shown = False
        self._done = False
        self.attempts: list[Attempt] = [
            Attempt(name, "", reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED) for name in plan.missing
        ]
        """Every provider that was asked or refused, in order."""
        self.answered_by: Candidate | None = None
        """Who answered; None when nobody did, or when no model was asked (NO_EVIDENCE)."""
        self.by_last_rung = False
        """Whether the rung below the candidates answered."""

    async def events(self) -> AsyncGenerator[GenerationEvent, None]:
        """The events of the one generation that succeeded. Raises DocuQueryError when none did."""
        candidates, rung = self._plan.candidates, self._plan.last_rung
        reserve = budget.RUNG_RESERVE_SECONDS if rung is not None else 0.0
        for index, candidate in enumerate(candidates):
            if self._left <= 0 or self._usable(reserve) < budget.ATTEMPT_MINIMUM_SECONDS:
                break
            if self._fits(candidate):
                async with aclosing(self._ask(candidate, candidates[index + 1 :], reserve)) as events:
                    async for event in events:
                        yield event
                if self._done:
                    return
        if rung is not None:
            self._left = 1
            self.by_last_rung = True
            async with aclosing(self._ask(rung, (), 0.0)) as events:
                async for event in events:
                    yield event
            if self._done:
                return
        ended = {attempt.error_reason for attempt in self.attempts}
        if self._too_long is not None and ended == {self._too_long.reason}:
            raise self._listing(self._too_long)  # no waiting helps: the question itself must become shorter
        if not self.attempts:
            self._deadline.require(budget.ATTEMPT_MINIMUM_SECONDS)
        if self._deadline.remaining() <= 0 or ended == {reasons.ERROR_REASON_DEADLINE_EXCEEDED}:
            raise out_of_time(self.attempts)
        asked = (*candidates, rung) if rung is not None else candidates
        raise all_failed(self.attempts, [self._breakers.get(one.target).snapshot() for one in asked])

    async def _ask(
        self, candidate: Candidate, others: Sequence[Candidate], reserve: float
    ) -> AsyncGenerator[GenerationEvent, None]:
        """The candidate's events; ends without `Completed` when the next of `others` should be asked."""
        breaker = self._breakers.get(candidate.target)
        retried = False
        while True:
            try:
                permit = breaker.acquire(self._deadline.remaining())
            except Refused:
                if not retried:
                    self.attempts.append(Attempt(candidate.name, "", reasons.ERROR_REASON_CIRCUIT_OPEN))
                return
            attempt = Attempt(candidate.name, candidate.model)
            began = self._clock.monotonic()
            self._left -= 1
            is_probe = breaker.is_probe(permit)
            with permit:
                try:
                    async with aclosing(
                        self._events_of(candidate, 1 + self._available(others), reserve, attempt)
                    ) as events:
                        async for event in events:
                            if isinstance(event, Completed):
                                asked = bool(event.generation.provider)
                                permit.report(SUCCESS if asked else IGNORED)
                                self._succeeded(candidate, attempt, began, asked)
                            if not self._whole or isinstance(event, Completed):
                                self._shown = True
                                if is_probe:
                                    permit.renew(_READER_SECONDS)
                                yield event
                                if is_probe:
                                    permit.renew(self._deadline.remaining())
                    return
                except DocuQueryError as error:
                    # Used in here only: kept, it would keep this frame, and so itself.
                    verdict = judge_provider(error)
                    permit.report(verdict.outcome)
                    self._failed(candidate, attempt, began, error, verdict)
                    wait = None if retried else self._wait_before_retry(verdict, error, others)
                    if wait is None or self._usable(reserve) <= wait + budget.ATTEMPT_MINIMUM_SECONDS:
                        if verdict.next_provider is NextProvider.NO:
                            self._listing(error)
                            raise
                        if verdict.next_provider is NextProvider.LARGER_WINDOW:
                            self._window_floor = candidate.context_window_tokens
                            self._too_long = error
                        return
            retried = True
            await self._clock.sleep(wait)

    def _events_of(
        self, candidate: Candidate, candidates_left: int, reserve: float, attempt: Attempt
    ) -> AsyncGenerator[GenerationEvent, None]:
        began = self._clock.monotonic()
        policy = self._policy
        attempts_left = min(candidates_left, self._left + 1)
        # Nobody has seen any of a whole answer: when its time is up, the rung below still gets its part.
        deadline = self._deadline
        if self._whole:
            deadline = Deadline(deadline.at - reserve, deadline.clock)

        def first_text() -> None:
            attempt.first_text_ms = (self._clock.monotonic() - began) * 1000

        limits = AttemptLimits(
            deadline,
            first_text_seconds=budget.first_text_seconds(
                self._deadline.remaining(), attempts_left, policy.first_text_cap_seconds, reserve
            ),
            idle_seconds=math.inf if self._whole else policy.idle_seconds,
            # Who gets all the time the operator grants has had enough, however short that is.
            judgeable_seconds=min(JUDGEABLE_SECONDS, policy.first_text_cap_seconds),
        )
        stream = self._open(candidate.name, deadline.remaining())
        return self._ladder.run_attempt(stream, candidate, limits, first_text)

    def _usable(self, reserve: float) -> float:
        return self._deadline.remaining() - reserve

    def _fits(self, candidate: Candidate) -> bool:
        """Whether the candidate may hold what was too long for another one."""
        return candidate.context_window_tokens > self._window_floor

    def _available(self, candidates: Iterable[Candidate]) -> int:
        return sum(
            self._fits(candidate) and self._breakers.get(candidate.target).snapshot().available
            for candidate in candidates
        )

    def _wait_before_retry(
        self, verdict: Verdict, error: DocuQueryError, others: Sequence[Candidate]
    ) -> float | None:
        """Seconds to wait before asking the same provider once more; None: do not.

        Not while another one may be asked: it answers at once, and more probably.
        """
        if self._left <= 0 or (verdict.next_provider is NextProvider.YES and self._available(others)):
            return None
        if verdict.retry_same is RetrySame.ONCE:
            made = self._policy.max_attempts - self._left
            return full_jitter(made - 1, self._ladder.random)
        after = error.retry_after_seconds
        if (
            verdict.retry_same is RetrySame.IF_SHORT
            and after is not None
            and after <= _SHORT_RETRY_AFTER_SECONDS
        ):
            return after
        return None

    def _succeeded(self, candidate: Candidate, attempt: Attempt, began: float, asked: bool) -> None:
        self._done = True
        if asked:
            attempt.latency_ms = (self._clock.monotonic() - began) * 1000
            self.attempts.append(attempt)
            self.answered_by = candidate

    def _failed(
        self, candidate: Candidate, attempt: Attempt, began: float, error: DocuQueryError, verdict: Verdict
    ) -> None:
        """Records the attempt. Raises `error` when the caller has seen a part of the answer already."""
        attempt.latency_ms = (self._clock.monotonic() - began) * 1000
        attempt.error_reason = error.reason
        self.attempts.append(attempt)
        level = log.error if verdict.alert else log.warning
        level(
            "provider_attempt_failed",
            provider=candidate.name,
            model=candidate.model,
            reason=error.reason_name,
            alert=verdict.alert,
            latency_ms=round(attempt.latency_ms, 1),
        )
        if self._shown:
            error.metadata["phase"] = "MID_STREAM"
            raise self._listing(error)

    def _listing(self, error: DocuQueryError) -> DocuQueryError:
        """`error`, with what was tried before it."""
        error.metadata["attempts"] = listed_attempts(self.attempts)
        return error
