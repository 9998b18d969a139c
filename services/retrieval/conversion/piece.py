"""Chunks as they come in, checked against their text to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from docuquery.common.v1 import text_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import Violations
from libs.text import ByteOffsets, utf8_length
from services.retrieval.conversion.enums import language_from_proto
from services.retrieval.indexing.indexer import Piece
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
    language_from_proto(request.language, faults)
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
        span = _span(message.span)
        problems = [*_ordinal_faults(message.ordinal, seen), *_span_faults(span, text, whole, offsets)]
        problems += _page_faults(message, span)
        for field, description in problems:
            faults.add(f"chunks[{index}].{field}", description)
        if not problems:
            piece = text[span.char_start - whole.char_start : span.char_end - whole.char_start]
            chunks.append(_chunk(request, message, span, piece))
        seen.add(message.ordinal)
    faults.raise_if_any()
    return Piece(text, whole, chunks, request.chunks_total)


_Fault = tuple[str, str]
"""A field of a chunk, and what is wrong with it."""


def _ordinal_faults(ordinal: int, seen: set[int]) -> Iterator[_Fault]:
    if not 0 <= ordinal < MAX_CHUNKS:
        yield "ordinal", f"must be 0 to {MAX_CHUNKS - 1}"
    if ordinal in seen:
        yield "ordinal", "must not be that of another chunk"


def _span_faults(span: Span, text: str, whole: Span, offsets: ByteOffsets) -> Iterator[_Fault]:
    if not whole.char_start <= span.char_start < span.char_end <= whole.char_end:
        yield "span", "must be a piece of `text`, not empty"
        return
    start, end = span.char_start - whole.char_start, span.char_end - whole.char_start
    exact = (whole.byte_start + offsets.at(start), whole.byte_start + offsets.at(end))
    if (span.byte_start, span.byte_end) != exact:
        yield "span", "must have the same piece in UTF-8 bytes"
    if text[start:end].isspace():
        yield "span", "must not be white space only"


def _page_faults(message: pb.Chunk, span: Span) -> Iterator[_Fault]:
    if message.HasField("pages") and not 1 <= message.pages.first <= message.pages.last:
        yield "pages", "must be 1 <= first <= last"
    starts = message.page_starts
    ascending = all(a.page < b.page and a.char_start <= b.char_start for a, b in pairwise(starts))
    inside = all(span.char_start <= s.char_start < span.char_end and s.page >= 1 for s in starts)
    if not (ascending and inside):
        yield "page_starts", "must ascend, and lie within the span"


def _chunk(request: pb.WriteChunksRequest, message: pb.Chunk, span: Span, text: str) -> Chunk:
    return Chunk(
        key=ChunkKey(request.attempt_token, message.ordinal),
        document_id=request.document_id,
        text=text,
        span=span,
        pages=PageRange(message.pages.first, message.pages.last) if message.HasField("pages") else None,
        page_starts=tuple(PageStart(page.page, page.char_start) for page in message.page_starts),
        headings=tuple(message.headings),
        title=request.title,
        language=request.language,
    )


def _span(message: text_pb2.TextSpan) -> Span:
    return Span(message.char_start, message.char_end, message.byte_start, message.byte_end)
