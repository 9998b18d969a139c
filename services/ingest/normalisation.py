"""The normalised form of text: what is stored, cited, and counted by every offset.

NFC; line ends are `\\n`; no control characters but `\\n` and `\\t`; no invisible format characters that
hide or reorder text; typographic ligatures and odd spaces replaced by plain letters and spaces; no blanks
at line ends; runs of blank lines and blanks bounded.
"""

from __future__ import annotations

import re
import unicodedata

REVISION = 1
"""Raised when the same bytes would give another text: a new revision makes new versions of documents."""

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")

# Everything `_REPLACEMENTS` has an opinion on. Written out as ranges because `re` scans a character class
# about ten times faster than `str.translate` looks up every character of non-ASCII text.
_SPECIAL = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters
    "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"  # spaces other than the plain one
    "\xad\u200b\u2060-\u2064\ufeff"  # soft hyphen, zero-width space, joiners and operators, BOM
    "\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction marks and overrides
    "\ufb00-\ufb06"  # Latin ligatures
    "\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"  # noncharacters, annotation marks
    "\ud800-\udfff"  # unpaired surrogates
    "\U000e0000-\U000e007f"  # tag characters: text that people cannot see but a model reads
    "]"
)
_LIGATURES = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
}
_SPACES = frozenset("\xa0\u1680\u202f\u205f\u3000") | {chr(code) for code in range(0x2000, 0x200B)}

_TRAILING_BLANKS = re.compile(r"[ \t]+(?=\n|\Z)")
_BLANK_LINES = re.compile(r"\n{4,}")
_LONG_BLANKS = re.compile(r"[ \t]{65,}")


def _replace(match: re.Match[str]) -> str:
    character = match.group()
    if character in _SPACES:
        return " "
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _LIGATURES.get(character, "")


def clean_characters(text: str) -> str:
    """Normalises characters, leaving blanks and lines as they are but for the form of line ends."""
    text = _LINE_ENDS.sub("\n", text)
    text = _SPECIAL.sub(_replace, text)
    return unicodedata.normalize("NFC", text)


def clean(text: str) -> str:
    """The normalised form of `text`, without blank lines at both ends.

    At most two blank lines in a row and 64 blanks in a row are kept, so that no file makes us store or
    send megabytes of nothing. `clean(clean(x)) == clean(x)`.
    """
    text = clean_characters(text)
    # Long runs first: the search for blanks at line ends is quadratic in the length of a run.
    text = _LONG_BLANKS.sub(" " * 64, text)
    text = _TRAILING_BLANKS.sub("", text)
    text = _BLANK_LINES.sub("\n\n\n", text)
    return text.strip("\n")


def one_line(text: str, max_characters: int) -> str:
    """`text` as a single line of at most `max_characters`, for titles and headings."""
    joined = " ".join(clean_characters(text).split())
    if len(joined) <= max_characters:
        return joined
    return joined[: max_characters - 1].rstrip() + "…"
