"""How large a document may be when it is read: what keeps a small file from becoming a huge one."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.parsers.errors import limit_exceeded

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Limits of one document, handed to every parser. Time and memory are the worker's own limits."""

    max_pages: int = 10_000
    """PDF pages or slides."""
    max_characters: int = 64 * MIB
    """Code points of the normalised text."""
    max_archive_members: int = 10_000
    """Files in an Office or EPUB archive."""
    max_archive_bytes: int = 512 * MIB
    """All of an archive after decompression."""
    max_decompression_ratio: int = 200
    """Decompressed to compressed bytes of an archive; XML of real spreadsheets stays below 100."""
    max_nesting: int = 2048
    """HTML elements inside each other; libxml2 reads 2,048 at most. XML is never read deeper than 256."""

    def check_pages(self, count: int) -> None:
        """Raises ParseError PARSE_LIMIT_EXCEEDED (`pages`) for more than `max_pages`."""
        if count > self.max_pages:
            raise limit_exceeded(
                "pages", self.max_pages, f"It has more than {self.max_pages} pages ({count})."
            )

    def check_characters(self, count: int) -> None:
        """Raises ParseError PARSE_LIMIT_EXCEEDED (`characters`) for more than `max_characters`."""
        if count > self.max_characters:
            raise limit_exceeded(
                "characters",
                self.max_characters,
                f"Its text is longer than {self.max_characters} characters.",
            )


DEFAULT_LIMITS = ParseLimits()
