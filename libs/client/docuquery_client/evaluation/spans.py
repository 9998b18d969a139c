"""Whether a text says what people marked: the comparisons of question answering.

Every figure is 0 to 1, higher is better.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_UNSPACED = "\u0e00"  # from here on most scripts are written without spaces
_PUNCTUATION = frozenset(string.punctuation)


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
