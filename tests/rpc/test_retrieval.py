"""The life of a document over real gRPC: begin, write, commit, find, replace, delete."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from docuquery.common.v1 import document_pb2, error_reason_pb2, passage_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import UNKNOWN_ID, Client, Draft, running

LEAVE = Draft(
    "handbook/leave.txt",
    [
        "Everyone has thirty days of annual leave in a calendar year.",
        "Parental leave lasts sixteen weeks and is paid in full.",
        "Señora Muñoz approves sabbaticals: naïve requests are refused — always. ✈",
    ],
    title="Leave policy",
)
VPN = Draft(
    "it/vpn.txt",
    ["Error VPN-12 means that the certificate has expired.", "Restart the client after renewing it."],
    title="Remote access",
)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as service:
        yield service


def reason_of(caught: pytest.ExceptionInfo[DocuQueryError]) -> str:
    return caught.value.reason_name


async def test_a_committed_document_is_found_with_exact_text_and_place(client: Client) -> None:
    """Text, code points, bytes, headings, title, ids and score of a passage are right."""
    reply = await client.upload(LEAVE)
    await client.upload(VPN)
    assert reply.result == document_pb2.UPLOAD_RESULT_CREATED
    assert reply.document.status == document_pb2.DOCUMENT_STATUS_INDEXED
    assert reply.document.live_version == LEAVE.version
    for mode in (passage_pb2.SEARCH_MODE_HYBRID, passage_pb2.SEARCH_MODE_SPARSE):
        best = (await client.search("Who approves sabbaticals?", mode=mode))[0]
        assert best.text == LEAVE.paragraphs[2]
        assert LEAVE.text[best.span.char_start : best.span.char_end] == best.text
        assert LEAVE.text.encode()[best.span.byte_start : best.span.byte_end].decode() == best.text
        assert (best.source, best.filename) == ("handbook/leave.txt", "leave.txt")
        assert (best.ordinal, best.version, best.title) == (2, LEAVE.version, "Leave policy")
        assert list(best.headings) == ["Section 2"]
        assert 0.2 < best.score <= 1.0
    dense = await client.search("time off for new parents", mode=passage_pb2.SEARCH_MODE_DENSE)
    assert dense[0].text == LEAVE.paragraphs[1]
    assert dense[0].score_parts.HasField("dense")
    assert not dense[0].score_parts.HasField("sparse")


async def test_nothing_is_seen_before_the_commit(client: Client) -> None:
    """Written chunks of an open attempt are not found, counted or shown."""
    begun = await client.begin(VPN)
    piece = VPN.piece(begun)
    piece.chunks_total = 3
    written = await client.call(piece)
    assert written.chunks_written == 2
    assert await client.search("VPN-12") == []
    document = await client.get(begun.document_id)
    assert document.status == document_pb2.DOCUMENT_STATUS_PROCESSING
    assert document.live_version == ""
    assert (document.latest_attempt.chunks_written, document.latest_attempt.chunks_total) == (2, 3)
    stats = await client.stats()
    assert (stats.processing_document_count, stats.chunk_count) == (1, 0)
    with pytest.raises(DocuQueryError) as caught:
        await client.call(pb.GetPassageRequest(document_id=begun.document_id, char_end=5))
    assert reason_of(caught) == "PASSAGE_NOT_FOUND"


async def test_the_last_piece_may_commit(client: Client) -> None:
    """And sent twice (the first reply was lost) it is answered alike."""
    begun = await client.begin(VPN)
    piece = VPN.piece(begun)
    completion = VPN.commit(begun)
    completion.document_id = completion.attempt_token = ""
    piece.commit.CopyFrom(completion)
    first, again = await client.call(piece), await client.call(piece)
    assert first.committed.result == document_pb2.UPLOAD_RESULT_CREATED
    assert again == first
    assert {p.document_id for p in await client.search("VPN-12")} == {begun.document_id}


async def test_the_same_bytes_again_are_unchanged(client: Client) -> None:
    """By BeginAttempt when it knows the version, by UpdateAttempt when it comes later."""
    first = await client.upload(LEAVE)
    again = await client.begin(LEAVE)
    assert again.nothing_to_do.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    assert again.nothing_to_do.document == first.document

    later = await client.begin(LEAVE, version="")
    update = pb.UpdateAttemptRequest(
        document_id=later.document_id,
        attempt_token=later.attempt_token,
        stage=document_pb2.INGEST_STAGE_PARSING,
        version=LEAVE.version,
    )
    reply = await client.call(update)
    assert reply.nothing_to_do.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    with pytest.raises(DocuQueryError) as caught:
        await client.call(LEAVE.piece(later))
    assert reason_of(caught) == "ATTEMPT_SUPERSEDED"
    assert len(await client.search("annual leave")) == 3


async def test_other_bytes_replace_the_version(client: Client) -> None:
    """After the commit only the new version is found; the document keeps id and create time."""
    first = await client.upload(LEAVE)
    changed = Draft(
        LEAVE.source, ["Everyone has forty days of annual leave."], title="Leave", metadata={"y": 2}
    )
    second = await client.upload(changed)
    assert second.result == document_pb2.UPLOAD_RESULT_REPLACED
    assert second.document.document_id == first.document.document_id
    assert second.document.create_time == first.document.create_time
    assert second.document.metadata["y"] == 2
    found = await client.search("annual leave days")
    assert [passage.text for passage in found] == list(changed.paragraphs)
    assert found[0].version == changed.version
    stats = await client.stats()
    assert (stats.indexed_document_count, stats.chunk_count) == (1, 1)
    assert stats.character_count == len(changed.text)
    assert (stats.embedder, stats.store) == ("local/wordllama-256", "edge")


async def test_policies_for_sources_that_exist(client: Client) -> None:
    """FAIL refuses and names the document, SKIP leaves it, whatever the bytes are; both go on without one."""
    other = Draft(VPN.source, ["Something else entirely."])
    skipped_first = await client.upload(VPN, if_exists=document_pb2.IF_EXISTS_POLICY_SKIP)
    with pytest.raises(DocuQueryError) as caught:
        await client.begin(other, if_exists=document_pb2.IF_EXISTS_POLICY_FAIL)
    assert reason_of(caught) == "DOCUMENT_ALREADY_EXISTS"
    assert caught.value.metadata == {"document_id": skipped_first.document.document_id}
    skipped = await client.begin(other, if_exists=document_pb2.IF_EXISTS_POLICY_SKIP)
    assert skipped.nothing_to_do.result == document_pb2.UPLOAD_RESULT_SKIPPED
    await client.upload(LEAVE, if_exists=document_pb2.IF_EXISTS_POLICY_FAIL)


async def test_a_later_attempt_takes_the_document_over(client: Client) -> None:
    """The first attempt can no longer write, commit or fail; the second goes through."""
    old = await client.begin(VPN)
    await client.call(VPN.piece(old, 0, 1))
    new = await client.begin(VPN)
    error = document_pb2.DocumentError(reason=error_reason_pb2.ERROR_REASON_NO_TEXT, message="No text.")
    for request in (
        VPN.piece(old, 1, 2),
        VPN.commit(old),
        pb.FailAttemptRequest(document_id=old.document_id, attempt_token=old.attempt_token, error=error),
        pb.UpdateAttemptRequest(document_id=old.document_id, attempt_token=old.attempt_token),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await client.call(request)
        assert reason_of(caught) == "ATTEMPT_SUPERSEDED"
        assert caught.value.retryable
    assert (await client.call(VPN.piece(new))).chunks_written == 2
    await client.call(VPN.commit(new))
    assert len(await client.search("certificate")) == 2


async def test_a_delete_ends_the_attempt_and_is_immediate(client: Client) -> None:
    """The delete says how many live chunks went; a search right after it finds none of them."""
    reply = await client.upload(LEAVE)
    document_id = reply.document.document_id
    attempt = await client.begin(Draft(LEAVE.source, ["New text."]))
    assert await client.delete(document_id) == 3
    assert await client.search("annual leave") == []
    with pytest.raises(DocuQueryError) as caught:
        await client.call(Draft(LEAVE.source, ["New text."]).piece(attempt))
    assert reason_of(caught) == "ATTEMPT_SUPERSEDED"
    for call in (client.get(document_id), client.delete(document_id)):
        with pytest.raises(DocuQueryError) as caught:
            await call
        assert reason_of(caught) == "DOCUMENT_NOT_FOUND"
    assert (await client.upload(LEAVE)).result == document_pb2.UPLOAD_RESULT_CREATED
    assert len(await client.search("annual leave")) == 3


async def test_a_failed_attempt_is_shown_and_leaves_the_live_version(client: Client) -> None:
    """A first version that fails shows FAILED with its reason; a later one does not hide what is live."""
    error = document_pb2.DocumentError(
        reason=error_reason_pb2.ERROR_REASON_NO_TEXT, message="The file holds no text.", retryable=False
    )
    begun = await client.begin(VPN, version="")
    fail = pb.FailAttemptRequest(
        document_id=begun.document_id, attempt_token=begun.attempt_token, error=error
    )
    for _ in range(2):  # repeating is harmless
        document = (await client.call(fail)).document
        assert document.status == document_pb2.DOCUMENT_STATUS_FAILED
        assert document.latest_attempt.error == error
    listed = await client.list(statuses=[document_pb2.DOCUMENT_STATUS_FAILED])
    assert [d.document_id for d in listed] == [begun.document_id]
    assert (await client.stats()).failed_document_count == 1

    await client.upload(VPN)
    begun = await client.begin(Draft(VPN.source, ["Other."]))
    fail = pb.FailAttemptRequest(
        document_id=begun.document_id, attempt_token=begun.attempt_token, error=error
    )
    document = (await client.call(fail)).document
    assert document.status == document_pb2.DOCUMENT_STATUS_INDEXED
    assert document.latest_attempt.status == document_pb2.DOCUMENT_STATUS_FAILED
    assert document.size_bytes == len(VPN.text.encode())
    assert len(await client.search("certificate")) == 2
    assert (await client.stats()).failed_document_count == 0


async def test_writing_and_committing_twice_changes_nothing(client: Client) -> None:
    """Every step can be repeated after a lost reply."""
    begun = await client.begin(LEAVE)
    for _ in range(2):
        assert (await client.call(LEAVE.piece(begun, 0, 2))).chunks_written == 2
    assert (await client.call(LEAVE.piece(begun, 1, 3))).chunks_written == 3
    first = await client.call(LEAVE.commit(begun))
    second = await client.call(LEAVE.commit(begun))
    assert first == second
    assert (await client.stats()).chunk_count == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"chunk_count": 2}, "chunk_count"), ({"character_count": 1000}, "character_count")],
)
async def test_nothing_incomplete_goes_live(client: Client, fields: dict[str, int], field: str) -> None:
    begun = await client.begin(LEAVE)
    await client.call(LEAVE.piece(begun))
    with pytest.raises(DocuQueryError) as caught:
        await client.call(LEAVE.commit(begun, **fields))
    assert reason_of(caught) == "INVALID_REQUEST"
    assert [violation.field for violation in caught.value.violations] == [field]
    assert await client.search("annual leave") == []
    await client.call(LEAVE.commit(begun))


async def test_a_version_must_be_known_before_the_commit(client: Client) -> None:
    begun = await client.begin(VPN, version="")
    await client.call(VPN.piece(begun))
    with pytest.raises(DocuQueryError) as caught:
        await client.call(VPN.commit(begun))
    assert reason_of(caught) == "INVALID_REQUEST"
    update = pb.UpdateAttemptRequest(
        document_id=begun.document_id,
        attempt_token=begun.attempt_token,
        version=VPN.version,
        type=document_pb2.DOCUMENT_TYPE_MARKDOWN,
        size_bytes=77,
    )
    assert not (await client.call(update)).HasField("nothing_to_do")
    document = (await client.call(VPN.commit(begun))).document
    assert (document.type, document.size_bytes) == (document_pb2.DOCUMENT_TYPE_MARKDOWN, 77)


async def test_a_citation_is_shown_with_its_surroundings(client: Client) -> None:
    """GetPassage returns text, surroundings, bytes, pages and headings, cut to the text's length."""
    draft = Draft(LEAVE.source, LEAVE.paragraphs, pages=True)
    document = (await client.upload(draft)).document
    start = draft.text.index("Muñoz")
    request = pb.GetPassageRequest(
        document_id=document.document_id, char_start=start, char_end=start + 5, context_characters=10
    )
    reply = await client.call(request)
    assert reply.text == "Muñoz"
    assert reply.before == draft.text[start - 10 : start]
    assert reply.after == draft.text[start + 5 : start + 15]
    assert draft.text.encode()[reply.span.byte_start : reply.span.byte_end].decode() == "Muñoz"
    assert (reply.pages.first, reply.pages.last) == (3, 3)
    assert list(reply.headings) == ["Section 2"]

    everything = await client.call(
        pb.GetPassageRequest(
            document_id=document.document_id, version=draft.version, char_end=10**6, context_characters=5000
        )
    )
    assert everything.text == draft.text
    assert (everything.span.char_end, everything.before, everything.after) == (len(draft.text), "", "")
    assert (everything.pages.first, everything.pages.last) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": "0" * 64, "char_end": 5}, "PASSAGE_NOT_FOUND"),
        ({"char_start": 10**6, "char_end": 10**6 + 1}, "PASSAGE_NOT_FOUND"),
        ({"document_id": UNKNOWN_ID, "char_end": 5}, "DOCUMENT_NOT_FOUND"),
        ({"char_start": 5, "char_end": 5}, "INVALID_REQUEST"),
        ({"char_end": 5, "context_characters": 5001}, "INVALID_REQUEST"),
    ],
)
async def test_passages_that_are_not_there(client: Client, fields: dict[str, object], reason: str) -> None:
    document = (await client.upload(LEAVE)).document
    with pytest.raises(DocuQueryError) as caught:
        await client.call(pb.GetPassageRequest(**({"document_id": document.document_id} | fields)))
    assert reason_of(caught) == reason


