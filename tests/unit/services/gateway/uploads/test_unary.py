"""UploadDocument over an ingest service in memory."""

from __future__ import annotations

import asyncio
import math

import pytest

from docuquery.common.v1.document_pb2 import DocumentType, IfExistsPolicy, UploadResult
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentRequest
from libs.errors import DocuQueryError
from services.gateway.uploads.proxy import UploadPolicy
from services.gateway.uploads.unary import PIECE_BYTES, UnaryUpload, pieces
from tests.unit.services.gateway.uploads.ingest_fake import DIED, FakeIngest, done, failed, received


def upload(ingest: FakeIngest, stall: float = 5) -> UnaryUpload:
    return UnaryUpload(ingest, UploadPolicy(stall_seconds=stall))


def request(size: int = 3) -> UploadDocumentRequest:
    message = UploadDocumentRequest(
        filename=" a.md ",
        content=bytes(index % 251 for index in range(size)),
        type=DocumentType.DOCUMENT_TYPE_MARKDOWN,
        source="wiki/a",
        if_exists=IfExistsPolicy.IF_EXISTS_POLICY_SKIP,
        password="s",
    )
    message.metadata["team"] = "hr"
    return message


async def test_it_waits_until_the_document_is_done() -> None:
    ingest = FakeIngest(obliging=True)
    result = await upload(ingest).run(request(), 30)
    assert result.result == UploadResult.UPLOAD_RESULT_CREATED
    assert result.document.document_id == "id-1"
    assert ingest.timeouts == [30]
    assert (ingest.caller_done, ingest.closed) == (True, 1)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_the_document_goes_out_in_pieces_between_header_and_footer(size: int) -> None:
    messages = list(pieces(request(size)))
    parts = [message.WhichOneof("part") for message in messages]
    assert parts == ["header", *["data"] * math.ceil(size / PIECE_BYTES), "footer"]
    assert all(len(message.data) <= PIECE_BYTES for message in messages)
    assert b"".join(message.data for message in messages) == request(size).content
    header = messages[0].header
    assert (header.filename, header.source, header.size_bytes, header.password) == (
        "a.md",
        "wiki/a",
        size,
        "s",
    )
    assert header.metadata["team"] == "hr"
    assert header.if_exists == IfExistsPolicy.IF_EXISTS_POLICY_SKIP


async def test_a_failed_document_becomes_the_call_s_error() -> None:
    ingest = FakeIngest()
    ingest.says(failed("1"), None)
    with pytest.raises(DocuQueryError) as error:
        await upload(ingest).run(request(), math.inf)
    assert (error.value.reason_name, error.value.message) == ("NO_TEXT", "No text.")
    assert ingest.closed == 1


async def test_an_error_after_the_last_word_changes_nothing() -> None:
    ingest = FakeIngest()
    ingest.says(done("1"), DIED)
    assert (await upload(ingest).run(request(), math.inf)).document.document_id == "id-1"


async def test_nor_does_silence_after_it() -> None:
    ingest = FakeIngest()
    ingest.says(done("1"))
    assert (await upload(ingest, stall=0.05).run(request(), math.inf)).document.document_id == "id-1"


@pytest.mark.parametrize("end", [DIED, None])
async def test_an_ingest_that_breaks_off_is_unavailable(end: DocuQueryError | None) -> None:
    ingest = FakeIngest()
    ingest.says(received("1"), end)
    with pytest.raises(DocuQueryError) as error:
        await upload(ingest).run(request(), math.inf)
    assert error.value.reason_name == "SERVICE_UNAVAILABLE"


async def test_a_silent_ingest_is_given_up() -> None:
    with pytest.raises(DocuQueryError) as error:
        await upload(FakeIngest(), stall=0.05).run(request(), math.inf)
    assert error.value.reason_name == "SERVICE_UNAVAILABLE"


async def test_cancelling_closes_the_stream() -> None:
    ingest = FakeIngest(write_slots=1)
    task = asyncio.create_task(upload(ingest).run(request(), math.inf))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ingest.closed == 1
