"""The choice: which sentences answer, in which order, or that none does."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.extraction.candidates import Candidate, SourceText, candidates, keys_of
from services.answer.extraction.confidence import Signals, confidence_of, signals
from services.answer.extraction.features import Scored, score_features
from services.answer.extraction.figures import speaks_of
from services.answer.extraction.likeness import WordVectors
from services.answer.extraction.names import Mentions
from services.answer.extraction.question import Question, analyse
from services.answer.extraction.weights import utility

_YES_NO = re.compile(
    r"\s*(?:is|are|am|was|were|do|does|did|can|could|may|must|shall|should|will|has|have)\b", re.I
)
_NEAR_DUPLICATE = 0.8  # Jaccard similarity of words from which a second sentence says the same again


@dataclass(frozen=True, slots=True)
class SelectionPolicy:
    """When a sentence is good enough."""

    max_sentences: int = 2
    """At most so many sentences, 1 or more."""
    min_evidence: float = 0.3
    """Least evidence (see `evidence_of`) for answering at all; docs/answers.md shows what it refuses."""
    min_confidence: float = 0.0
    """Least probability of being right (see `confidence_of`) for answering; docs/answers.md shows what each
    value refuses."""
    max_utility_gap: float = 4.0
    """A further sentence must be at least exp(-gap) times as likely as the best one. At 4, a second
    sentence is added to three answers of four, and leaving it out of the fourth costs 0.1 % of gold spans."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A chosen sentence: `sources[source].text[start:end]`."""

    source: int
    """Index of its passage."""
    start: int
    """First character in the passage's text, code points."""
    end: int
    """One past its last character."""
    header: tuple[int, int] | None
    """For a table row, where its header row stands."""
    is_row: bool
    """Whether it is a table row, list item or field: something that stands on a line of its own."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen sentences in reading order; none when nothing answers."""

    picks: tuple[Pick, ...]
    """At most `max_sentences`."""
    evidence: float
    """How far the best sentence is about what was asked, 0 to 1; see `evidence_of`."""
    confidence: float
    """Probability that the best sentences hold the answer, 0 to 1, also when they are not good enough."""


@dataclass(frozen=True, slots=True)
class Considered:
    """All that may answer a question, before any choice."""

    text: str
    """The question as asked."""
    question: Question
    sources: tuple[SourceText, ...]
    """The passages."""
    found: tuple[Candidate, ...]
    """Every candidate."""
    scored: tuple[Scored, ...]
    """Those that do not only repeat the question."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The sentences that answer best, good enough or not."""

    indices: tuple[int, ...]
    """Of `Considered.scored`, best first; at least one."""
    signals: Signals
    """What speaks for and against them."""
    states_figures: bool
    """Whether the best one's passage may speak of the years, versions, codes and clauses in the question."""
    mentions_names: bool
    """Whether some passage mentions each name in the question."""
    evidence: float
    """See `evidence_of`."""


def consider(question: str, sources: Sequence[SourceText], vectors: WordVectors) -> Considered:
    """Finds and scores the sentences of `sources` that may answer `question`."""
    asked = analyse(question)
    found = candidates(sources)
    scores = [source.score for source in sources]
    scored = score_features(asked, found, scores, vectors) if asked.terms else []
    if not _YES_NO.match(question):
        # What only repeats the question does not answer it: titles, labels, lead-ins.
        scored = [item for item in scored if not item.candidate.only_repeats(asked.keys)]
    return Considered(question, asked, tuple(sources), tuple(found), tuple(scored))


def choose(considered: Considered, utilities: Sequence[float], policy: SelectionPolicy) -> Choice:
    """The best sentences by `utilities`, one for each of `considered.scored`, of which there must be one."""
    order = sorted(range(len(utilities)), key=lambda at: (-utilities[at], at))
    chosen = _choose(order, considered, utilities, policy)
    best = considered.scored[order[0]]
    source = considered.sources[best.candidate.source]
    return Choice(
        tuple(chosen),
        signals(
            considered.question,
            considered.text,
            best,
            considered.found,
            utility=utilities[order[0]],
            probability=_probability(chosen, utilities),
            passage_score=source.score,
        ),
        speaks_of(considered.question.figures, _whole(source), map(_whole, considered.sources)),
        _mentions_names(considered),
        evidence_of(best, source.score),
    )


