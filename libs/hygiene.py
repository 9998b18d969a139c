"""Foreign text made fit to be worked on: no hidden characters, one spelling, one line where one is meant."""

from __future__ import annotations

import re
import unicodedata

_KEPT = "\n\t\u200c\u200d"  # Persian and emoji need the joiners
_LINE_ENDINGS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_SELECTORS = ("\U000e0100", "\U000e01ef")  # variation selectors that can carry hidden text
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def without_hidden(text: str) -> str:
    """`text` without control and invisible format characters; line ends become `\\n`.

    Bidirectional controls, tag characters, zero-width spaces, unpaired surrogates and private-use
    variation selectors go, tabs, line feeds and the two joiners stay.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDINGS.sub("\n", text)
    return "".join(character for character in text if character in _KEPT or not _is_hidden(character))


def clean_question(text: str) -> str:
    """A question or a search as it is worked on: one line, NFC like the documents, nothing hidden.

    Control characters become blanks, so that words they kept apart stay apart.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    plain = without_hidden(_CONTROL.sub(" ", _LINE_ENDINGS.sub(" ", text)))
    return unicodedata.normalize("NFC", plain).strip()


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") or (
        _SELECTORS[0] <= character <= _SELECTORS[1]
    )
