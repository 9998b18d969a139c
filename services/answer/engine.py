"""One answer, from passages to the completed event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.answer import outcome
from services.answer.citations.tracker import TrackerEvent
from services.answer.conversations.protocol import Conversations
from services.answer.events import Completed, Event, Started
from services.answer.links import LinkFilter, addresses
from services.answer.model import (
    NO_TOKENS,
    Citation,
    Outcome,
    Passage,
    Turn,
)
from services.answer.packing.pack import PackedContext, pack
from services.answer.prompts.manager import PromptManager
from services.answer.prompts.not_found import says_not_found
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Cited,
    Finished,
    Provider,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)
from services.answer.telemetry import tracker_of
from services.answer.tokens import cost_micro_usd, upper_estimate
from services.answer.usage.metering import Metering, Subject

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


class Engine:
    """Runs generations. `providers` by name; `evidence_threshold` on Passage.score, 0 to 1."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        prompts: PromptManager,
        conversations: Conversations,
        metering: Metering,
        clock: Clock,
        evidence_threshold: float,
        provider_timeout_seconds: float,
    ) -> None:
        self._providers = providers
        self._prompts = prompts
        self._conversations = conversations
        self._metering = metering
        self._clock = clock
        self._evidence_threshold = evidence_threshold
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
        conversation_lost = False
        if not outcome.has_evidence(task.passages, self._evidence_threshold):
            completed = Completed(outcome.NO_EVIDENCE_ANSWER, Outcome.NO_EVIDENCE)
        else:
            history = await self._history(tenant, task.conversation_id)
            conversation_lost = history is None
            question = task.standalone_question
            native = provider.capabilities.native_citations
            bare = self._prompts.render(prompt.version, question, (), (), native=native)
            context = pack(
                task.passages,
                history or (),
                sum(map(upper_estimate, bare.texts)),
                provider.capabilities,
                # Sentences are picked one by one: joined chunks would only blur their scores.
                merged=provider.adapter != EXTRACTIVE_ADAPTER,
            )
            rendered = self._prompts.render(
                prompt.version, question, context.sources, context.history, native=native
            )
            request = ProviderRequest(question=question, passages=context.sources, prompt=rendered)
            run = _Run(provider, context, question)
            timeout = deadline.slice(cap=self._provider_timeout_seconds, reserve=_REPORT_SECONDS)
            stream = self._metering.stream(
                provider, request, timeout, Subject(tenant, task.query_id, "answer")
            )
            async with aclosing(run.events(stream)) as events:
                async for event in events:
                    yield event
            completed = run.completed()
            if provider.adapter != EXTRACTIVE_ADAPTER:
                completed = replace(completed, prompt_version=prompt.version, prompt_sha256=prompt.sha256)
        if task.conversation_id:
            turn = Turn(task.query_id, task.question, completed.answer, completed.outcome, self._clock.now())
            kept = await self._keep(tenant, task.conversation_id, turn)
            completed = replace(completed, conversation_unavailable=conversation_lost or not kept)
        yield completed

    async def _history(self, tenant: str, conversation_id: str) -> tuple[Turn, ...] | None:
        """The turns so far; None when they cannot be read, which must not keep a question unanswered."""
        if not conversation_id:
            return ()
        try:
            return (await self._conversations.get(tenant, conversation_id)).turns
        except DocuQueryError as error:
            if error.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND:
                return ()  # this query begins it
            if error.reason == reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE:
                return None
            raise

    async def _keep(self, tenant: str, conversation_id: str, turn: Turn) -> bool:
        """Whether the turn is kept now: the answer itself goes out in any case."""
        try:
            await self._conversations.append(tenant, conversation_id, turn)
        except DocuQueryError as error:
            if error.reason != reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE:
                raise
            return False
        return True


class _Run:
    """One provider writing one answer."""

    def __init__(self, provider: Provider, context: PackedContext, question: str) -> None:
        self._provider = provider
        self._context = context
        self._tracker = tracker_of(context.candidates, context.groups, question)
        self._links = LinkFilter(addresses((question, *(source.text for source in context.sources))))
        self._finished: Finished | None = None

    async def events(
        self, stream: AsyncGenerator[ProviderEvent, None]
    ) -> AsyncGenerator[Started | str | Citation, None]:
        """What is shown of the provider's stream."""
        started = False
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    if not started:
                        started = True
                        yield Started(self._provider.name, self._provider.model)
                    for shown in self._tracker.feed(self._links.feed(event.text)):
                        yield self._numbered(shown) if isinstance(shown, Citation) else shown
                elif isinstance(event, Cited):
                    for shown in self._cited(event):
                        yield self._numbered(shown) if isinstance(shown, Citation) else shown
                else:
                    self._finished = event
        for shown in self._tracker.feed(self._links.finish()):
            yield self._numbered(shown) if isinstance(shown, Citation) else shown
        for _ in self._tracker.prepare():
            await asyncio.sleep(0)  # others wait for this loop, too
        for shown in self._tracker.finish():
            yield self._numbered(shown) if isinstance(shown, Citation) else shown

    def _cited(self, cited: Cited) -> list[TrackerEvent]:
        """What a citation of the provider's own adds, after the text before it."""
        shown = self._tracker.feed(self._links.finish())
        piece = self._context.locate(cited.document, cited.start, cited.text)
        return [*shown, *self._tracker.cite(piece, cited.text)]

    def completed(self) -> Completed:
        if self._finished is None:
            raise RuntimeError(f"provider {self._provider.name} ended without its terminal event")
        provider, tracker, finished = self._provider, self._tracker, self._finished
        usage = finished.usage or NO_TOKENS
        abstained = finished.abstained or not tracker.answer
        judgement = outcome.judge(
            says_not_found=abstained or says_not_found(tracker.answer),
            groundedness=tracker.groundedness,
            citations=tracker.citations,
            passages=self._context.sources,
            probability=finished.confidence,
        )
        if tracker.rejected:
            log.warning("citations_rejected", count=len(tracker.rejected), provider=provider.name)
        if self._links.removed:
            log.warning("links_removed", count=self._links.removed, provider=provider.name)
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
            history_turn_count=len(self._context.history),
            left_out=self._context.left_out,
            links_removed=self._links.removed,
        )

    def _numbered(self, citation: Citation) -> Citation:
        """The citation of the request's passage instead of the text it was checked against."""
        number, passage = self._context.origin(citation.source_number - 1, citation.source_span)
        return replace(citation, source_number=number, passage=passage)
