"""What speaks for a sentence as the answer to a question: a row of numbers, each 0 to 1.

The words of the question are weighted by how rare they are among the candidates themselves (inverse
document frequency, Spärck Jones 1972, flattened because a few dozen sentences are a small sample).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from services.answer.extraction.candidates import Candidate
from services.answer.extraction.kinds import fitness
from services.answer.extraction.likeness import Likeness, WordVectors, likenesses
from services.answer.extraction.question import Question, Term, is_superlative
from services.answer.language.stemming import root

_PRONOUN = re.compile(
    r"(?:He|She|It|They|His|Her|Its|Their|This|These|That|Those|Such|Both|Er|Sie|Es|Il|Elle|Ils)\b"
)
_COPULA = re.compile(r"[^.;,]{0,25}?(?:\([^)]*\))?,?\s*(?:is|are|was|were|means|refers to|\[)\b")
_CONDITION = re.compile(  # "If a dongle is lost" defines no dongle
    r"(?:if|when|while|unless|until|because|although|whether|wenn|falls|weil|si|quand|cuando|se|quando|perché|porque)\b",
    re.IGNORECASE,
)
_NEAR = 3  # content words two neighbours of the question may stand apart and still count as a pair
_FAR_PAIR = 0.4  # what such a pair counts for
_LIGHT = 0.5  # what a light word weighs, relative to others
_ABSENT = 1.0  # weight of a word no candidate holds, when candidates are compared
_ABSENT_EVIDENCE = 2.0  # ... when asking whether anything answers: what is nowhere speaks against all


class Features(NamedTuple):
    """One candidate's numbers. `share` below means: of the question's weight."""

    overlap: float
    """Share of the words that stand in the sentence."""
    relative_overlap: float
    """`overlap` divided by the best candidate's."""
    ordered: float
    """Share of the longest run of the question's words in the question's order (LCS)."""
    pairs: float
    """Share of neighbouring words of the question that are neighbours here."""
    root_overlap: float
    """Share of words that only match by derivation (invent, inventor)."""
    synonym_overlap: float
    """Share of words that only match by the list of synonyms."""
    likeness: float
    """Share of words missing by spelling, each counted by how like the likest word here is."""
    focus: float
    """How like the kind of thing asked for ("which treaty") the likest new word is."""
    lead_in: float
    """Share of words that are missing here but stand in the lead-in."""
    follow_up: float
    """... in the sentence after."""
    opening: float
    """... missing there too, but in the passage's first sentence, headings, title."""
    kind: float
    """Fitness for the wanted kind, if answers of that kind have a form of their own."""
    definition: float
    """1 when the sentence defines what the question asks about."""
    passage_score: float
    """The passage's score divided by the best passage's."""
    starts_asked: float
    """1 when its first content word is one of the question's."""
    pronoun_lead_in: float
    """`lead_in` of a sentence that starts with a pronoun, so that it continues the one before."""
    superlative: float
    """1 when both the question and the sentence name an extreme."""
    is_first: float
    """1 for the first sentence of a passage."""


class Scored(NamedTuple):
    """A candidate with its numbers."""

    candidate: Candidate
    features: Features
    covered: float
    """Share of the question's weight found in the sentence or its context, 0 to 1. Words that no candidate
    holds weigh twice here."""


def weights_of(question: Question, found: Sequence[Candidate]) -> dict[str, float]:
    """The weight of each term's key, above 0."""
    count = len(found)
    frequency = Counter(
        key
        for candidate in found
        for key in question.keys
        if key in candidate.keys or candidate.range_holds(key)
    )
    weights = {}
    for term in question.terms:
        holding = frequency[term.key]
        rarity = math.log(1 + (count - holding + 0.5) / (holding + 0.5))
        weight = 0.7 + 0.7 * rarity if holding else _ABSENT
        weights[term.key] = weight * (_LIGHT if term.is_light else 1.0)
    return weights


def score_features(
    question: Question,
    found: Sequence[Candidate],
    source_scores: Sequence[float],
    vectors: WordVectors,
) -> list[Scored]:
    """The numbers of each candidate, in the same order. `source_scores` are the passages' scores."""
    weights = weights_of(question, found)
    total = sum(weights.values()) or 1.0
    evidence_total = total + sum(
        weights[term.key] * (_ABSENT_EVIDENCE / _ABSENT - 1)
        for term in question.terms
        if not any(term.key in candidate.keys or candidate.range_holds(term.key) for candidate in found)
    )
    best_source = max(source_scores, default=0.0) or 1.0
    rows = [
        _features(question, candidate, like, weights, total, source_scores[candidate.source] / best_source)
        for candidate, like in zip(found, likenesses(question, found, vectors), strict=True)
    ]
    best_overlap = max((row.overlap for row, _ in rows), default=0.0) or 1.0
    return [
        Scored(candidate, row._replace(relative_overlap=row.overlap / best_overlap), covered / evidence_total)
        for candidate, (row, covered) in zip(found, rows, strict=True)
    ]


