"""A set's questions asked by Query: what comes back, as it is judged."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from docuquery.common.v1.answer_pb2 import (
    OUTCOME_ANSWERED,
    OUTCOME_PARTIAL,
    CitationVerdict,
    DegradationKind,
    Outcome,
)
from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery.gateway.v1.docuquery_service_pb2 import QueryResult
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.answer_metrics import Asked, Quote
from docuquery_client.evaluation.asking import for_each, retrying, timed
from docuquery_client.evaluation.squad import MarkedQuestion
from docuquery_client.names import enum_name

_VERIFIED = (CitationVerdict.CITATION_VERDICT_VERBATIM, CitationVerdict.CITATION_VERDICT_SUPPORTED)
_NO_PROVIDER = "PROVIDER_NOT_CONFIGURED"


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """How a question is asked; by itself as users ask it."""

    provider: str = ""
    """Who is asked first; empty: the server's order."""
    mode: SearchMode.ValueType = SearchMode.SEARCH_MODE_UNSPECIFIED
    rerank: bool | None = None
    """None: as the server is set."""


@dataclass(slots=True)
class Answers:
    """What a server answered."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """By question id. Nothing came back for a question the server refused to take."""
    refused: dict[str, ApiError] = field(default_factory=dict)
    """Questions the server does not take (too long, for example), by id."""
    degraded: Counter[str] = field(default_factory=Counter)
    """How many replies were made less well than configured, by the kind of that."""
    answered_by: Counter[str] = field(default_factory=Counter)
    """How many replies each model made, as `provider:model`; none where no model was asked."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """How many replies ended in which way."""


async def answer_all(
    client: AsyncDocuQuery,
    questions: Sequence[MarkedQuestion],
    names: Mapping[str, str],
    options: QueryOptions,
    *,
    concurrency: int,
    on_finished: Callable[[], None],
) -> Answers:
    """Asks every question, `concurrency` at a time. Raises ApiError when the server cannot answer.

    `names` are the documents' names by their sources in the store.
    """
    answers = Answers()

    async def ask(question: MarkedQuestion) -> None:
        try:
            result, seconds = await _ask(client, question, options)
        except ApiError as error:
            # It would refuse every question for a provider it does not know.
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT or error.reason == _NO_PROVIDER:
                raise
            answers.refused[question.id] = error
            answers.asked[question.id] = Asked(
                question.documents, question.answers, forbidden=question.forbidden
            )
        else:
            answers.asked[question.id] = judged(question, result, names, seconds)
            if result.provider:
                answers.answered_by[":".join(filter(None, (result.provider, result.model)))] += 1
            answers.outcomes[enum_name(Outcome, result.outcome)] += 1
            answers.degraded.update({enum_name(DegradationKind, each.kind) for each in result.degradations})
        on_finished()

    await for_each(questions, ask, concurrency)
    return answers


async def _ask(
    client: AsyncDocuQuery, question: MarkedQuestion, options: QueryOptions
) -> tuple[QueryResult, float]:
    """The reply and the seconds it took, without those of the question before it."""
    conversation = str(uuid.uuid4()) if question.after else ""

    def ask(text: str) -> Awaitable[QueryResult]:
        return client.ask(
            text,
            conversation_id=conversation,
            provider=options.provider,
            mode=options.mode,
            rerank=options.rerank,
        )

    if question.after:
        await retrying(lambda: ask(question.after))
    return await retrying(lambda: timed(lambda: ask(question.text)))


def judged(question: MarkedQuestion, result: QueryResult, names: Mapping[str, str], seconds: float) -> Asked:
    """A reply as it is judged: ANSWERED and PARTIAL are answers, the other outcomes refuse.

    The passages are the reply's own sources: those the answer was made from, found and ordered as Query does
    it.
    """
    answered = result.outcome in (OUTCOME_ANSWERED, OUTCOME_PARTIAL)
    citations = tuple(
        Quote(each.filename, each.quote, is_verified=each.verdict in _VERIFIED) for each in result.citations
    )
    return Asked(
        documents=question.documents,
        answers=question.answers,
        passages=tuple(Quote(names.get(source.source, ""), source.text) for source in result.sources),
        answer=result.answer if answered else "",
        citations=citations if answered else (),
        forbidden=question.forbidden,
        outcome=enum_name(Outcome, result.outcome),
        groundedness=result.groundedness,
        confidence=result.confidence,
        seconds=seconds,
    )
