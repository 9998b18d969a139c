"""How much of an answer its sources carry, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.text import ByteOffsets
from services.answer.citations.checks import PassageChecks
from services.answer.citations.code import without_fences
from services.answer.language.sentences import SentenceKind, sentences
from services.answer.model import Citation, SentenceSupport, Span, Verdict

_WHOLE = 0.9  # share of a sentence its supported clauses must cover; the rest is joining words


def measure(answer: str, citations: Sequence[Citation], checks: PassageChecks) -> Iterator[SentenceSupport]:
    """The support of each sentence of `answer` that claims something, in order, one at a time.

    Headings and lines that end with a colon, which only introduce, are left out, and so is what has no
    content word. A cited sentence is measured by its own citations: it is supported when one cited
    passage carries the whole of it, or when its cited clauses are each carried and together make up the
    sentence. A sentence without citations is compared with all passages, so a true sentence without a
    marker counts as supported, with its score.
    """
    offsets = ByteOffsets(answer)
    for sentence in sentences(without_fences(answer)):
        text = answer[sentence.start : sentence.end]
        if sentence.kind is SentenceKind.HEADING or text.rstrip("*_ ").endswith((":", "：")):
            continue
        if not checks.claim(text).keys:
            continue
        start, end = sentence.start, sentence.end
        own = [c for c in citations if c.answer_span.char_start < end and start < c.answer_span.char_end]
        supported, score = _by_citations(text, start, end, own, checks) if own else _by_passages(text, checks)
        span = Span(start, end, offsets.at(start), offsets.at(end))
        yield SentenceSupport(span, supported, score)


def _by_passages(text: str, checks: PassageChecks) -> tuple[bool, float]:
    best = checks.best(text)
    return (best.supported, best.score) if best else (False, 0.0)


def _by_citations(
    text: str, start: int, end: int, own: Sequence[Citation], checks: PassageChecks
) -> tuple[bool, float]:
    """(supported, score) of the sentence at [start, end) by the citations that refer to it."""
    best = max(
        (checks.check(text, index) for index in {c.source_number - 1 for c in own}),
        key=lambda finding: finding.rank,
    )
    if best.supported:
        return True, best.score
    carried = [c for c in own if c.verdict is not Verdict.UNSUPPORTED]
    covered = 0
    reached = start
    for citation in sorted(carried, key=lambda c: c.answer_span.char_start):
        clause_start = max(citation.answer_span.char_start, reached)
        clause_end = min(citation.answer_span.char_end, end)
        if clause_end > clause_start:
            covered += clause_end - clause_start
            reached = clause_end
    if covered >= _WHOLE * (end - start):
        return True, min(c.score for c in carried)
    return False, best.score
