"""What is wrong with XML that the parser refused: damage, or more depth than is safe to read."""

from __future__ import annotations

from lxml import etree

from services.ingest.parsers.errors import ParseError, corrupt, limit_exceeded

MAX_XML_DEPTH = 256
"""Elements inside each other: libxml2's own limit unless it is told to trust the file (`huge_tree`)."""


def xml_fault(error: Exception, kind: str) -> ParseError:
    """The refusal for `error`, raised while a part of a `kind` file (`Word`) was read."""
    if isinstance(error, etree.XMLSyntaxError) and error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        return limit_exceeded(
            "nesting", MAX_XML_DEPTH, f"Its elements are nested more than {MAX_XML_DEPTH} deep."
        )
    return corrupt(kind)
