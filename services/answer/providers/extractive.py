"""Answers without a model: the sentences of the passages that answer the question, word for word."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.answer.extraction.candidates import SourceText
from services.answer.extraction.likeness import WordVectors
from services.answer.extraction.selection import SelectionPolicy, select
from services.answer.language.markup import Plain
from services.answer.model import NO_TOKENS, Passage
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Capabilities,
    Finished,
    FinishReason,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)

_WIDE_ROW = 3  # cells from which a table row is hard to read without its header


class ExtractiveProvider:
    """Picks at most `max_sentences` sentences. Costs nothing, needs nobody, invents nothing.

    It says no when they answer with a probability below `min_confidence` (0 to 1).
    """

    name = "extractive"
    adapter = EXTRACTIVE_ADAPTER
    model = "extractive-2"
    capabilities = Capabilities(input_micro_usd_per_million_tokens=0, output_micro_usd_per_million_tokens=0)

    def __init__(self, vectors: WordVectors, max_sentences: int = 2, min_confidence: float = 0.0) -> None:
        self._vectors = vectors
        self._policy = SelectionPolicy(max_sentences=max_sentences, min_confidence=min_confidence)

    async def stream(
        self,
        request: ProviderRequest,
        timeout_seconds: float,  # noqa: ARG002 (the Protocol's; the work takes a few milliseconds)
    ) -> AsyncGenerator[ProviderEvent, None]:
        """See Provider.stream: each sentence is one piece of text with its marker.

        Rows, list items and fields get lines of their own; a row of three cells or more is preceded by its
        table's header row, once. Markdown is shown as the words it shapes.
        """
        sources = [source_text(passage) for passage in request.passages]
        selection = select(request.question, sources, self._policy, self._vectors)
        shown_headers: set[str] = set()
        previous_row = False
        for count, pick in enumerate(selection.picks):
            plain = Plain(request.passages[pick.source].text)
            joint = "" if count == 0 else "\n" if pick.is_row or previous_row else " "
            shown = _line(plain, pick.start, pick.end)
            header = _line(plain, *pick.header) if pick.header and shown.count("|") + 1 >= _WIDE_ROW else ""
            if header and header not in shown_headers:
                shown_headers.add(header)
                joint += f"{header}\n"
            previous_row = pick.is_row
            yield TextDelta(f"{joint}{shown} [{pick.source + 1}]")
        yield Finished(
            FinishReason.STOP, NO_TOKENS, abstained=not selection.picks, confidence=selection.confidence
        )


def _line(plain: Plain, start: int, end: int) -> str:
    """The piece on one line, without the outer bars of a Markdown table row."""
    return " ".join(plain.between(start, end).split()).strip("|").strip()


def source_text(passage: Passage) -> SourceText:
    """A passage as the search for an answer sees it."""
    return SourceText(
        text=passage.text,
        score=passage.score,
        headings=" ".join(passage.headings),
        title=f"{passage.title} {passage.filename}".strip(),
    )
