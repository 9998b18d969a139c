"""Chunks as they come in, checked against their text to the byte."""

from __future__ import annotations

from itertools import pairwise

from docuquery.common.v1 import text_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import Violations
from libs.text import ByteOffsets, utf8_length
from services.retrieval.indexing import Piece
from services.retrieval.model import Chunk, ChunkKey, PageRange, PageStart, Span

MAX_CHUNKS_PER_MESSAGE = 512
MAX_CHUNKS = 1_000_000
"""Of one document: 500 MB of text at the default chunk size."""


def piece_from_proto(request: pb.WriteChunksRequest) -> Piece:
    """The piece of text and its chunks.

    Raises INVALID_REQUEST, in particular for offsets that do not agree with the text: they would become
    wrong citations.
    """
    faults = Violations()
    text, whole = request.text, _span(request.text_span)
    faults.require(
        len(request.chunks) <= MAX_CHUNKS_PER_MESSAGE,
        "chunks",
        f"must be at most {MAX_CHUNKS_PER_MESSAGE}; send more messages",
    )
    faults.require(request.chunks_total >= 0, "chunks_total", "must be 0 or more")
    fits = (
        min(whole.char_start, whole.byte_start) >= 0
        and whole.char_end - whole.char_start == len(text) > 0
        and whole.byte_end - whole.byte_start == utf8_length(text)
    )
    faults.require(
        fits, "text_span", "must be the place of `text`: as many characters and UTF-8 bytes as it has, not 0"
    )
    faults.raise_if_any()
    offsets = ByteOffsets(text)
    seen: set[int] = set()
    chunks = []
    for index, message in enumerate(request.chunks):
        path = f"chunks[{index}]"
        faults.require(0 <= message.ordinal < MAX_CHUNKS, f"{path}.ordinal", f"must be 0 to {MAX_CHUNKS - 1}")
        faults.require(message.ordinal not in seen, f"{path}.ordinal", "must not be that of another chunk")
        seen.add(message.ordinal)
        chunks.append(_chunk(request, message, whole, offsets, faults, path))
    faults.raise_if_any()
    return Piece(text, whole, [chunk for chunk in chunks if chunk], request.chunks_total)


def _chunk(
    request: pb.WriteChunksRequest,
    message: pb.Chunk,
    whole: Span,
    offsets: ByteOffsets,
    faults: Violations,
    path: str,
) -> Chunk | None:
    span = _span(message.span)
    if not whole.char_start <= span.char_start < span.char_end <= whole.char_end:
        faults.add(f"{path}.span", "must be a piece of `text`, not empty")
        return None
    start, end = span.char_start - whole.char_start, span.char_end - whole.char_start
    exact = (whole.byte_start + offsets.at(start), whole.byte_start + offsets.at(end))
    faults.require(
        (span.byte_start, span.byte_end) == exact, f"{path}.span", "must have the same piece in UTF-8 bytes"
    )
    text = request.text[start:end]
    faults.require(bool(text.strip()), f"{path}.span", "must not be white space only")
    pages = PageRange(message.pages.first, message.pages.last) if message.HasField("pages") else None
    faults.require(
        pages is None or 1 <= pages.first <= pages.last, f"{path}.pages", "must be 1 <= first <= last"
    )
    starts = tuple(PageStart(page.page, page.char_start) for page in message.page_starts)
    ascending = all(a.page < b.page and a.char_start <= b.char_start for a, b in pairwise(starts))
    inside = all(span.char_start <= s.char_start < span.char_end and s.page >= 1 for s in starts)
    faults.require(ascending and inside, f"{path}.page_starts", "must ascend, and lie within the span")
    return Chunk(
        key=ChunkKey(request.attempt_token, message.ordinal),
        document_id=request.document_id,
        text=text,
        span=span,
        pages=pages,
        page_starts=starts,
        headings=tuple(message.headings),
        title=request.title,
    )


def _span(message: text_pb2.TextSpan) -> Span:
    return Span(message.char_start, message.char_end, message.byte_start, message.byte_end)
