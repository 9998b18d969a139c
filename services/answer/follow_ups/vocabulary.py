"""The English words the local rule looks at; other languages come through it as joined questions."""

from __future__ import annotations

PREPOSITIONS = frozenset({
    "in", "at", "on", "to", "from", "for", "of", "by", "with", "without", "during", "after", "before",
    "since", "until", "within", "under", "over", "per", "near",
})  # fmt: skip
"""What begins a phrase that may be replaced by another with the same beginning."""

DETERMINERS = frozenset({
    "the", "a", "an", "our", "my", "your", "their", "this", "that", "these", "those", "each", "every", "any",
})  # fmt: skip

AUXILIARIES = frozenset({
    "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "has", "have", "had", "can", "could",
    "may", "might", "must", "shall", "should", "will", "would",
})  # fmt: skip

QUESTION_WORDS = frozenset({"what", "which", "who", "whom", "whose", "when", "where", "why", "how"})

REFERRING = frozenset({
    "it", "its", "they", "them", "their", "theirs", "he", "him", "his", "she", "her", "hers", "this", "that",
    "these", "those", "there", "one", "ones", "same", "former", "latter", "other",
})  # fmt: skip
"""What may stand for something said before."""

SPEAKERS = frozenset({"i", "me", "we", "us", "you"})

CLAUSE_WORDS = (
    AUXILIARIES | QUESTION_WORDS | SPEAKERS | (REFERRING - DETERMINERS) | {"that", "if", "because", "not"}
)
"""A fragment without any of them names a thing, and says nothing about it."""

MONTHS = frozenset({
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
})  # fmt: skip
WEEKDAYS = frozenset({"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"})
