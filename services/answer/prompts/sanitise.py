"""Makes foreign text fit to stand inside a prompt's delimiters.

Documents, file names and questions are data. What could end the block they stand in, open another one
or hide from a human reader is taken out or spelled so that it is only text. This cannot stop a model
from believing what a document says; it makes sure that the model can tell where a document begins and
ends, and that a reader sees what the model sees.
"""

from __future__ import annotations

import re

from libs.hygiene import without_hidden

_TAGS = (
    "sources",
    "source",
    "turn",
    "documents",
    "document",
    "question",
    "context",
    "system",
    "instructions",
)
_JOINERS = "[\u200c\u200d\ufe00-\ufe0f]*"  # the invisible characters that are kept
_NAME = "|".join(_JOINERS.join(tag) for tag in _TAGS)
_OPENING = re.compile(rf"[<＜﹤](?=[\s/\u200c\u200d]*(?:{_NAME})(?![\w-])|\s*/|\|)", re.IGNORECASE)
_SPECIAL = re.compile(r"\|[>＞]")  # the end of a model's own control tokens: <|im_start|>
_HARMLESS = "‹"
_IN_ATTRIBUTE = str.maketrans('"<>＜＞', "'‹›‹›")


def document_text(text: str) -> str:
    """A document's text for a place between `<source ...>` and `</source>`.

    Besides what `without_hidden` takes out, the `<` of anything that looks like one of a prompt's tags, of
    any closing tag, and of a model's control tokens (`<|...|>`) becomes `‹`.
    """
    return _SPECIAL.sub("|›", _OPENING.sub(_HARMLESS, without_hidden(text)))


def attribute(text: str) -> str:
    """A file name or title for a quoted attribute: one line, no quotation mark, no angle bracket."""
    line = " ".join(without_hidden(text).split())
    return line.translate(_IN_ATTRIBUTE)
