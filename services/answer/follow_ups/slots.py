"""Puts what a follow-up names into the place of its like in the question before.

Only where there is exactly one such place: a question about something else than was asked is worse than
two questions in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.answer.follow_ups.fragment import Fragment
from services.answer.follow_ups.tokens import Kind, Token, tokenise
from services.answer.follow_ups.vocabulary import DETERMINERS, PREPOSITIONS

_PLACES = frozenset({"in", "at"})
_BEFORE_A_NOUN = (
    PREPOSITIONS | DETERMINERS | {"is", "are", "was", "were", "which", "what", "many", "much"}
) - {
    "this",
    "that",
    "to",
}
_PLAIN = (Kind.YEAR, Kind.MONTH, Kind.WEEKDAY, Kind.IDENTIFIER)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A piece that may be replaced."""

    start: int
    """Its first character, determiner included."""
    end: int
    before: Token | None
    """The preposition it stands behind; None when it stands behind none."""


def substitute(question: str, fragment: Fragment) -> str | None:
    """`question` with the fragment in the place of its like; None when it is not plain which that is."""
    tokens = tokenise(question)
    if fragment.year_step:
        return _other_year(question, tokens, fragment.year_step)
    if fragment.kind in _PLAIN:
        found = [_slot(tokens, i, i) for i, token in enumerate(tokens) if token.kind is fragment.kind]
        return _put(question, found, fragment, any_preposition=True)
    if fragment.kind is Kind.QUANTITY:
        return _put(question, _quantities(tokens, fragment), fragment, any_preposition=True)
    if fragment.kind is Kind.NAME:
        named = [slot for slot in _names(tokens) if slot.before is not None]
        if replaced := _put(question, named, fragment):
            return replaced
    if fragment.preposition:
        return _put(question, _phrases(question, tokens), fragment) if fragment.kind is Kind.COMMON else None
    heads = _same_heads(tokens, fragment)
    if len(heads) != 1:
        return None
    # The determiner that stands there serves the new noun, too.
    bare = fragment.text[fragment.words[0].start :]
    return question[: heads[0].start] + bare + question[heads[0].end :]


def _put(
    question: str, slots: Sequence[_Slot], fragment: Fragment, *, any_preposition: bool = False
) -> str | None:
    """Replaces the one slot that fits; with `any_preposition` the fragment brings its own along."""
    wanted = fragment.preposition
    fitting = [slot for slot in slots if any_preposition or not wanted or _same(slot.before, wanted)]
    if len(fitting) != 1:
        return None
    [slot] = fitting
    start, text = slot.start, fragment.text
    if any_preposition and wanted and slot.before is not None:
        start, text = slot.before.start, f"{wanted} {text}"
    return question[:start] + text + question[slot.end :]


def _same(before: Token | None, wanted: str) -> bool:
    if before is None:
        return False
    return before.lower == wanted or {before.lower, wanted} <= _PLACES


def _slot(tokens: Sequence[Token], first: int, last: int) -> _Slot:
    start = tokens[first].start
    index = first - 1
    if index >= 0 and tokens[index].lower in DETERMINERS:
        start = tokens[index].start
        index -= 1
    before = tokens[index] if index >= 0 and tokens[index].lower in PREPOSITIONS else None
    return _Slot(start, tokens[last].end, before)


def _other_year(question: str, tokens: Sequence[Token], step: int) -> str | None:
    years = [token for token in tokens if token.kind is Kind.YEAR]
    if len(years) != 1:
        return None
    [year] = years
    return f"{question[: year.start]}{int(year.text) + step}{question[year.end :]}"


def _quantities(tokens: Sequence[Token], fragment: Fragment) -> list[_Slot]:
    unit = _singular(fragment.words[1].lower)
    return [
        _slot(tokens, i, i + 1)
        for i in range(len(tokens) - 1)
        if tokens[i].text[0].isdigit() and _singular(tokens[i + 1].lower) == unit
    ]


def _names(tokens: Sequence[Token]) -> list[_Slot]:
    """Runs of words with capitals; the first word of a question has one anyway."""
    found = []
    index = 1
    while index < len(tokens):
        last = index
        while last < len(tokens) and tokens[last].kind is Kind.NAME:
            last += 1
        if last > index:
            found.append(_slot(tokens, index, last - 1))
        index = max(last, index) + 1
    return found


def _phrases(question: str, tokens: Sequence[Token]) -> list[_Slot]:
    """Common nouns behind a preposition, up to the next one or the question's end."""
    found = []
    for index, token in enumerate(tokens):
        if token.lower not in PREPOSITIONS:
            continue
        first = index + 1
        if first < len(tokens) and tokens[first].lower in DETERMINERS:
            first += 1
        last = first
        while last < len(tokens) and tokens[last].kind is Kind.COMMON:
            last += 1
        # A verb, a clause, a comma: the phrase may reach further than it seems.
        ends = last == len(tokens) or tokens[last].lower in PREPOSITIONS
        verbal = any(word.lower.endswith("ing") for word in tokens[first:last])
        comma = first < last and "," in question[tokens[first].start : tokens[last - 1].end]
        if last > first and ends and not verbal and not comma:
            found.append(_slot(tokens, first, last - 1))
    return found


def _same_heads(tokens: Sequence[Token], fragment: Fragment) -> list[_Slot]:
    """Nouns of the question that are told apart from the fragment by what stands before them.

    `annual leave` for `sick leave`. What stands before must itself stand behind a word that only a noun
    follows: in `may managers work` nothing is told apart.
    """
    head = _singular(fragment.words[-1].lower)
    if len(fragment.words) < 2 or fragment.words[-1].kind is None:
        return []
    found = []
    for last, token in enumerate(tokens):
        first = last
        while (
            first > 0
            and tokens[first - 1].kind in (Kind.COMMON, Kind.NAME)
            and not (first == 1 or tokens[first - 1].lower in _BEFORE_A_NOUN)
        ):
            first -= 1
        if _singular(token.lower) == head and 0 < first < last and tokens[first - 1].lower in _BEFORE_A_NOUN:
            found.append(_Slot(tokens[first].start, token.end, None))
    return found


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
