"""One spelling for what is the same word."""

from __future__ import annotations

import unicodedata

_LATIN_MARKS = dict.fromkeys(range(0x0300, 0x0370))


def fold(text: str) -> str:
    """`text` without case, compatibility forms and Latin accents: `Café ﬁn` → `cafe fin`.

    The length may change: fold single words, never a text whose offsets matter.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", decomposed.translate(_LATIN_MARKS))
