"""Protobuf ↔ domain for the answer service, and what a request must fulfil."""

from __future__ import annotations

from datetime import datetime

from docuquery.answer.v1 import answer_service_pb2 as pb
from docuquery.common.v1 import answer_pb2, conversation_pb2, passage_pb2, text_pb2
from libs.errors import Violations
from libs.hygiene import clean_question
from services.answer.conversations.protocol import Conversation
from services.answer.engine import Task
from services.answer.events import Completed, Event, Started
from services.answer.model import Citation, Outcome, Passage, RejectedCitation, SentenceSupport, Span, Turn
from services.answer.packing.pack import LeftOut
from services.answer.prompts.manager import PromptVersion
from services.answer.providers.protocol import FinishReason, Provider

_MAX_PASSAGES = 50
_MAX_QUESTION_CHARACTERS = 8000  # a joined follow-up is longer than what a caller may send

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_FINISH = {
    FinishReason.STOP: answer_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: answer_pb2.FINISH_REASON_LENGTH,
    FinishReason.CONTENT_FILTERED: answer_pb2.FINISH_REASON_CONTENT_FILTERED,
}


def task_from_proto(request: pb.GenerateRequest) -> Task:
    """A task. Raises INVALID_REQUEST naming every field at fault."""
    violations = Violations()
    question = _question(violations, request.question)
    standalone = clean_question(request.standalone_question)
    violations.require(
        len(standalone) <= _MAX_QUESTION_CHARACTERS,
        "standalone_question",
        f"must have at most {_MAX_QUESTION_CHARACTERS} characters.",
    )
    violations.require(bool(request.provider), "provider", "must name one of ListProviders.")
    violations.require(
        len(request.passages) <= _MAX_PASSAGES, "passages", f"must be at most {_MAX_PASSAGES}."
    )
    for index, passage in enumerate(request.passages):
        span = passage.span
        violations.require(
            span.char_end - span.char_start == len(passage.text),
            f"passages[{index}].span",
            "must be as long as the passage's text.",
        )
    violations.raise_if_any()
    return Task(
        query_id=request.query_id,
        question=question,
        standalone_question=standalone or question,
        passages=tuple(passage_from_proto(passage) for passage in request.passages),
        provider=request.provider,
        prompt_version=request.prompt_version,
        conversation_id=request.conversation_id,
    )


def follow_up_from_proto(request: pb.RewriteQuestionRequest) -> tuple[str, str]:
    """(conversation id, question). Raises INVALID_REQUEST naming every field at fault."""
    violations = Violations()
    violations.require(bool(request.conversation_id), "conversation_id", "must be set.")
    question = _question(violations, request.question)
    violations.raise_if_any()
    return request.conversation_id, question


def _question(violations: Violations, text: str) -> str:
    question = clean_question(text)
    violations.require(
        0 < len(question) <= _MAX_QUESTION_CHARACTERS,
        "question",
        f"must have 1 to {_MAX_QUESTION_CHARACTERS} characters.",
    )
    return question


def conversation_id_from_proto(
    request: pb.GetConversationRequest | pb.DeleteConversationRequest | pb.AppendTurnRequest,
) -> str:
    """The id. Raises INVALID_REQUEST when it is empty."""
    violations = Violations()
    violations.require(bool(request.conversation_id), "conversation_id", "must be set.")
    violations.raise_if_any()
    return request.conversation_id


def turn_from_proto(request: pb.AppendTurnRequest, time: datetime) -> Turn:
    """A turn that ended at `time`. Raises INVALID_REQUEST."""
    violations = Violations()
    question = _question(violations, request.question)
    violations.require(request.outcome in _OUTCOMES, "outcome", "must be one the contract names.")
    violations.raise_if_any()
    return Turn(request.query_id, question, request.answer, _OUTCOMES[request.outcome], time)


def passage_from_proto(passage: passage_pb2.Passage) -> Passage:
    """A passage as the engine reads it."""
    return Passage(
        document_id=passage.document_id,
        filename=passage.filename,
        source=passage.source,
        version=passage.version,
        chunk_id=passage.chunk_id,
        text=passage.text,
        span=Span(
            passage.span.char_start, passage.span.char_end, passage.span.byte_start, passage.span.byte_end
        ),
        page_starts=tuple((start.page, start.char_start) for start in passage.page_starts),
        pages=(passage.pages.first, passage.pages.last) if passage.HasField("pages") else None,
        headings=tuple(passage.headings),
        title=passage.title,
        score=passage.score,
        ordinal=passage.ordinal,
    )


def event_to_proto(event: Event) -> pb.GenerateResponse:
    """One event of the stream."""
    if isinstance(event, Started):
        return pb.GenerateResponse(started=pb.GenerationStarted(provider=event.provider, model=event.model))
    if isinstance(event, str):
        return pb.GenerateResponse(text_delta=event)
    if isinstance(event, Citation):
        return pb.GenerateResponse(citation=citation_to_proto(event))
    return pb.GenerateResponse(completed=completed_to_proto(event))


