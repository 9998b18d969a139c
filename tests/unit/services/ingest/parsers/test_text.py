"""Plain text."""

from __future__ import annotations

import pytest

from services.ingest.model import DocumentType
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.text import parse


def test_text_is_decoded_and_normalised() -> None:
    """No structure, no title, no pages."""
    parsed = parse("\ufeffGröße\r\n\r\nzwei\x00".encode())
    assert parsed.text == "Größe\n\nzwei"
    assert (parsed.type, parsed.title, parsed.pages, parsed.sections) == (DocumentType.TEXT, "", (), ())


def test_what_is_no_text_is_refused() -> None:
    """With the reason that says so."""
    with pytest.raises(ParseError) as caught:
        parse(bytes(range(128, 256)) * 40)
    assert caught.value.reason == "UNKNOWN_TEXT_ENCODING"
