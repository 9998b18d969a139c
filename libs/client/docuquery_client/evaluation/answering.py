"""A set's questions asked by Search and Query: what comes back, as it is judged."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from docuquery.common.v1.answer_pb2 import (
    OUTCOME_ANSWERED,
    OUTCOME_PARTIAL,
    DegradationKind,
    Outcome,
)
from docuquery.gateway.v1.docuquery_service_pb2 import QueryResult
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.evaluation.answer_metrics import Asked, Quote
from docuquery_client.evaluation.asking import for_each, retrying
from docuquery_client.evaluation.squad import MarkedQuestion
from docuquery_client.names import enum_name

PASSAGES_PER_QUESTION = 5
"""Passages searched for beside the answer, for `hit@1` and `hit@5`."""


@dataclass(slots=True)
class Answers:
    """What a server answered."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """By question id. Nothing came back for a question the server refused to take."""
    refused: dict[str, ApiError] = field(default_factory=dict)
    """Questions the server does not take (too long, for example), by id."""
    degraded: Counter[str] = field(default_factory=Counter)
    """How many replies were made less well than configured, by the kind of that."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """How many replies ended in which way."""


async def answer_all(
    client: AsyncDocuQuery,
    questions: Sequence[MarkedQuestion],
    names: Mapping[str, str],
    provider: str,
    *,
    concurrency: int,
    on_finished: Callable[[], None],
) -> Answers:
    """Asks every question, `concurrency` at a time. Raises ApiError when the server cannot answer.

    `names` are the documents' names by their sources in the store; `provider` is asked first (empty: the
    server's order).
    """
    answers = Answers()

    async def ask(question: MarkedQuestion) -> None:
        try:
            answers.asked[question.id] = await _ask(client, question, names, provider, answers)
        except ApiError as error:
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            answers.refused[question.id] = error
            answers.asked[question.id] = Asked(question.documents, question.answers)
        on_finished()

    await for_each(questions, ask, concurrency)
    return answers


async def _ask(
    client: AsyncDocuQuery,
    question: MarkedQuestion,
    names: Mapping[str, str],
    provider: str,
    answers: Answers,
) -> Asked:
    conversation = ""
    if question.after:
        conversation = str(uuid.uuid4())
        await retrying(lambda: client.ask(question.after, provider=provider, conversation_id=conversation))
    result = await retrying(
        lambda: client.ask(question.text, provider=provider, conversation_id=conversation)
    )
    # A follow-up is searched for in its self-contained form.
    found = await retrying(
        lambda: client.search(
            result.standalone_question or question.text, limit=PASSAGES_PER_QUESTION, score_threshold=0.0
        )
    )
    answers.outcomes[enum_name(Outcome, result.outcome)] += 1
    answers.degraded.update(
        {enum_name(DegradationKind, each.kind) for each in (*result.degradations, *found.degradations)}
    )
    passages = tuple(Quote(names.get(passage.source, ""), passage.text) for passage in found.passages)
    return judged(question, result, passages)


def judged(question: MarkedQuestion, result: QueryResult, passages: tuple[Quote, ...]) -> Asked:
    """A reply as it is judged: ANSWERED and PARTIAL are answers, the other outcomes refuse."""
    answered = result.outcome in (OUTCOME_ANSWERED, OUTCOME_PARTIAL)
    return Asked(
        documents=question.documents,
        answers=question.answers,
        passages=passages,
        answer=result.answer if answered else "",
        citations=tuple(Quote(each.filename, each.quote) for each in result.citations) if answered else (),
    )
