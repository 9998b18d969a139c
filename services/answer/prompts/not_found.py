"""The sentence a prompt asks for when the documents do not answer, and how to recognise it."""

from __future__ import annotations

import re

NOT_FOUND_SENTENCE = "The documents do not contain an answer to this question."
"""What both packaged prompts make a model say, in English whatever the question's language."""

NOT_FOUND_PHRASES: tuple[str, ...] = (
    NOT_FOUND_SENTENCE,
    "The provided documents do not contain an answer to this question.",
    "The documents don't contain an answer to this question.",
    "The documents do not contain an answer to your question.",
    "The documents do not contain this information.",
    "The documents do not contain the answer to this question.",
)
"""That sentence, and how models change it; compared by `says_not_found`."""


def _normal(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.casefold()).split())


_NORMAL_PHRASES = tuple(_normal(phrase) for phrase in NOT_FOUND_PHRASES)


def says_not_found(answer: str) -> bool:
    """Whether an answer, markers taken out, abstains: it begins with one of NOT_FOUND_PHRASES.

    Case, punctuation, quotation marks and white space do not count. A sentence in the middle of an
    answer is no abstention: the rest of such an answer stands.
    """
    return _normal(answer).startswith(_NORMAL_PHRASES)
