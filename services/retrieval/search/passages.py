"""A piece of a document's text with its surroundings: what a citation points at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.text import utf8_length
from services.retrieval.documents.lifecycle import document_not_found
from services.retrieval.model import Chunk, DocumentRecord, PageRange, Span
from services.retrieval.store.protocol import TextBlock
from services.retrieval.store.stores import Stores

MAX_CONTEXT_CHARACTERS = 5000
# A span between two chunks (white space the chunker dropped) still has the chunk before it within this.
_NEIGHBOURHOOD = 2000


@dataclass(frozen=True, slots=True)
class PassageRequest:
    """A span of a version of a document; an empty `version` is the live one."""

    document_id: str
    version: str
    char_start: int
    char_end: int
    context_characters: int


@dataclass(frozen=True, slots=True)
class PassageText:
    """The text of a span, what stands around it, and where it is."""

    record: DocumentRecord
    text: str
    before: str
    after: str
    span: Span
    pages: PageRange | None
    headings: tuple[str, ...]


class Passages:
    """Reads the stored text of live versions."""

    def __init__(self, stores: Stores) -> None:
        self._records = stores.records
        self._texts = stores.texts
        self._chunks = stores.chunks

    async def get(self, tenant: str, request: PassageRequest) -> PassageText:
        """The passage, cut to the text's length.

        Raises DOCUMENT_NOT_FOUND; PASSAGE_NOT_FOUND when the version is not (or no longer) the live one,
        or the span begins behind the text's end.
        """
        record = await self._records.get(tenant, request.document_id)
        if record is None:
            raise document_not_found()
        live = record.live
        if live is None:
            raise _not_found("This document has no searchable version yet, or its ingest failed.")
        if request.version not in ("", live.version):
            raise _not_found(
                "The document has changed since this passage was cited. Search again for the passage as it "
                "stands now."
            )
        if request.char_start >= live.character_count:
            raise _not_found(f"The document's text ends at character {live.character_count}.")
        start, end = request.char_start, min(request.char_end, live.character_count)
        first = max(0, start - request.context_characters)
        last = min(live.character_count, end + request.context_characters)
        blocks = await self._texts.read(tenant, live.attempt_id, first, last)
        chunks = await self._chunks.between(
            tenant, live.attempt_id, max(0, start - _NEIGHBOURHOOD), end + _NEIGHBOURHOOD
        )
        text, byte_first = stitch(blocks, first, last)
        if len(text) != last - first:  # deleted or replaced while we read
            raise _not_found("The document has changed while it was read. Try again.")
        before, inside, after = text[: start - first], text[start - first : end - first], text[end - first :]
        byte_start = byte_first + utf8_length(before)
        return PassageText(
            record=record,
            text=inside,
            before=before,
            after=after,
            span=Span(start, end, byte_start, byte_start + utf8_length(inside)),
            pages=pages_of(chunks, start, end),
            headings=headings_at(chunks, start),
        )


def stitch(blocks: Sequence[TextBlock], start: int, end: int) -> tuple[str, int]:
    """The text [start, end) out of blocks sorted by start, which may overlap; and the byte it begins at.

    The text is shorter than asked when the blocks leave a gap.
    """
    parts: list[str] = []
    position, byte_start = start, 0
    for block in blocks:
        if block.span.char_start > position:
            break
        if block.span.char_end <= position:
            continue
        skipped = position - block.span.char_start
        if not parts:
            byte_start = block.span.byte_start + utf8_length(block.text[:skipped])
        part = block.text[skipped : end - block.span.char_start]
        parts.append(part)
        position += len(part)
        if position >= end:
            break
    return "".join(parts), byte_start


def pages_of(chunks: Sequence[Chunk], start: int, end: int) -> PageRange | None:
    """Pages of [start, end), by the chunks around it in order; None where there are no pages."""
    first = _page_at(chunks, start)
    last = _page_at(chunks, end - 1)
    return PageRange(first, max(first, last)) if first and last else None


def _page_at(chunks: Sequence[Chunk], position: int) -> int | None:
    paged = [(chunk, chunk.pages) for chunk in chunks if chunk.pages]
    # White space before the first chunk belongs to the page that chunk begins on.
    page = paged[0][1].first if paged else None
    for chunk, pages in paged:
        if chunk.span.char_start > position:
            break
        begun = [start.page for start in chunk.page_starts if start.char_start <= position]
        # Of a chunk that ends before the position, the last page is the best there is to know.
        page = max(page or 0, max(begun, default=pages.first))
    return page


def headings_at(chunks: Sequence[Chunk], position: int) -> tuple[str, ...]:
    """Headings above `position`: those of the last chunk that begins at or before it."""
    before = [chunk for chunk in chunks if chunk.span.char_start <= position]
    return max(before, key=lambda chunk: chunk.span.char_start).headings if before else ()


def _not_found(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_PASSAGE_NOT_FOUND, message)
