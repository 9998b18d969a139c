"""Follows an answer while it streams: shows clean text, checks each citation as soon as it can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from libs.text import utf8_length
from services.answer.citations.checker import cite
from services.answer.citations.checks import PassageChecks
from services.answer.citations.code import without_fences
from services.answer.citations.groundedness import measure
from services.answer.citations.joints import JoinedMarkers
from services.answer.citations.markers import Marker, Piece, VisibleText
from services.answer.citations.sources import SourceResolver
from services.answer.language.sentences import Sentence, sentences
from services.answer.model import Citation, Passage, RejectedCitation, SentenceSupport, Span

_MIN_CLAIM_WORDS = 2  # content words before a marker that make a claim of their own
_MAX_LOOK_BACK = 4_000  # characters looked back for a sentence's beginning

_JOINERS = re.compile(r"[\W_]*(?:(?:and|but|while|whereas|or|und|aber|et|mais|y|pero)\b\W*)?", re.IGNORECASE)

MAX_CITATIONS = 500
"""Most citations of one answer, so that a model that repeats `[1-20]` cannot make the reply larger than
callers accept (4 MiB by gRPC's default). What follows is measured as if it had no markers."""

TrackerEvent = str | Citation


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A marker at the beginning of its sentence: what it supports is still to come."""

    marker: Marker
    sources: tuple[tuple[int, ...], ...]


class CitationTracker:
    """Turns the deltas of one answer into clean text and checked citations.

    The texts that `feed` and `finish` return, joined, are `answer`; spans never move once given. A
    citation comes after the text it refers to. The other properties are complete after `finish`.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        groups: Sequence[Sequence[int]] | None = None,
        question: str = "",
    ) -> None:
        """Checks against `passages`; `source_number` of a citation is the 1-based place of one of them.

        `groups[n - 1]` holds the 0-based passages that a marker `[n]` may mean; default: each is its own.
        `question` is what the answer is to: repeating it proves nothing.
        """
        self._passages = tuple(passages)
        self._checks = PassageChecks(self._passages, question)
        self._resolver = SourceResolver(self._passages, groups)
        self._parser = JoinedMarkers()
        self._pieces: list[str] = []
        self._waiting: list[_Waiting] = []
        self._last_at = 0  # where the latest cited text ends
        self._clause_start = 0  # and where the one before it ended: between them lies a clause
        self._citations: dict[tuple[int, Span, Span], Citation] = {}
        self._rejected: list[RejectedCitation] = []
        self._sentences: list[SentenceSupport] = []

    @property
    def answer(self) -> str:
        """The clean answer so far, without markers."""
        text = "".join(self._pieces)
        self._pieces = [text]
        return text

    @property
    def citations(self) -> list[Citation]:
        """Checked citations in the order of the answer; UNSUPPORTED ones too, so marked."""
        return sorted(self._citations.values(), key=lambda citation: citation.answer_span.char_end)

    @property
    def rejected(self) -> list[RejectedCitation]:
        """Markers that named no given source, in the order of the answer."""
        return list(self._rejected)

    @property
    def sentences(self) -> list[SentenceSupport]:
        """Support of each sentence that claims something; see `groundedness.measure`."""
        return list(self._sentences)

    @property
    def groundedness(self) -> float:
        """Share of `sentences` that are supported, 0 to 1; 0 when there are none."""
        if not self._sentences:
            return 0.0
        return sum(sentence.supported for sentence in self._sentences) / len(self._sentences)

    def feed(self, delta: str) -> list[TrackerEvent]:
        """Takes the next piece of the model's text; returns what can be shown by now."""
        return self._process(self._parser.feed(delta))

    def cite(self, piece: Piece | None, quoted: str) -> list[TrackerEvent]:
        """Takes the provider's own word that the text before this rests on a piece of a passage.

        It is checked like a marker. None stands for something that was not given: it is rejected, and
        `quoted`, what the provider says it quotes, shown as its marker.
        """
        return self._process(self._parser.mark(piece, quoted))

    def prepare(self) -> Iterator[None]:
        """Does beforehand what is long about `finish`, a sentence at a time.

        Each sentence without a source is compared with every passage.
        """
        for _ in measure(self.answer, self.citations, self._checks):
            yield

    def finish(self) -> list[TrackerEvent]:
        """Ends the answer; call it once."""
        events = self._process(self._parser.finish())
        events += self._settle_waiting(final=True)
        self._sentences = list(measure(self.answer, self.citations, self._checks))
        return events

    def _process(self, parsed: Sequence[VisibleText | Marker]) -> list[TrackerEvent]:
        events: list[TrackerEvent] = []
        for event in parsed:
            if isinstance(event, VisibleText):
                self._pieces.append(event.text)
                events.append(event.text)
            else:
                events += self._take_marker(event)
        events += self._settle_waiting(final=False)
        return events

    def _take_marker(self, marker: Marker) -> list[TrackerEvent]:
        sources, unknown = self._resolve(marker)
        text = self.answer
        if unknown:
            at = utf8_length(text[: marker.at])
            self._rejected.append(RejectedCitation(marker.raw, Span(marker.at, marker.at, at, at)))
        if not sources:
            return []
        sentence_start = _sentence_start(text, marker.at)
        if len(self._checks.claim(text[sentence_start : marker.at]).keys) < _MIN_CLAIM_WORDS and (
            not text[: marker.at].rstrip("\"'”’»)」』*_").endswith((".", "!", "?", "。", "！", "？"))
        ):
            self._waiting.append(_Waiting(marker, tuple(sources)))
            return []
        if marker.at > self._last_at:
            self._clause_start, self._last_at = self._last_at, marker.at
        starts = [sentence_start]
        clause = _skip_joiners(text, self._clause_start, marker.at)
        if (
            sentence_start < clause
            and len(self._checks.claim(text[clause : marker.at]).keys) >= _MIN_CLAIM_WORDS
        ):
            starts.append(clause)
        return self._cite(sources, starts, marker.at, marker.piece)

    def _resolve(self, marker: Marker) -> tuple[list[tuple[int, ...]], bool]:
        if marker.piece is not None:
            return [(marker.piece.index,)], False
        if not marker.source_numbers and not marker.filename:
            return [], True
        return self._resolver.resolve(marker)

    def _cite(
        self,
        sources: Sequence[tuple[int, ...]],
        starts: Sequence[int],
        end: int,
        piece: Piece | None = None,
    ) -> list[TrackerEvent]:
        """Cites for text[start:end], with the start that finds most support: sentence or last clause.

        The `piece` alone is enough where it carries the text; where it does not, its passage is looked at.
        """
        text = self.answer
        events: list[TrackerEvent] = []
        for source in sources:
            if len(self._citations) == MAX_CITATIONS:
                break
            start, index, finding = max(
                (
                    (start, index, self._checks.check(text[start:end], index))
                    for start in starts
                    for index in source
                ),
                key=lambda option: option[2].rank,
            )
            byte_start = utf8_length(text[:start])
            span = Span(start, end, byte_start, byte_start + utf8_length(text[start:end]))
            if piece is not None:
                finding = self._checks.narrowed(text[start:end], index, piece.start, piece.end, finding)
            citation = cite(index + 1, self._passages[index], finding, span)
            key = (citation.source_number, citation.source_span, span)
            if key not in self._citations:
                self._citations[key] = citation
                events.append(citation)
        return events

    def _settle_waiting(self, *, final: bool) -> list[TrackerEvent]:
        """Cites for the sentences that markers at their beginning were waiting for, once complete."""
        if not self._waiting:
            return []
        text = self.answer
        found = sentences(without_fences(text))
        complete = found if final else found[:-1]
        events: list[TrackerEvent] = []
        still: list[_Waiting] = []
        for waiting in self._waiting:
            sentence = _sentence_after(complete, waiting.marker.at)
            if sentence is None and final and found:
                sentence = found[-1]
            if sentence is not None:
                piece = waiting.marker.piece
                events += self._cite(waiting.sources, [sentence.start], sentence.end, piece)
            elif not final:
                still.append(waiting)
        self._waiting = still
        return events


def _sentence_start(text: str, at: int) -> int:
    """Where the sentence begins that ends at, or contains, position `at`; `at` when there is none."""
    begin = max(0, at - _MAX_LOOK_BACK)
    begin = max(begin, text.rfind("\n\n", begin, at))
    found = sentences(without_fences(text[begin:at]))
    return begin + found[-1].start if found else at


def _sentence_after(found: Sequence[Sentence], at: int) -> Sentence | None:
    """The sentence that contains or follows position `at`."""
    return next((sentence for sentence in found if sentence.end > at), None)


def _skip_joiners(text: str, start: int, end: int) -> int:
    """Where the clause in text[start:end] begins, after punctuation and a conjunction."""
    match = _JOINERS.match(text, start, end)
    return match.end() if match else start