def completed_to_proto(completed: Completed) -> pb.GenerationCompleted:
    """The last event."""
    return pb.GenerationCompleted(
        answer=completed.answer,
        citations=[citation_to_proto(citation) for citation in completed.citations],
        rejected_citations=[_rejected_to_proto(rejected) for rejected in completed.rejected],
        sentences=[_support_to_proto(support) for support in completed.sentences],
        groundedness=completed.groundedness,
        confidence=completed.confidence,
        outcome=completed.outcome.value,
        finish_reason=_FINISH[completed.finish_reason],
        usage=answer_pb2.Usage(
            prompt_tokens=completed.usage.prompt_tokens,
            completion_tokens=completed.usage.completion_tokens,
            estimated=completed.usage.estimated,
            cost_micro_usd=completed.cost_micro_usd,
            cached_prompt_tokens=completed.usage.cached_prompt_tokens,
            cache_write_tokens=completed.usage.cache_write_tokens,
        ),
        provider=completed.provider,
        model=completed.model,
        prompt_version=completed.prompt_version,
        prompt_sha256=completed.prompt_sha256,
        degradations=_degradations(completed),
        history_turn_count=completed.history_turn_count,
    )


def _degradations(completed: Completed) -> list[answer_pb2.Degradation]:
    found = []
    if completed.left_out:
        found.append(
            answer_pb2.Degradation(
                kind=answer_pb2.DEGRADATION_KIND_CONTEXT_TRUNCATED,
                detail=_what_did_not_fit(completed.left_out),
            )
        )
    if completed.links_removed:
        found.append(
            answer_pb2.Degradation(
                kind=answer_pb2.DEGRADATION_KIND_LINKS_REMOVED,
                detail=f"{completed.links_removed} links or images that stand in none of the passages were "
                "taken out of the answer.",
            )
        )
    if completed.conversation_unavailable:
        found.append(
            answer_pb2.Degradation(
                kind=answer_pb2.DEGRADATION_KIND_CONVERSATION_UNAVAILABLE,
                detail="Conversations cannot be read or kept at the moment; this answer stands alone.",
            )
        )
    if completed.finish_reason is FinishReason.LENGTH:
        found.append(
            answer_pb2.Degradation(
                kind=answer_pb2.DEGRADATION_KIND_ANSWER_TRUNCATED,
                detail="The answer reached the limit of tokens and may be cut short.",
            )
        )
    return found


def _what_did_not_fit(left_out: LeftOut) -> str:
    parts = []
    if left_out.numbers:
        numbers = ", ".join(map(str, left_out.numbers))
        parts.append(f"{len(left_out.numbers)} passages (number {numbers})")
    if left_out.turns:
        parts.append(f"{left_out.turns} earlier turns")
    return f"{' and '.join(parts)} did not fit the model's window of {left_out.window_tokens} tokens."


def span_to_proto(span: Span) -> text_pb2.TextSpan:
    """A span in both units."""
    return text_pb2.TextSpan(
        char_start=span.char_start,
        char_end=span.char_end,
        byte_start=span.byte_start,
        byte_end=span.byte_end,
    )


def citation_to_proto(citation: Citation) -> answer_pb2.Citation:
    """A checked citation."""
    pages = citation.pages
    return answer_pb2.Citation(
        source_number=citation.source_number,
        document_id=citation.passage.document_id,
        filename=citation.passage.filename,
        chunk_id=citation.passage.chunk_id,
        version=citation.passage.version,
        quote=citation.quote,
        source_span=span_to_proto(citation.source_span),
        pages=text_pb2.PageRange(first=pages[0], last=pages[1]) if pages else None,
        headings=citation.passage.headings,
        answer_span=span_to_proto(citation.answer_span),
        verdict=citation.verdict.value,
        score=citation.score,
    )


def _rejected_to_proto(rejected: RejectedCitation) -> answer_pb2.RejectedCitation:
    return answer_pb2.RejectedCitation(
        marker=rejected.marker[:200],
        verdict=answer_pb2.CITATION_VERDICT_UNKNOWN_SOURCE,
        answer_span=span_to_proto(rejected.answer_span),
    )


def _support_to_proto(support: SentenceSupport) -> answer_pb2.SentenceSupport:
    return answer_pb2.SentenceSupport(
        answer_span=span_to_proto(support.answer_span), supported=support.supported, score=support.score
    )


def conversation_to_proto(conversation_id: str, kept: Conversation) -> conversation_pb2.Conversation:
    """A conversation's kept turns."""
    conversation = conversation_pb2.Conversation(conversation_id=conversation_id)
    conversation.expire_time.FromDatetime(kept.expire_time)
    for turn in kept.turns:
        added = conversation.turns.add(
            query_id=turn.query_id, question=turn.question, answer=turn.answer, outcome=turn.outcome.value
        )
        added.time.FromDatetime(turn.time)
    return conversation


def prompt_to_proto(prompt: PromptVersion) -> conversation_pb2.PromptVersion:
    """A prompt version."""
    return conversation_pb2.PromptVersion(
        version=prompt.version,
        description=prompt.description,
        sha256=prompt.sha256,
        is_default=prompt.is_default,
    )


def provider_to_proto(provider: Provider, configuration: str) -> pb.Provider:
    """A configured provider; `configuration` is the digest of all that its answers depend on."""
    return pb.Provider(
        name=provider.name,
        adapter=provider.adapter,
        model=provider.model,
        context_window_tokens=provider.capabilities.context_window_tokens,
        configuration=configuration,
    )
