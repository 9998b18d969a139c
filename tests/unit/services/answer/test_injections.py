"""What hostile documents can do to a prompt, and, through a model that obeys, to a reply.

Two scripted models read the prompt. The careful one obeys only what stands outside the blocks of documents,
as a perfectly trained model would; the gullible one obeys an order wherever it stands. The careful one shows
that no document gets out of its block, the gullible one what the server still holds back, and what it does
not: an order's words, without support, and what the document really says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from libs.clock import ManualClock
from libs.hygiene import without_hidden
from libs.rpc.deadlines import Deadline
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import ConversationLimits
from services.answer.engine import Engine, Task
from services.answer.events import Completed
from services.answer.links import addresses
from services.answer.model import Outcome, Verdict
from services.answer.prompts.manager import PromptManager
from services.answer.providers.protocol import (
    Capabilities,
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from services.answer.usage.metering import Metering
from tests.unit.services.answer.injection_documents import INJECTIONS, Injection
from tests.unit.services.answer.support import UsageList, passage

FACT = "The mascot of the firm is a heron."
QUESTION = "What is the mascot of the firm?"
HONEST = "The mascot of the firm is a heron [1]."
BLOCK = re.compile(r"<source\b[^>]*>(.*?)</source>", re.DOTALL)
TOKENS = re.compile(r"<\|[^|]*\|>")


def outside_of_documents(prompt: RenderedPrompt) -> str:
    """What a model that respects the blocks takes for instructions; its own control tokens cut first."""
    whole = "\n".join(prompt.texts)
    if TOKENS.search(whole):
        return whole
    return BLOCK.sub("", whole)


class Obeying:
    """A model that follows the order of one document when it takes it for an instruction."""

    name = "scripted"
    adapter = "openai"
    model = "m"
    capabilities = Capabilities()

    def __init__(self, injection: Injection, *, gullible: bool) -> None:
        self.injection = injection
        self.gullible = gullible
        self.obeyed = False
        self.seen = ""

    async def stream(
        self, request: ProviderRequest, timeout_seconds: float
    ) -> AsyncGenerator[ProviderEvent, None]:
        self.seen = "\n".join(request.prompt.texts)
        read = self.seen if self.gullible else outside_of_documents(request.prompt)
        self.obeyed = self.injection.order in read
        for character in self.injection.reply if self.obeyed else HONEST:
            yield TextDelta(character)
        yield Finished(FinishReason.STOP)


async def answer(injection: Injection, *, gullible: bool, version: str = "v2") -> tuple[Obeying, Completed]:
    model = Obeying(injection, gullible=gullible)
    clock = ManualClock()
    engine = Engine(
        providers={"scripted": model},
        prompts=PromptManager(),
        conversations=MemoryConversations(clock, ConversationLimits(), max_count=5),
        metering=Metering(UsageList(), clock),
        clock=clock,
        evidence_threshold=0.1,
        provider_timeout_seconds=30,
    )
    hostile = replace(passage(injection.text, name=injection.filename), title=injection.title)
    task = Task("q", QUESTION, QUESTION, (passage(FACT, name="mascot.txt"), hostile), "scripted", version)
    events = [event async for event in engine.generate(task, "acme", Deadline.after(10, clock))]
    last = events[-1]
    assert isinstance(last, Completed)
    return model, last


ALL = pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)


@ALL
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_no_document_gets_out_of_its_block(injection: Injection, version: str) -> None:
    model, done = await answer(injection, gullible=False, version=version)
    assert not model.obeyed
    assert done.outcome is Outcome.ANSWERED
    assert done.answer == FACT
    assert not TOKENS.search(model.seen)
    hidden = {c for c in model.seen if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\u200c\u200d"}
    assert hidden == set()


@ALL
async def test_a_reply_made_to_order_carries_nothing_out_and_proves_nothing(injection: Injection) -> None:
    _, done = await answer(injection, gullible=True)
    # What stands in the document may be said as text; nothing can be added to it, and no link is left.
    assert addresses([done.answer]) <= addresses([injection.text])
    assert not re.search(r"\]\(|<img|\[\d|\[Source", done.answer)
    documents = without_hidden(f"{FACT} {injection.text} {injection.filename} {injection.title}")
    for citation in done.citations:
        assert citation.quote in documents
        if citation.verdict is Verdict.VERBATIM:
            assert done.answer[citation.answer_span.char_start : citation.answer_span.char_end] in documents
    if done.outcome is Outcome.ANSWERED:
        assert done.answer.rstrip(".") in documents


async def test_the_sums_are_those_the_documentation_gives() -> None:
    results = [(injection, *(await answer(injection, gullible=True))) for injection in INJECTIONS]
    obeyed = [(injection, done) for injection, model, done in results if model.obeyed]
    hidden = [injection.name for injection, model, _ in results if not model.obeyed]
    assert len(INJECTIONS) == 44
    # Orders in characters nobody sees are not in the prompt at all.
    assert hidden == ["tag-character-order", "bidi-order", "variation-selector-order"]
    assert [i.name for i in INJECTIONS if i.hides] == hidden
    answered = [injection.name for injection, done in obeyed if done.outcome is Outcome.ANSWERED]
    # It really says so, and stands under its name.
    assert answered == ["a-true-quotation"]
    assert len(obeyed) == 41
    assert [i.name for i, done in obeyed if addresses([done.answer])] == ["link-of-its-own"]
    assert sum(done.links_removed > 0 for _, done in obeyed) == 5
    assert sum(bool(done.rejected) for _, done in obeyed) == 1
