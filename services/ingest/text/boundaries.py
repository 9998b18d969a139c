"""Where a text may be cut: the ends of paragraphs, sentences, lines, clauses, words, user-perceived letters.

Every function looks at a window of the text only, so that a caller who asks once per chunk stays linear in
the length of the text, whatever the text is.
"""

from __future__ import annotations

import re
import unicodedata

# Sentence_Terminal=Yes of the Unicode Character Database (PropList.txt) for the scripts in daily use, with
# the ellipsis and the Tibetan and Khmer marks added. Full stops of scripts that put a space after them
# count only before one ("3.14", "v1.2"); the others end a sentence wherever they stand.
_SPACED_STOPS = ".!?…‼‽⁇⁈⁉։؟۔।॥؝؞܀܁܂።፧፨᙮᠃᠉⸮⸼"
_UNSPACED_STOPS = "。！？｡．﹒﹖﹗၊။།༎។៕᪨᪩᪪᪫꓿꘎꘏꛳꛷꡶꡷"
_CLOSERS = "\"'”’»›)\\]」』】〉》）］｝〕"

_SENTENCE_END = re.compile(
    # The look-behind begins a match at the first stop of a run only: a page of "!!!!" stays linear.
    f"(?:(?<![{_SPACED_STOPS}])[{_SPACED_STOPS}]++[{_CLOSERS}]*+(?=\\s)|[{_UNSPACED_STOPS}]+[{_CLOSERS}]*)"
)
# A list item or a line of a table ends where the next one begins ("- ", "2. ", "(b) ", "3.1.2 ", "| ").
_ITEM_END = re.compile(
    r"\n(?=[ \t]*(?:[-*+•‣◦|]|\(?(?:\d{1,3}(?:\.\d{1,3}){0,8}|[A-Za-z]|[ivxlcIVXLC]{1,6})[.)]"
    r"|\d{1,3}(?:\.\d{1,3}){1,8})[ \t])"
)
_CELL_GAP = " | "
_CLAUSE_END = re.compile(r"[,;:—–](?=\s)|[，、；：،؛፣፤]")

_LONGEST_CLUSTER = 64
"""Code points: longer clusters are made to annoy, and are cut."""

_ZWJ = "\u200d"


def paragraph_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] where a blank line begins; -1 when there is none."""
    found = text.rfind("\n\n", low + 1, high + 2)
    return found if found <= high else -1


def item_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] just after a list item or a line of a table; -1 when there is none."""
    return _last(_ITEM_END, text, low, high)


def cell_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] where a table row ends, else a cell of one; -1 where no table is.

    Cells stand apart by ` | `; the bar stays with the cell before it.
    """
    gap = text.rfind(_CELL_GAP, max(low - 1, 0), high + 1)
    if gap < 0:
        return -1
    line = line_end(text, low, high)
    return line if line > low else gap + 2


def after_cell(text: str, position: int) -> bool:
    """Whether a cell of a table row ends at `position`."""
    return text.startswith(_CELL_GAP, max(position - 2, 0))


def sentence_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] just after a sentence; -1 when there is none."""
    return _last(_SENTENCE_END, text, low, high)


def line_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] where a line ends; -1 when there is none."""
    return text.rfind("\n", low + 1, high + 1)


def clause_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] just after a comma, colon or the like; -1 when there is none."""
    return _last(_CLAUSE_END, text, low, high)


def word_end(text: str, low: int, high: int) -> int:
    """The last place in (low, high] where white space begins or ends a word; -1 when there is none."""
    return max(text.rfind(blank, low + 1, high + 1) for blank in " \n\t")


def sentence_start(text: str, low: int, high: int) -> int:
    """The first place in [low, high) where a sentence begins after another one; -1 when there is none."""
    match = _SENTENCE_END.search(text, low, high)
    while match is not None:
        start = skip_blanks(text, match.end(), high)
        if start < high:
            return start
        match = _SENTENCE_END.search(text, match.end(), high)
    return -1


def word_start(text: str, low: int, high: int) -> int:
    """The first place in [low, high) where a word begins after white space; -1 when there is none."""
    for position in range(max(low, 1), high):
        if text[position - 1].isspace() and not text[position].isspace():
            return position
    return -1


_NOT_BLANK = re.compile(r"\S")


def skip_blanks(text: str, low: int, high: int) -> int:
    """The first place in [low, high) that is not white space; `high` when all of it is."""
    match = _NOT_BLANK.search(text, low, high)
    return match.start() if match else high


def trim_blanks(text: str, low: int, high: int) -> int:
    """The end of text[low:high] without the white space at its end."""
    # Slices keep this linear and quick for short spans and for megabytes of blanks alike.
    while high > low:
        start = max(low, high - 256)
        kept = len(text[start:high].rstrip())
        if kept:
            return start + kept
        high = start
    return low


def letter_start(text: str, position: int, low: int) -> int:
    """The last place in [low, position] that does not lie inside a user-perceived letter.

    An approximation of Unicode's extended grapheme clusters (UAX #29) by character properties: combining
    marks, joined emoji, skin tones, flags, Hangul letters in parts. `position` itself comes back when
    the cluster begins before `low` or is longer than 64 code points.
    """
    if position >= len(text) or (text[position].isascii() and text[position - 1].isascii()):
        return position
    floor = max(low, position - _LONGEST_CLUSTER)
    for candidate in range(position, floor, -1):
        if not _joined(text, candidate):
            return candidate
    return floor if floor == low and not _joined(text, floor) else position


def _last(pattern: re.Pattern[str], text: str, low: int, high: int) -> int:
    end = -1
    # The look-ahead needs the character after the window.
    for match in pattern.finditer(text, low, min(len(text), high + 1)):
        if match.end() > high:
            break
        if match.end() > low:
            end = match.end()
    return end


def _joined(text: str, position: int) -> bool:
    """Whether the characters on both sides of `position` belong to one letter."""
    if position <= 0 or position >= len(text):
        return False
    before, after = text[position - 1], text[position]
    if after == _ZWJ or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or (before == _ZWJ and not after.isspace()):
        return True
    if _is_flag_half(after) and _is_flag_half(before):
        # Flags are pairs: the place is inside one when an odd number of halves stands before it.
        run = 0
        while run < _LONGEST_CLUSTER and position - 1 - run >= 0 and _is_flag_half(text[position - 1 - run]):
            run += 1
        return run % 2 == 1
    # Hangul: a vowel or final part (U+1160-11FF) joins what stands before it.
    return "\u1160" <= after <= "\u11ff" and (
        "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    )


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
