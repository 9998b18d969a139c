"""Compares a sentence of an answer with a passage: word for word, else by its content.

No model takes part, so the verdict is a statement about texts, not about truth; see CitationVerdict in
the contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from libs.text import utf8_length
from services.answer.citations.claims import Claim, claim_of, denies
from services.answer.citations.opposites import contradicts
from services.answer.citations.qualifiers import qualifies
from services.answer.citations.verbatim import VerbatimText, candidates, quotations, without_quotations
from services.answer.language.sentences import sentences
from services.answer.language.words import content_keys
from services.answer.model import Citation, Passage, Span, Verdict

SUPPORT_THRESHOLD = 0.6
"""Share of the sentence's content words, 0 to 1, that must stand in the quoted piece of the source.

Paraphrases replace some words and keep names, numbers and terms; below about half, sentences that only
share their topic with the source begin to pass.
"""

NEWS_THRESHOLD = 0.5
"""Share of the words the sentence adds to the question, 0 to 1, that must stand there, too.

An answer repeats its question. `The mascot of the firm is a shark` has all but one of its words from there,
and the one is what was asked for.
"""

_CLAUSE_ENDS = re.compile(r"[.,;:!?…\n—。，；：！？、]")
_SENTENCE_ENDS = re.compile(r"[.;!?…\n。；！？]")
_SAID = re.compile(r"(?:\b(?:that|whether|dass|ob|que)|说|說)\W*$", re.IGNORECASE)
_WINDOW = 3  # neighbouring source sentences that may carry one sentence of the answer together
_RANK = {Verdict.VERBATIM: 2, Verdict.SUPPORTED: 1, Verdict.UNSUPPORTED: 0}


@dataclass(frozen=True, slots=True)
class Finding:
    """What comparing one sentence with one passage showed."""

    verdict: Verdict
    """VERBATIM, SUPPORTED or UNSUPPORTED."""
    score: float
    """1 for VERBATIM, else the share of content words covered, 0 to 1."""
    start: int
    """First character of the quote in the passage's text, code points."""
    end: int
    """One past the quote's last character."""

    @property
    def supported(self) -> bool:
        """Whether the passage carries the sentence."""
        return self.verdict is not Verdict.UNSUPPORTED

    @property
    def rank(self) -> tuple[int, float]:
        """What findings are compared by: the larger, the better."""
        return _RANK[self.verdict], self.score


@dataclass(frozen=True, slots=True)
class _SourceSentence:
    start: int
    end: int
    claim: Claim


class Statement:
    """A sentence of an answer, made ready for comparison with many passages."""

    def __init__(self, text: str, asked: frozenset[str] = frozenset()) -> None:
        """`asked` are the keys of the question, which an answer may repeat without saying anything."""
        self.claim = claim_of(text)
        self.news = self.claim.keys - asked
        """What it adds to the question."""
        self.forms = candidates(text)
        self.quotations = quotations(text)


