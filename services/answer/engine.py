"""One answer, from passages to the completed event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.answer import outcome
from services.answer.conversations import Conversations
from services.answer.model import (
    NO_TOKENS,
    Citation,
    Outcome,
    Passage,
    RejectedCitation,
    SentenceSupport,
    TokenUsage,
    Turn,
)
from services.answer.packing import PackedContext, pack
from services.answer.prompts.manager import PromptManager
from services.answer.prompts.not_found import says_not_found
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Finished,
    FinishReason,
    Provider,
    ProviderRequest,
    TextDelta,
)
from services.answer.telemetry import tracker_of
from services.answer.tokens import cost_micro_usd, estimate_usage

log = structlog.get_logger()

_REPORT_SECONDS = 0.1
"""Set aside of the deadline, so that a provider's timeout is reported as such before the call itself ends."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to answer, from what, by whom."""

    query_id: str
    question: str
    """As asked; kept with the turn."""
    standalone_question: str
    """Self-contained."""
    passages: tuple[Passage, ...]
    """Best first."""
    provider: str
    prompt_version: str = ""
    """Empty: the default."""
    conversation_id: str = ""
    """Empty: none."""


@dataclass(frozen=True, slots=True)
class Started:
    """The provider's first text has come."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a generation; fields as in the contract's GenerationCompleted."""

    answer: str
    outcome: Outcome
    confidence: float = 0.0
    groundedness: float = 0.0
    citations: tuple[Citation, ...] = ()
    rejected: tuple[RejectedCitation, ...] = ()
    sentences: tuple[SentenceSupport, ...] = ()
    finish_reason: FinishReason = FinishReason.STOP
    usage: TokenUsage = NO_TOKENS
    cost_micro_usd: int | None = 0
    provider: str = ""
    model: str = ""
    prompt_version: str = ""
    prompt_sha256: str = ""
    passages_left_out: int = 0


Event = Started | str | Citation | Completed


class Engine:
    """Runs generations. `providers` by name; `evidence_threshold` on Passage.score, 0 to 1."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        prompts: PromptManager,
        conversations: Conversations,
        clock: Clock,
        evidence_threshold: float,
        max_output_tokens: int,
        provider_timeout_seconds: float,
    ) -> None:
        self._providers = providers
        self._prompts = prompts
        self._conversations = conversations
        self._clock = clock
        self._evidence_threshold = evidence_threshold
        self._max_output_tokens = max_output_tokens
        self._provider_timeout_seconds = provider_timeout_seconds

    def provider(self, name: str) -> Provider:
        """The provider of that name. Raises PROVIDER_NOT_CONFIGURED."""
        found = self._providers.get(name)
        if found is None:
            available = ", ".join(sorted(self._providers))
            raise DocuQueryError(
                reasons.ERROR_REASON_PROVIDER_NOT_CONFIGURED,
                f"This server has no provider of that name; it has: {available}.",
                metadata={"available": available},
            )
        return found

    async def generate(self, task: Task, tenant: str, deadline: Deadline) -> AsyncGenerator[Event, None]:
        """Yields Started, text and citations as they come, and Completed once, last.

        The turn joins the conversation just before Completed is handed out. Raises DocuQueryError; closing
        the generator closes the connection to the provider.
        """
        provider = self.provider(task.provider)
        prompt = self._prompts.get(task.prompt_version)
        if not outcome.has_evidence(task.passages, self._evidence_threshold):
            completed = Completed(outcome.NO_EVIDENCE_ANSWER, Outcome.NO_EVIDENCE)
        else:
            history = await self._history(tenant, task.conversation_id)
            context = pack(
                task.passages,
                history,
                task.standalone_question,
                provider.capabilities,
                self._max_output_tokens,
            )
            request = ProviderRequest(
                question=task.standalone_question,
                passages=context.passages,
                prompt=self._prompts.render(
                    prompt.version, task.standalone_question, context.passages, context.history
                ),
            )
            run = _Run(provider, request, context)
            timeout = deadline.slice(cap=self._provider_timeout_seconds, reserve=_REPORT_SECONDS)
            async with aclosing(run.events(timeout)) as events:
                async for event in events:
                    yield event
            completed = run.completed()
            if provider.adapter != EXTRACTIVE_ADAPTER:
                completed = replace(completed, prompt_version=prompt.version, prompt_sha256=prompt.sha256)
        if task.conversation_id:
            turn = Turn(task.query_id, task.question, completed.answer, completed.outcome, self._clock.now())
            await self._conversations.append(tenant, task.conversation_id, turn)
        yield completed

    async def _history(self, tenant: str, conversation_id: str) -> tuple[Turn, ...]:
        if not conversation_id:
            return ()
        try:
            return (await self._conversations.get(tenant, conversation_id)).turns
        except DocuQueryError as error:
            if error.reason != reasons.ERROR_REASON_CONVERSATION_NOT_FOUND:
                raise
            return ()  # this query begins it


class _Run:
    """One provider writing one answer."""

    def __init__(self, provider: Provider, request: ProviderRequest, context: PackedContext) -> None:
        self._provider = provider
        self._request = request
        self._context = context
        self._tracker = tracker_of(context.passages)
        self._raw: list[str] = []
        self._finished: Finished | None = None

    async def events(self, timeout_seconds: float) -> AsyncGenerator[Started | str | Citation, None]:
        provider = self._provider
        async with aclosing(provider.stream(self._request, timeout_seconds)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    if not self._raw:
                        yield Started(provider.name, provider.model)
                    self._raw.append(event.text)
                    for shown in self._tracker.feed(event.text):
                        yield self._numbered(shown) if isinstance(shown, Citation) else shown
                else:
                    self._finished = event
        for shown in self._tracker.finish():
            yield self._numbered(shown) if isinstance(shown, Citation) else shown

    def completed(self) -> Completed:
        if self._finished is None:
            raise RuntimeError(f"provider {self._provider.name} ended without its terminal event")
        provider, tracker, finished = self._provider, self._tracker, self._finished
        usage = finished.usage or NO_TOKENS
        if finished.usage is None and provider.adapter != EXTRACTIVE_ADAPTER:
            usage = estimate_usage(self._request.prompt, "".join(self._raw))
        abstained = finished.abstained or not tracker.answer
        judgement = outcome.judge(
            says_not_found=abstained or says_not_found(tracker.answer),
            groundedness=tracker.groundedness,
            citations=tracker.citations,
            passages=self._context.passages,
        )
        if tracker.rejected:
            log.warning("citations_rejected", count=len(tracker.rejected), provider=provider.name)
        return Completed(
            answer=tracker.answer or outcome.LOW_EVIDENCE_ANSWER,
            outcome=judgement.outcome,
            confidence=judgement.confidence,
            groundedness=tracker.groundedness,
            citations=tuple(self._numbered(citation) for citation in tracker.citations),
            rejected=tuple(tracker.rejected),
            sentences=tuple(tracker.sentences),
            finish_reason=finished.reason,
            usage=usage,
            cost_micro_usd=cost_micro_usd(usage, provider.capabilities),
            provider=provider.name,
            model=provider.model,
            passages_left_out=self._context.left_out,
        )

    def _numbered(self, citation: Citation) -> Citation:
        """The citation under the passage's number in the request instead of the one in the prompt."""
        number = self._context.numbers[citation.source_number - 1]
        return citation if number == citation.source_number else replace(citation, source_number=number)