def select(
    question: str, sources: Sequence[SourceText], policy: SelectionPolicy, vectors: WordVectors
) -> Selection:
    """Picks the sentences of `sources` that answer `question`."""
    considered = consider(question, sources, vectors)
    scored = considered.scored
    if not scored:
        return Selection((), 0.0, 0.0)
    choice = choose(considered, [utility(item.features) for item in scored], policy)
    confidence = confidence_of(choice.signals)
    if not (
        choice.states_figures
        and choice.mentions_names
        and choice.evidence >= policy.min_evidence
        and confidence >= policy.min_confidence
    ):
        return Selection((), choice.evidence, confidence)
    order = _reading_order(choice.indices, scored)
    return Selection(tuple(_pick(scored[at].candidate) for at in order), choice.evidence, confidence)


def evidence_of(best: Scored, passage_score: float) -> float:
    """How far the best sentence is about what was asked: the mean of two shares, 0 to 1.

    What it and its context hold of the question, and how relevant the search found its passage. Either alone
    is fooled: words that stand everywhere cover a question, and a passage has other sentences.
    """
    return (best.covered + passage_score) / 2


def _mentions_names(considered: Considered) -> bool:
    known = keys_of(considered.found) if considered.question.names else frozenset()
    unseen = [name for name in considered.question.names if name.key not in known]
    if not unseen:
        return True  # as a rule, and taking all passages apart once more costs milliseconds
    mentions = Mentions(map(_whole, considered.sources))
    return all(map(mentions.hold, unseen))


def _whole(source: SourceText) -> str:
    return f"{source.title} {source.headings} {source.text}"


def _choose(
    order: Sequence[int], considered: Considered, utilities: Sequence[float], policy: SelectionPolicy
) -> list[int]:
    scored = considered.scored
    chosen = [order[0]]
    best = scored[order[0]].candidate
    for at in order[1:]:
        if (
            len(chosen) == policy.max_sentences
            or utilities[order[0]] - utilities[at] > policy.max_utility_gap
            or _is_other_row(scored[at].candidate, best, considered.question.keys)
        ):
            break
        if all(
            _similarity(scored[at].candidate, scored[other].candidate) < _NEAR_DUPLICATE for other in chosen
        ):
            chosen.append(at)
    return chosen


def _is_other_row(candidate: Candidate, best: Candidate, asked: frozenset[str]) -> bool:
    """Whether it is a row of the same table that says less of what was asked: that of Porto beside Paris.

    Or a field of the same label.
    """
    if not best.columns or candidate.columns != best.columns:
        return False
    return candidate.holds(asked) < best.holds(asked)


def _similarity(one: Candidate, other: Candidate) -> float:
    first, second = ({word.key for word in each.words} for each in (one, other))
    return len(first & second) / len(first | second)


def _reading_order(chosen: Sequence[int], scored: Sequence[Scored]) -> list[int]:
    """The best sentence's passage first; within a passage, as it stands there."""
    sources = list(dict.fromkeys(scored[at].candidate.source for at in chosen))
    return sorted(
        chosen,
        key=lambda at: (sources.index(scored[at].candidate.source), scored[at].candidate.sentence.start),
    )


def _pick(candidate: Candidate) -> Pick:
    sentence, header = candidate.sentence, candidate.header
    return Pick(
        source=candidate.source,
        start=sentence.start,
        end=sentence.end,
        header=(header.start, header.end) if header else None,
        is_row=sentence.kind.stands_alone,
    )


def _probability(chosen: Sequence[int], utilities: Sequence[float]) -> float:
    top = max(utilities)
    odds = [math.exp(value - top) for value in utilities]
    return sum(odds[at] for at in chosen) / sum(odds)
