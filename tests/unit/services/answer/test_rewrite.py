"""A follow-up is joined with what it leans on; a question that stands alone is left as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import ConversationLimits
from services.answer.providers.protocol import (
    Capabilities,
    Finished,
    FinishReason,
    Provider,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)
from services.answer.rewrite import Rewriter, Rewritten, join_locally, needs_context
from services.answer.usage.metering import Metering
from tests.unit.services.answer.support import UsageList, turn

SHIPPED = "How many instruments did Tarnquill ship in 2024?"


@pytest.mark.parametrize(
    "question",
    ["And the year before?", "What about managers?", "Why?", "How long does it last?", "Who approves them?"],
)
def test_a_question_that_leans_on_the_last_one_is_joined_with_it(question: str) -> None:
    assert needs_context(question)
    assert join_locally(question, [turn(SHIPPED)]) == f"{SHIPPED} {question}"


@pytest.mark.parametrize(
    "question",
    [
        "What is the hotel limit per night in Paris?",
        "Until when does StationLink 3.x receive security fixes?",
        "Who must be told when a laptop that belongs to the company is stolen on a journey?",
    ],
)
def test_a_question_that_stands_alone_is_left_as_it_is(question: str) -> None:
    assert join_locally(question, [turn(SHIPPED)]) == question


def test_a_chain_of_follow_ups_reaches_back_to_the_question_that_began_it() -> None:
    turns = [turn("Unrelated question about the canteen menu?"), turn(SHIPPED), turn("And in 2023?")]
    assert join_locally("And before that?", turns) == f"{SHIPPED} And in 2023? And before that?"


def test_nothing_is_joined_beyond_the_limit_of_a_question() -> None:
    assert join_locally("Why?", [turn("x" * 1000)]) == "Why?"


class Scripted:
    """A model that says what it was told to."""

    name = "scripted"
    adapter = "openai"
    model = "m"
    capabilities = Capabilities()

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked = ""

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        self.asked = request.prompt.messages[-1].text
        for word in self.text.split(" "):
            yield TextDelta(word + " ")
        yield Finished(FinishReason.STOP)


async def rewriter_for(text: str) -> tuple[Rewriter, Scripted]:
    conversations = MemoryConversations(ManualClock(), ConversationLimits(), max_count=5)
    await conversations.append("acme", "c", turn(SHIPPED, "12,400."))
    scripted = Scripted(text)
    providers: dict[str, Provider] = {"scripted": scripted}
    return Rewriter(conversations, providers.__getitem__, Metering(UsageList(), ManualClock())), scripted


async def test_a_model_rewrites_with_the_turns_before_it() -> None:
    rewriter, scripted = await rewriter_for('"How many instruments did Tarnquill ship in 2023?"')
    rewritten = await rewriter.rewrite("acme", "c", "And the year before?", "scripted", 5)
    assert rewritten == Rewritten("How many instruments did Tarnquill ship in 2023?", is_self_contained=True)
    assert SHIPPED in scripted.asked
    assert "12,400." in scripted.asked


@pytest.mark.parametrize("useless", ["", "word " * 400])
async def test_a_useless_rewriting_falls_back_to_the_local_rule(useless: str) -> None:
    rewriter, _ = await rewriter_for(useless)
    rewritten = await rewriter.rewrite("acme", "c", "And in 2023?", "scripted", 5)
    assert rewritten.text == f"{SHIPPED} And in 2023?"


async def test_without_a_provider_the_rule_is_used_and_a_new_conversation_changes_nothing() -> None:
    rewriter, _ = await rewriter_for("unused")
    joined = await rewriter.rewrite("acme", "c", "And in 2023?", "", 5)
    assert joined.text == f"{SHIPPED} And in 2023?"
    unchanged = Rewritten("And in 2023?", is_self_contained=True)
    assert await rewriter.rewrite("acme", "new", "And in 2023?", "", 5) == unchanged
    assert await rewriter.rewrite("other", "c", "And in 2023?", "", 5) == unchanged


@pytest.mark.parametrize(
    ("question", "stands_alone"),
    [
        ("How many days of annual leave does a manager get in Porto?", True),
        # Too long for the rule to join it with anything, and yet only the conversation tells what "it" is.
        ("Does it cover managers, too, when they have been here for more than two years?", False),
        ("Then how many days of annual leave do managers get in their third year here?", False),
        ("And what do managers get?", True),  # joined with the question before it
    ],
)
async def test_a_question_with_a_word_that_may_refer_back_does_not_stand_alone(
    question: str, stands_alone: bool
) -> None:
    rewriter, _ = await rewriter_for("unused")
    rewritten = await rewriter.rewrite("acme", "c", question, "", 5)
    assert rewritten.is_self_contained == stands_alone


async def test_an_unknown_provider_is_an_error() -> None:
    rewriter, _ = await rewriter_for("unused")
    with pytest.raises((KeyError, DocuQueryError)):
        await rewriter.rewrite("acme", "c", "Why?", "nobody", 5)
