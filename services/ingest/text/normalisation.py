"""The normalised form of text: what is stored, cited, and counted by every offset.

NFC; line ends are `\\n`; no control characters but `\\n` and `\\t`; no invisible format characters that
hide or reorder text; typographic ligatures and odd spaces replaced by plain letters and spaces; no blanks
at line ends; runs of blank lines and blanks bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

REVISION = 1
"""Raised when the same bytes would give another text: a new revision makes new versions of documents."""

_LINE_ENDS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_DROPPED = (
    (0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x9F),  # control characters
    (0xAD, 0xAD), (0x200B, 0x200B), (0x2060, 0x2064), (0xFEFF, 0xFEFF),  # soft hyphen, zero width, BOM
    (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x206F),  # direction marks and overrides
    (0xFDD0, 0xFDEF), (0xFFF9, 0xFFFB), (0xFFFE, 0xFFFF),  # noncharacters, annotation marks
    (0xE0000, 0xE007F),  # tag characters: text that people cannot see but a model reads
)  # fmt: skip
_SPACES = (
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
_UNPAIRED_SURROGATES = ((0xD800, 0xDFFF),)


def _codes(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    return (code for first, last in ranges for code in range(first, last + 1))


_LIGATURE_RANGE = (0xFB00, 0xFB06)
_LIGATURES = dict(zip(_codes((_LIGATURE_RANGE,)), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True))


_REPLACEMENTS: dict[int, str] = {
    **dict.fromkeys(_codes(_DROPPED), ""),
    **dict.fromkeys(_codes(_SPACES), " "),
    **dict.fromkeys(_codes(_UNPAIRED_SURROGATES), "\ufffd"),
    **_LIGATURES,
}
# Only the stretches that need it are translated: `str.translate` looks up every character of a text that
# is not ASCII, which takes ten times as long as the search.
_SPECIAL = re.compile(
    "["
    + "".join(
        f"{re.escape(chr(first))}-{re.escape(chr(last))}"
        for first, last in (*_DROPPED, *_SPACES, *_UNPAIRED_SURROGATES, _LIGATURE_RANGE)
    )
    + "]+"
)

_BLANK_LINES = re.compile(r"\n{4,}")
_LONG_BLANKS = re.compile(r"[ \t]{65,}")


def clean_characters(text: str) -> str:
    """Normalises characters, leaving blanks and lines as they are but for the form of line ends."""
    text = _LINE_ENDS.sub("\n", text.replace("\r\n", "\n"))
    text = _SPECIAL.sub(lambda match: match.group().translate(_REPLACEMENTS), text)
    return unicodedata.normalize("NFC", text)


def clean(text: str) -> str:
    """The normalised form of `text`, without blank lines at both ends.

    At most two blank lines in a row and 64 blanks in a row are kept, so that no file makes us store or
    send megabytes of nothing. `clean(clean(x)) == clean(x)`.
    """
    text = clean_characters(text)
    text = _LONG_BLANKS.sub(" " * 64, text)
    text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    text = _BLANK_LINES.sub("\n\n\n", text)
    return text.strip("\n")


def one_line(text: str, max_characters: int) -> str:
    """`text` as a single line of at most `max_characters`, for titles and headings."""
    joined = " ".join(clean_characters(text).split())
    if len(joined) <= max_characters:
        return joined
    return joined[: max_characters - 1].rstrip() + "…"