def _features(  # its covered weight comes second
    question: Question,
    candidate: Candidate,
    like: Likeness,
    weights: dict[str, float],
    total: float,
    source_score: float,
) -> tuple[Features, float]:
    matched = _match(question.terms, candidate, like, weights)
    starts_pronoun = bool(_PRONOUN.match(candidate.text))
    content = [word.key for word in candidate.words if not word.is_stop]
    row = Features(
        overlap=matched.same / total,
        relative_overlap=0.0,
        ordered=_ordered(question.terms, content, weights) / total,
        pairs=_pairs(question.terms, content, weights),
        root_overlap=matched.root / total,
        synonym_overlap=matched.synonym / total,
        likeness=matched.likeness / total,
        focus=like.focus,
        lead_in=matched.lead_in / total,
        follow_up=matched.follow_up / total,
        opening=matched.opening / total,
        kind=fitness(question.kind, candidate.text, candidate.words, question.keys),
        definition=_defines(question.defined, candidate),
        passage_score=source_score,
        starts_asked=float(bool(content) and content[0] in question.keys),
        pronoun_lead_in=starts_pronoun * matched.lead_in / total,
        superlative=float(question.is_superlative and is_superlative(candidate.text)),
        is_first=float(candidate.position == 0),
    )
    return row, matched.covered


class _Matched(NamedTuple):
    """Weight of the question's words, by where they were found."""

    same: float
    root: float
    synonym: float
    likeness: float
    lead_in: float
    follow_up: float
    opening: float
    covered: float


def _match(
    terms: Sequence[Term], candidate: Candidate, like: Likeness, weights: dict[str, float]
) -> _Matched:
    same = derived = synonym = likeness = lead_in = follow_up = opening = covered = 0.0
    roots = {root(key) for key in candidate.keys}
    for term, alike in zip(terms, like.terms, strict=True):
        weight = weights[term.key]
        if term.key in candidate.keys or candidate.range_holds(term.key):
            same += weight
            covered += weight
            continue
        likeness += weight * alike
        if term.root in roots:
            derived += weight
        elif term.related & candidate.keys:
            synonym += weight
        else:
            in_lead_in, in_opening = term.key in candidate.lead_in, term.key in candidate.opening
            lead_in += weight * in_lead_in
            opening += weight * (in_opening and not in_lead_in and candidate.position > 0)
            follow_up += weight * (not in_lead_in and term.key in candidate.follow_up)
            if not (in_lead_in or in_opening):
                continue
        covered += weight
    return _Matched(same, derived, synonym, likeness, lead_in, follow_up, opening, covered)


def _ordered(terms: Sequence[Term], content: Sequence[str], weights: dict[str, float]) -> float:
    """Weight of the heaviest common subsequence of the question's and the sentence's content words."""
    asked = {term.key for term in terms}
    best = [0.0] * (len(terms) + 1)
    for key in content:
        if key not in asked:
            continue
        row = best[:]
        for at, term in enumerate(terms):
            here = best[at] + weights[key] if term.key == key else 0.0
            row[at + 1] = max(row[at], best[at + 1], here)
        best = row
    return best[-1]


def _pairs(terms: Sequence[Term], content: Sequence[str], weights: dict[str, float]) -> float:
    places: dict[str, list[int]] = {}
    for place, key in enumerate(content):
        places.setdefault(key, []).append(place)
    found = total = 0.0
    for first, second in pairwise(terms):
        weight = (weights[first.key] + weights[second.key]) / 2
        total += weight
        gaps = [
            later - earlier for earlier in places.get(first.key, ()) for later in places.get(second.key, ())
        ]
        if 1 in gaps:
            found += weight
        elif any(abs(gap) <= _NEAR for gap in gaps):
            found += weight * _FAR_PAIR
    return found / total if total else 0.0


def _defines(defined: Sequence[str], candidate: Candidate) -> float:
    """1 for "X is ...", 0.3 for a sentence that merely starts with X, else 0."""
    if not defined or _CONDITION.match(candidate.text):
        return 0.0
    lead = [word.key for word in candidate.words[: len(defined) + 6]]
    if any(key not in lead for key in defined):
        return 0.0
    last = max(lead.index(key) for key in defined)
    return 1.0 if _COPULA.match(candidate.text[candidate.words[last].end :]) else 0.3