async def test_a_tenant_sees_nothing_of_another(client: Client) -> None:
    """Every method with another tenant's ids behaves as if there were nothing."""
    document = (await client.upload(LEAVE)).document
    attempt = await client.begin(VPN)
    stranger = client.of("globex")
    assert await stranger.search("annual leave") == []
    assert await stranger.list() == []
    assert (await stranger.stats()).indexed_document_count == 0
    for call in (
        stranger.get(document.document_id),
        stranger.delete(document.document_id),
        stranger.call(pb.GetPassageRequest(document_id=document.document_id, char_end=5)),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await call
        assert reason_of(caught) == "DOCUMENT_NOT_FOUND"
    error = document_pb2.DocumentError(reason=error_reason_pb2.ERROR_REASON_NO_TEXT, message="No text.")
    token = {"document_id": attempt.document_id, "attempt_token": attempt.attempt_token}
    for request in (
        VPN.piece(attempt),
        VPN.commit(attempt),
        pb.UpdateAttemptRequest(**token),
        pb.FailAttemptRequest(**token, error=error),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await stranger.call(request)
        assert reason_of(caught) == "ATTEMPT_SUPERSEDED"
    assert (await stranger.upload(LEAVE)).document.document_id != document.document_id
    assert await stranger.delete((await stranger.list())[0].document_id) == 3
    assert len(await client.search("annual leave")) == 3