class PassageText:
    """A passage's text made ready for many comparisons; the work is done when first needed."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage

    @cached_property
    def verbatim(self) -> VerbatimText:
        """For word-for-word search."""
        return VerbatimText(self.passage.text)

    @cached_property
    def _sentences(self) -> list[_SourceSentence]:
        text = self.passage.text
        return [_SourceSentence(s.start, s.end, claim_of(text[s.start : s.end])) for s in sentences(text)]

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset().union(*(sentence.claim.numbers for sentence in self._sentences))

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset().union(*(sentence.claim.keys for sentence in self._sentences))

    def keys_at(self, finding: Finding) -> frozenset[str]:
        """Content words of the sentences a finding lies in, and of what stands above the passage."""
        touched = (
            sentence.claim.keys
            for sentence in self._sentences
            if sentence.start < finding.end and finding.start < sentence.end
        )
        above = " ".join((self.passage.title, *self.passage.headings))
        return frozenset(content_keys(above)).union(*touched)

    def find_verbatim(self, statement: Statement) -> Finding | None:
        """The sentence, or all it quotes, word for word; None when that does not stand here.

        A sentence from which a condition or an exception was cut off stands here, and says another thing.
        A sentence with quotations counts only when each of them stands here and its numbers do too:
        one true quotation must not vouch for a changed one beside it.
        """
        if not statement.claim.keys:
            return None
        for needle in statement.forms:
            place = self._place(needle, statement)
            if place and (qualifies(statement.claim.text) or not qualifies(self._cut_off(*place))):
                return Finding(Verdict.VERBATIM, 1.0, *place)
        if not statement.quotations or denies(without_quotations(statement.claim.text)):
            return None
        places = [self._place(piece, statement) for piece in statement.quotations]
        if places[0] and all(places) and statement.claim.numbers <= self._numbers:
            return Finding(Verdict.VERBATIM, 1.0, *places[0])
        return None

    def _place(self, needle: str, statement: Statement) -> tuple[int, int] | None:
        """Where the words stand, not cut out of a denial as `tenants may smoke` of `no tenants may smoke`."""
        for start, end in self.verbatim.places(needle):
            if statement.claim.denies or not denies(_clause_around(self.passage.text, start, end)):
                return start, end
        return None

    def _cut_off(self, start: int, end: int) -> str:
        """What the sentences that hold text[start:end] say before and after it."""
        touched = [s for s in self._sentences if s.start < end and start < s.end]
        if not touched:
            return ""
        text = self.passage.text
        return f"{text[touched[0].start : start]} {text[end : touched[-1].end]}"

    def find_support(self, statement: Statement) -> Finding:
        """The one to three neighbouring sentences that carry most of the claim."""
        claim = statement.claim
        best_any = best_carrying = (-1.0, 0, 0, 0)
        shared = [claim.keys & sentence.claim.keys for sentence in self._sentences]
        for first in range(len(shared)):
            if not shared[first]:
                continue  # a window that begins later holds as much
            together: frozenset[str] = frozenset()
            for last in range(first, min(first + _WINDOW, len(shared))):
                if last > first and shared[last] <= together:
                    continue
                together |= shared[last]
                coverage = len(together) / len(claim.keys) if claim.keys else 0.0
                window = (coverage, first - last, first, last)  # as much in fewer sentences is better
                if window[:2] > best_any[:2]:
                    best_any = window
                better = coverage >= SUPPORT_THRESHOLD and window[:2] > best_carrying[:2]
                news = len(together & statement.news) >= NEWS_THRESHOLD * len(statement.news)
                if better and news and self._carries(claim, shared, first, last):
                    best_carrying = window
        misquoted = any(self.verbatim.find(piece) is None for piece in statement.quotations)
        carried = best_carrying[0] >= 0 and not misquoted
        verdict = Verdict.SUPPORTED if carried else Verdict.UNSUPPORTED
        coverage, _, first, last = best_carrying if carried else best_any
        if not self._sentences:
            return Finding(Verdict.UNSUPPORTED, 0.0, 0, len(self.passage.text))
        coverage = max(coverage, 0.0)
        return Finding(verdict, coverage, self._sentences[first].start, self._sentences[last].end)

    def most_coverage(self, claim: Claim) -> float:
        """An upper bound of the coverage `find_support` can find, cheaply."""
        return len(claim.keys & self._keys) / len(claim.keys) if claim.keys else 0.0

    def _carries(self, claim: Claim, shared: list[frozenset[str]], first: int, last: int) -> bool:
        """Whether numbers, months, direction and negation of the claim agree with those of the window.

        Numbers, units and words of direction count only from sentences that speak of something the claim
        speaks of: `revenue fell by 3 %` is not carried by `revenue rose by 5 %. Costs fell by 3 %`.
        Negation counts where it matters: in the sentences that share at least half as much with the
        claim as the best of the window.
        """
        window = [sentence.claim for sentence in self._sentences[first : last + 1]]
        about = [source for source in window if _speaks_of(source, claim)]
        numbers = frozenset().union(*(source.numbers for source in about))
        months = frozenset().union(*(source.months for source in about))
        if not claim.numbers <= numbers or not claim.months <= months | numbers:
            return False
        if contradicts(claim.poles, frozenset().union(*(source.poles for source in about))):
            return False
        sizes = [len(keys) for keys in shared[first : last + 1]]
        denied = any(c.denies for c, size in zip(window, sizes, strict=True) if 2 * size >= max(sizes))
        return denied == claim.denies


def _speaks_of(source: Claim, claim: Claim) -> bool:
    """Whether a sentence of the source shares a subject with the claim, or has none: `- 25 days`."""
    return not claim.subjects or not source.subjects or not claim.subjects.isdisjoint(source.subjects)


def check_prepared(statement: Statement, passage: PassageText) -> Finding:
    """`check` for texts that are compared more than once."""
    return passage.find_verbatim(statement) or passage.find_support(statement)


def check(sentence_text: str, passage: Passage) -> Finding:
    """Compares a sentence of an answer, markers taken out, with a passage.

    - VERBATIM: the sentence, or every quotation in it of at least four words, stands in the passage
      word for word, and no negation, and of a sentence no condition, was left out before or after it, nor a
      negation put around the quotation.
    - SUPPORTED: one to three neighbouring sentences of the passage hold at least SUPPORT_THRESHOLD of its
      content words (by stem), NEWS_THRESHOLD of those that are not the question's, and all its numbers,
      dates and magnitudes; what it has in quotation marks stands in the passage; nothing says the opposite
      (`rose`, `fell`) or has another unit; and either both deny something or neither does.
    - UNSUPPORTED: else. The quote is then the nearest piece there is.

    A negation that only one side has makes UNSUPPORTED even when the sentences mean the same ("not
    before May", "from May"): a citation wrongly refused costs less than one wrongly given.
    """
    return check_prepared(Statement(sentence_text), PassageText(passage))


def _clause_around(text: str, start: int, end: int) -> str:
    """What stands before and after text[start:end] in the same clause.

    What is said to be the case begins further ahead: "it is not so, however, that ...".
    """
    is_said = _SAID.search(text, max(0, start - 20), start)
    ends = _SENTENCE_ENDS if is_said else _CLAUSE_ENDS
    before = [match.end() for match in ends.finditer(text, 0, start)]
    after = _CLAUSE_ENDS.search(text, end)
    return f"{text[before[-1] if before else 0 : start]} {text[end : after.start() if after else len(text)]}"


def cite(source_number: int, passage: Passage, finding: Finding, answer_span: Span) -> Citation:
    """The citation of a finding: exact quote, its place in the document, its pages.

    `source_number` is 1-based.
    """
    quote = passage.text[finding.start : finding.end]
    char_start = passage.span.char_start + finding.start
    byte_start = passage.span.byte_start + utf8_length(passage.text[: finding.start])
    span = Span(char_start, char_start + len(quote), byte_start, byte_start + utf8_length(quote))
    return Citation(
        source_number=source_number,
        passage=passage,
        quote=quote,
        source_span=span,
        pages=_pages(passage, span),
        answer_span=answer_span,
        verdict=finding.verdict,
        score=finding.score,
    )


def _pages(passage: Passage, span: Span) -> tuple[int, int] | None:
    """First and last page of a span of the document; None where the document has no pages."""
    if passage.pages is None:
        return None
    first = last = passage.pages[0]
    for page, begins in passage.page_starts:
        if begins <= span.char_start:
            first = page
        if begins < max(span.char_end, span.char_start + 1):
            last = page
    return first, last
