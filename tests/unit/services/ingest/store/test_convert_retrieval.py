"""Between our own types and the messages of retrieval."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct

from docuquery.common.v1 import document_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval_pb
from libs.errors import DocuQueryError
from services.ingest.model import Chunk, DocumentType, PageStart
from services.ingest.pipeline import NothingToDo
from services.ingest.spool.parsed_file import Batch, ParsedSummary
from services.ingest.store import convert_retrieval
from services.ingest.uploads.model import Attempt, Header, IfExists, UploadResult


def test_the_announcement_to_retrieval_has_no_password() -> None:
    """Everything else goes along."""
    made = Header("a.txt", "s", None, IfExists.SKIP, Struct(), 0, "sesame")
    message = convert_retrieval.begin_attempt_to_proto(made, DocumentType.HTML, 12, "v")
    assert b"sesame" not in message.SerializeToString()
    assert (message.source, message.filename, message.size_bytes, message.version) == ("s", "a.txt", 12, "v")
    assert message.type == document_pb2.DOCUMENT_TYPE_HTML
    assert message.if_exists == document_pb2.IF_EXISTS_POLICY_SKIP


def test_retrievals_answers() -> None:
    """A token, nothing to do, or nonsense."""
    begun = convert_retrieval.begun_from_proto(
        retrieval_pb.BeginAttemptResponse(document_id="d", attempt_token="t")
    )
    assert begun == Attempt("d", "t")
    nothing = retrieval_pb.NothingToDo(
        result=document_pb2.UPLOAD_RESULT_SKIPPED, document=document_pb2.Document(document_id="d")
    )
    answer = convert_retrieval.begun_from_proto(
        retrieval_pb.BeginAttemptResponse(document_id="d", nothing_to_do=nothing)
    )
    assert isinstance(answer, NothingToDo)
    assert answer.result is UploadResult.SKIPPED
    for call in (
        lambda: convert_retrieval.begun_from_proto(retrieval_pb.BeginAttemptResponse(document_id="d")),
        lambda: convert_retrieval.result_from_proto(document_pb2.UPLOAD_RESULT_UNSPECIFIED),
    ):
        with pytest.raises(DocuQueryError) as caught:
            call()
        assert caught.value.reason_name == "INTERNAL"


def test_chunks_carry_spans_in_both_units_and_pages_where_there_are_any() -> None:
    """No page range for a format without pages."""
    paged = Chunk(3, 10, 14, 12, 16, 2, 3, (PageStart(3, 13),), ("A",))
    plain = Chunk(4, 14, 15, 16, 18, 0, 0, (), ())
    message = convert_retrieval.write_chunks_to_proto(
        Attempt("d", "t"),
        Batch("abcdé", 10, 12, 18, (paged, plain)),
        ParsedSummary("T", 3, 9, 99, 99, label="Label"),
    )
    span = message.text_span
    assert (span.char_start, span.char_end, span.byte_start, span.byte_end) == (10, 15, 12, 18)
    first, second = message.chunks
    assert (first.ordinal, first.span.char_start, first.span.byte_end) == (3, 10, 16)
    assert (first.pages.first, first.pages.last, list(first.headings)) == (2, 3, ["A"])
    assert (first.page_starts[0].page, first.page_starts[0].char_start) == (3, 13)
    assert not second.HasField("pages")
    assert (message.title, message.chunks_total) == ("Label", 9)
