"""The provider that is no model."""

from __future__ import annotations

import pytest

from services.answer.citations.tracker import CitationTracker
from services.answer.language.vectors import PieceVectors
from services.answer.model import NO_TOKENS, Passage, Verdict
from services.answer.providers.extractive import ExtractiveProvider
from services.answer.providers.protocol import (
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    RenderedPrompt,
    TextDelta,
)
from tests.unit.services.answer.support import passage

VECTORS = PieceVectors.load()
LEAVE = passage("Employees get 25 days of leave. Part-time\nemployees get a share of it.", name="leave.md")
SITES = passage(
    "Anchor days of the sites:\n\n| Site | Anchor day | Since |\n|---|---|---|\n| Lyon | Wednesday | 2022 |\n"
    "| Porto | Thursday | 2023 |\n",
    name="remote.md",
)
PASSES = passage(
    "Every **new** employee gets a [ferry pass](passes.md#new)<!-- since May --> for the Harwick line.",
    name="passes.md",
)


async def ask(question: str, *passages: Passage, max_sentences: int = 2) -> list[ProviderEvent]:
    request = ProviderRequest(question, passages, RenderedPrompt("", ()))
    return [event async for event in ExtractiveProvider(VECTORS, max_sentences).stream(request, 1.0)]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_each_sentence_is_followed_by_the_marker_of_its_passage() -> None:
    events = await ask("How many days of leave do employees get?", SITES, LEAVE, max_sentences=1)
    assert text_of(events) == "Employees get 25 days of leave. [2]"
    assert events[-1] == Finished(
        FinishReason.STOP,
        NO_TOKENS,
        abstained=False,
        confidence=events[-1].confidence,  # type: ignore[union-attr]  # the last event is Finished
    )


async def test_a_wide_table_row_comes_with_its_header_on_lines_without_outer_bars() -> None:
    events = await ask("What is the anchor day of the site Porto?", SITES, max_sentences=1)
    assert text_of(events) == "Site | Anchor day | Since\nPorto | Thursday | 2023 [1]"


async def test_the_header_of_two_rows_of_one_table_is_shown_once() -> None:
    text = text_of(await ask("What are the anchor days in Porto and Lyon?", SITES))
    assert text.count("Anchor day") == 1
    assert text.splitlines()[1:] == ["Lyon | Wednesday | 2022 [1]", "Porto | Thursday | 2023 [1]"]


async def test_markdown_is_shown_as_its_words_and_cited_word_for_word() -> None:
    events = await ask("Which pass does a new employee get?", PASSES)
    assert text_of(events) == "Every new employee gets a ferry pass for the Harwick line. [1]"


async def test_a_fence_cut_open_does_not_hide_the_marker() -> None:
    source = passage("```console\n$ tide build\n", name="tide.md")
    tracker = CitationTracker([source])
    for event in await ask("How do I build the tide?", source):
        if isinstance(event, TextDelta):
            list(tracker.feed(event.text))
    list(tracker.finish())
    assert tracker.answer == "$ tide build"
    assert [citation.quote for citation in tracker.citations] == ["```console\n$ tide build"]


async def test_it_says_so_when_nothing_answers() -> None:
    events = await ask("Who won the football world cup?", LEAVE, SITES)
    assert len(events) == 1
    assert isinstance(events[0], Finished)
    assert events[0].abstained


@pytest.mark.parametrize(
    "question",
    [
        "How many days of leave do employees get?",
        "What is the anchor day of the site Porto?",
        "Which pass does a new employee get?",
    ],
)
async def test_every_citation_of_it_passes_the_checker_as_verbatim(question: str) -> None:
    tracker = CitationTracker([LEAVE, SITES, PASSES])
    for event in await ask(question, LEAVE, SITES, PASSES):
        if isinstance(event, TextDelta):
            list(tracker.feed(event.text))
    list(tracker.finish())
    assert tracker.citations
    assert {citation.verdict for citation in tracker.citations} == {Verdict.VERBATIM}
    assert tracker.groundedness == 1.0
