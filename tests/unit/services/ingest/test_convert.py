"""Between the messages of uploads and our own types."""

from __future__ import annotations

import math

import pytest

from docuquery.common.v1 import document_pb2, upload_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from libs.errors import DocuQueryError
from services.ingest import convert
from services.ingest.model import DocumentType
from services.ingest.store import convert_retrieval
from services.ingest.uploads.model import (
    DataPart,
    Done,
    Event,
    Failed,
    FooterPart,
    HeaderPart,
    IfExists,
    Indexed,
    Parsed,
    Progress,
    Received,
    RefusedPart,
    UploadResult,
)


def header(**fields: object) -> upload_pb2.UploadHeader:
    return upload_pb2.UploadHeader(**{"filename": "a.txt", **fields})


def test_defaults_are_filled_in() -> None:
    """Source from the file name, REPLACE, type to be detected."""
    made = convert.header_from_proto(header())
    assert (made.filename, made.source, made.declared_type) == ("a.txt", "a.txt", None)
    assert (made.if_exists, made.size_bytes, made.password) == (IfExists.REPLACE, 0, "")


def test_absent_metadata_stays_absent_on_its_way_to_the_store() -> None:
    """An empty one is another thing: it takes away what the document has."""
    for sent, expected in ((header(), False), (header(metadata={}), True)):
        made = convert.header_from_proto(sent)
        begin = convert_retrieval.begin_attempt_to_proto(made, None, 0, "")
        assert begin.HasField("metadata") is expected


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("dir/a.txt", "a.txt"),
        ("C:\\docs\\a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        (" a.txt ", "a.txt"),
    ],
)
def test_folders_are_dropped_from_file_names(given: str, kept: str) -> None:
    """Whatever the caller's system writes between them; the source stays as given."""
    assert convert.header_from_proto(header(filename=given)).filename == kept
    assert convert.header_from_proto(header(filename=given, source=given)).source == given


def test_every_fault_of_a_header_is_named_at_once() -> None:
    """Seven fields, seven violations."""
    bad = header(
        filename="n\x00" + "n" * 300,
        source="s" * 1025,
        type=99,
        if_exists=77,
        size_bytes=-1,
        password="p" * 1025,
    )
    bad.metadata.update({"key": "v" * 20_000})
    with pytest.raises(DocuQueryError) as caught:
        convert.header_from_proto(bad)
    assert caught.value.reason_name == "INVALID_REQUEST"
    assert {violation.field for violation in caught.value.violations} == {
        "header.filename",
        "header.source",
        "header.type",
        "header.if_exists",
        "header.size_bytes",
        "header.password",
        "header.metadata",
    }


def test_metadata_must_be_json() -> None:
    """NaN is not."""
    bad = header()
    bad.metadata.update({"x": math.nan})
    with pytest.raises(DocuQueryError, match="metadata"):
        convert.header_from_proto(bad)


@pytest.mark.parametrize("limit", ["filename", "source"])
def test_the_longest_names_allowed_are_taken(limit: str) -> None:
    """The limits themselves are fine."""
    longest = {"filename": "n" * 255} if limit == "filename" else {"source": "s" * 1024}
    assert convert.header_from_proto(header(**longest))


def part(**fields: object) -> object:
    return convert.part_from_proto(ingest_pb.IngestDocumentsRequest(**{"upload_id": "u", **fields}))


def test_each_part_has_its_type() -> None:
    """Header, data, footer."""
    assert isinstance(part(header=header()), HeaderPart)
    assert part(data=b"x") == DataPart("u", b"x")
    assert part(footer=upload_pb2.UploadFooter(sha256="ab")) == FooterPart("u", "ab")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION),
        ({"data": b"x" * (1024 * 1024 + 1)}, reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION),
        ({"header": upload_pb2.UploadHeader()}, reasons.ERROR_REASON_INVALID_REQUEST),
        ({"upload_id": "", "data": b"x"}, reasons.ERROR_REASON_INVALID_REQUEST),
        ({"upload_id": "u" * 129, "data": b"x"}, reasons.ERROR_REASON_INVALID_REQUEST),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_for_its_document(
    fields: dict[str, object], reason: int
) -> None:
    """The stream goes on; the id is cut to a bearable length."""
    refused = part(**fields)
    assert isinstance(refused, RefusedPart)
    assert refused.error.reason == reason
    assert len(refused.upload_id) <= 128


def test_a_password_shows_in_no_representation() -> None:
    """Neither of the header nor of what carries it."""
    made = part(header=header(password="sesame"))
    assert "sesame" not in repr(made)


@pytest.mark.parametrize(
    "event",
    [
        Received(7),
        Parsed(DocumentType.PDF, 3, 9),
        Indexed(4, 9),
        Done(UploadResult.REPLACED, document_pb2.Document(document_id="d")),
        Failed(DocuQueryError(reasons.ERROR_REASON_NO_TEXT, "No text.")),
    ],
)
def test_every_event_has_a_message(event: Event) -> None:
    """With upload id and document id beside it."""
    message = convert.progress_to_proto(Progress("u", "d", event))
    assert (message.upload_id, message.document_id) == ("u", "d")
    assert message.progress.WhichOneof("event") == type(event).__name__.lower()


def test_failures_say_whether_a_retry_can_help() -> None:
    """From the table of reasons."""
    for reason, retryable in ((reasons.ERROR_REASON_NO_TEXT, False), (reasons.ERROR_REASON_OVERLOADED, True)):
        assert convert.error_to_proto(DocuQueryError(reason, "x")).retryable is retryable


def fate(kind: document_pb2.DocumentType.ValueType) -> str:
    """What becomes of a header that declares `kind`."""
    try:
        made = convert.header_from_proto(header(type=kind))
    except DocuQueryError as error:
        return error.reason_name
    return str(made.declared_type)


def test_every_type_policy_and_result_of_the_contract_is_known() -> None:
    """A type nobody reads yet is refused as such; a new policy or result must be dealt with here."""
    fates = {kind: fate(kind) for kind in document_pb2.DocumentType.values()}
    assert fates.pop(document_pb2.DOCUMENT_TYPE_UNSPECIFIED) == "None"
    assert set(fates.values()) <= {*map(str, DocumentType), "UNSUPPORTED_DOCUMENT_TYPE"}
    assert set(map(str, DocumentType)) <= set(fates.values())
    for policy in document_pb2.IfExistsPolicy.values():
        convert.header_from_proto(header(if_exists=policy))
    known = {r for r in document_pb2.UploadResult.values() if r != document_pb2.UPLOAD_RESULT_UNSPECIFIED}
    assert {convert_retrieval.result_from_proto(r) for r in known} == set(UploadResult)
