"""Remembers what was compared: an answer asks for the same pairs of sentence and passage again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.answer.citations.checker import Finding, PassageText, Statement, check_prepared
from services.answer.citations.claims import Claim
from services.answer.language.words import content_keys
from services.answer.model import Passage, Verdict

_FEW_KEYS = 2


class PassageChecks:
    """Checks sentences against the passages of one answer, each pair once."""

    def __init__(self, passages: Sequence[Passage], question: str = "") -> None:
        """`question` is what the answer is to; see checker.NEWS_THRESHOLD."""
        self._asked = frozenset(content_keys(question))
        self._texts = [PassageText(passage) for passage in passages]
        self._statements: dict[str, Statement] = {}
        self._findings: dict[tuple[str, int], Finding] = {}

    def claim(self, sentence: str) -> Claim:
        """What the sentence commits itself to."""
        return self._statement(sentence).claim

    def check(self, sentence: str, index: int) -> Finding:
        """What comparing the sentence with passage `index`, 0-based, showed."""
        key = (sentence, index)
        if key not in self._findings:
            self._findings[key] = check_prepared(self._statement(sentence), self._texts[index])
        return self._findings[key]

    def narrowed(self, sentence: str, index: int, start: int, end: int, finding: Finding) -> Finding:
        """The finding in text[start:end] of passage `index`; `finding`, of all of it, where it is better."""
        passage = self._texts[index].passage
        piece = replace(passage, text=passage.text[start:end])
        inside = check_prepared(self._statement(sentence), PassageText(piece))
        if inside.rank < finding.rank:
            return finding
        return replace(inside, start=inside.start + start, end=inside.end + start)

    def _statement(self, sentence: str) -> Statement:
        if sentence not in self._statements:
            self._statements[sentence] = Statement(sentence, self._asked)
        return self._statements[sentence]

    def _in_context(self, finding: Finding, claim: Claim, index: int) -> Finding:
        """The finding, unless the claim is a word or two that the passage says of something else.

        One word stands in many texts: `Ten.` is supported where its sentence speaks of what was asked.
        """
        if len(claim.keys) > _FEW_KEYS or not self._asked or not finding.supported:
            return finding
        if claim.keys & self._asked or self._texts[index].keys_at(finding) & self._asked:
            return finding
        return replace(finding, verdict=Verdict.UNSUPPORTED, score=0.0)

    def best(self, sentence: str) -> Finding | None:
        """The best finding for a sentence that cites nothing; None when there are no passages."""
        claim = self.claim(sentence)
        best: Finding | None = None
        bounds = [(text.most_coverage(claim), -index) for index, text in enumerate(self._texts)]
        for bound, negative_index in sorted(bounds, reverse=True):
            if best is not None and (best.rank >= (2, 1.0) or (best.supported and best.score >= bound)):
                break  # passages follow in the order of what they could reach at most
            finding = self._in_context(self.check(sentence, -negative_index), claim, -negative_index)
            if best is None or finding.rank > best.rank:
                best = finding
        return best
