"""How good answers are, judged by the spans people marked.

Every figure is 0 to 1, higher is better.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_UNSPACED = "\u0e00"  # from here on most scripts are written without spaces
_PUNCTUATION = frozenset(string.punctuation)


@dataclass(frozen=True, slots=True)
class Quote:
    """A citation of an answer, as far as it is judged."""

    document: str
    """The cited document's name."""
    text: str
    """The words of the document."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what came back."""

    documents: tuple[str, ...]
    """The documents that may answer it."""
    answers: tuple[str, ...]
    """The marked spans; empty: it has no answer."""
    passages: tuple[Quote, ...] = ()
    """What a search found, best first."""
    answer: str = ""
    """The answer; empty when it was refused."""
    citations: tuple[Quote, ...] = ()
    """The answer's citations."""

    @property
    def is_refused(self) -> bool:
        """Whether the reply was that the documents do not say."""
        return not self.answer


def normalised(text: str) -> str:
    """`text` in lower case without punctuation, articles and superfluous white space.

    The normalisation of the SQuAD evaluation script: Rajpurkar, Zhang, Lopyrev and Liang, "SQuAD: 100,000+
    Questions for Machine Comprehension of Text", EMNLP 2016.
    """
    lowered = "".join(character for character in text.lower() if character not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", lowered).split())


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 when the answer is one of the marked spans, both normalised; else 0."""
    return float(any(normalised(answer) == normalised(gold) for gold in golds))


def f1(answer: str, golds: Sequence[str]) -> float:
    """The best harmonic mean of precision and recall of the answer's words against a span's, normalised."""
    return max((_f1(normalised(answer).split(), normalised(gold).split()) for gold in golds), default=0.0)


def holds_span(text: str, golds: Sequence[str]) -> bool:
    """Whether one of the spans stands in `text`, whole words, case and white space aside."""
    folded = " ".join(text.split()).casefold()
    spans = (" ".join(gold.split()).casefold() for gold in golds)
    return any(re.search(_whole(span), folded) for span in spans if span)


def answer_metrics(asked: Sequence[Asked]) -> dict[str, float]:
    """The figures of a run.

    Over the answerable questions, of which there must be one:

    - `hit@1`, `hit@5`: a passage among the first 1 or 5 holds a marked span and is of the right document;
    - `answer_contains`: the answer holds a marked span (`holds_span`);
    - `exact_match`, `f1`: of the whole answer against the span, so low for answers in sentences;
    - `citation_recall`: a citation of the answer is right, that is, holds a span in the right document.

    A refused question counts 0 in the last four. `citation_precision` is the share of right ones among all
    citations of answers to answerable questions. `abstention_precision` is the share of questions without an
    answer among those refused, `abstention_recall` the share of refused ones among those without an answer.
    A share of nothing is 0.
    """
    answerable = [each for each in asked if each.answers]
    impossible = [each for each in asked if not each.answers]
    refused = sum(each.is_refused for each in asked)
    rightly_refused = sum(each.is_refused for each in impossible)
    citations = [(each, quote) for each in answerable for quote in each.citations]
    return {
        "hit@1": _mean([_has_right(each, each.passages[:1]) for each in answerable]),
        "hit@5": _mean([_has_right(each, each.passages[:5]) for each in answerable]),
        "answer_contains": _mean([holds_span(each.answer, each.answers) for each in answerable]),
        "exact_match": _mean([exact_match(each.answer, each.answers) for each in answerable]),
        "f1": _mean([f1(each.answer, each.answers) for each in answerable]),
        "citation_precision": _mean([_has_right(each, [quote]) for each, quote in citations]),
        "citation_recall": _mean([_has_right(each, each.citations) for each in answerable]),
        "abstention_precision": rightly_refused / refused if refused else 0.0,
        "abstention_recall": rightly_refused / len(impossible) if impossible else 0.0,
    }


METRICS = (
    "hit@1", "hit@5", "answer_contains", "exact_match", "f1", "citation_precision", "citation_recall",
    "abstention_precision", "abstention_recall",
)  # fmt: skip
"""What is reported, by name."""


def _has_right(asked: Asked, quotes: Sequence[Quote]) -> bool:
    return any(
        quote.document in asked.documents and holds_span(quote.text, asked.answers) for quote in quotes
    )


def _whole(span: str) -> str:
    """A pattern for the span between word boundaries, where its script has them."""
    before = r"(?<!\w)" if span[0] < _UNSPACED else ""
    after = r"(?!\w)" if span[-1] < _UNSPACED else ""
    return before + re.escape(span) + after


def _f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    if not answer or not gold:
        return float(answer == gold)
    shared = sum((Counter(answer) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(answer), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
