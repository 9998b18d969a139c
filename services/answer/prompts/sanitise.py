"""Makes foreign text fit to stand inside a prompt's delimiters.

Documents, file names and questions are data. What could end the block they stand in, open another one
or hide from a human reader is taken out or spelled so that it is only text. This cannot stop a model
from believing what a document says; it makes sure that the model can tell where a document begins and
ends, and that a reader sees what the model sees.
"""

from __future__ import annotations

import re
import unicodedata

_TAGS = ("sources", "source", "documents", "document", "question", "context", "system", "instructions")
_JOINERS = "[\u200c\u200d\ufe00-\ufe0f]*"  # the invisible characters that are kept
_NAME = "|".join(_JOINERS.join(tag) for tag in _TAGS)
_OPENING = re.compile(rf"[<＜﹤](?=[\s/\u200c\u200d]*(?:{_NAME})(?![\w-])|\s*/|\|)", re.IGNORECASE)
_SPECIAL = re.compile(r"\|[>＞]")  # the end of a model's own control tokens: <|im_start|>
_HARMLESS = "‹"
_IN_ATTRIBUTE = str.maketrans('"<>＜＞', "'‹›‹›")
_KEPT = "\n\t\u200c\u200d"  # Persian and emoji need the joiners
_LINE_ENDINGS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_SELECTORS = ("\U000e0100", "\U000e01ef")  # variation selectors that can carry hidden text


def clean(text: str) -> str:
    """`text` without control and invisible format characters; line ends become `\\n`.

    Bidirectional controls, tag characters, zero-width spaces, unpaired surrogates and private-use
    variation selectors go, tabs, line feeds and the two joiners stay.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_ENDINGS.sub("\n", text)
    return "".join(character for character in text if character in _KEPT or not _is_hidden(character))


def document_text(text: str) -> str:
    """A document's text for a place between `<source ...>` and `</source>`.

    Besides what `clean` takes out, the `<` of anything that looks like one of a prompt's tags, of any
    closing tag, and of a model's control tokens (`<|...|>`) becomes `‹`.
    """
    return _SPECIAL.sub("|›", _OPENING.sub(_HARMLESS, clean(text)))


def attribute(text: str) -> str:
    """A file name or title for a quoted attribute: one line, no quotation mark, no angle bracket."""
    line = " ".join(clean(text).split())
    return line.translate(_IN_ATTRIBUTE)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs") or (
        _SELECTORS[0] <= character <= _SELECTORS[1]
    )
