"""Search and listing over real gRPC: filters, thresholds, pages, and requests that are not valid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from docuquery.common.v1 import document_pb2, filter_pb2, passage_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.contract.rerank_server import RerankServer
from tests.rpc.retrieval_support import Client, Draft, ShiftedClock, running, where

REPORTS = [
    Draft(
        f"reports/{year}/{team}.md",
        [f"The {team} team grew its revenue in {year}."],
        metadata={
            "year": year,
            "team": team,
            "tags": ["report", team],
            "draft": year == 2024,
            "published": f"{year}-06-01T00:00:00Z",
            "owner": {"name": f"{team}-lead", "score": year / 1000},
        },
    )
    for year in (2022, 2023, 2024)
    for team in ("sales", "support")
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as service:
        for report in REPORTS:
            await service.upload(report)
        yield service


def moment(year: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime(year, 1, 1, tzinfo=UTC))
    return stamp


CASES = [
    (where("metadata.year", equals=2023), {"2023/sales", "2023/support"}),
    (where("metadata.team", equals="sales", negate=True), {"2022/support", "2023/support", "2024/support"}),
    (where("metadata.tags", any_of=["sales", "nobody"]), {"2022/sales", "2023/sales", "2024/sales"}),
    (where("metadata.draft", equals=True), {"2024/sales", "2024/support"}),
    (
        where("metadata.year", number=filter_pb2.NumberRange(gt=2022, lte=2023)),
        {"2023/sales", "2023/support"},
    ),
    (where("metadata.owner.score", number=filter_pb2.NumberRange(lt=2.0225)), {"2022/sales", "2022/support"}),
    (
        where("metadata.published", time=filter_pb2.TimeRange(start=moment(2024))),
        {"2024/sales", "2024/support"},
    ),
    (where("metadata.nothing", exists=True), set()),
    (where("source", any_of=["reports/2022/sales.md", "reports/1999/sales.md"]), {"2022/sales"}),
    (where("filename", equals="support.md"), {"2022/support", "2023/support", "2024/support"}),
    (where("type", equals="pdf"), set()),
    (where("create_time", time=filter_pb2.TimeRange(end=moment(2000))), set()),
]


async def test_filters_keep_the_same_documents_in_searches_and_listings(client: Client) -> None:
    for wanted, expected in CASES:
        found = await client.search("revenue of the team", filter=wanted)
        listed = await client.list(filter=wanted)
        for sources in ({p.source for p in found}, {d.source for d in listed}):
            names = {source.removeprefix("reports/").removesuffix(".md") for source in sources}
            assert names == expected, wanted


async def test_a_filter_sees_a_new_commit_and_a_delete_at_once(client: Client) -> None:
    wanted = where("metadata.team", equals="legal")
    assert await client.search("revenue", filter=wanted) == []
    new = Draft("reports/legal.md", ["Legal has no revenue."], metadata={"team": "legal"})
    document = (await client.upload(new)).document
    assert [p.source for p in await client.search("revenue", filter=wanted)] == ["reports/legal.md"]
    await client.delete(document.document_id)
    assert await client.search("revenue", filter=wanted) == []


async def test_the_threshold_leaves_weak_passages_out(tmp_path: Path) -> None:
    """By the request's threshold, else by the setting; scores never fall below it."""
    async with running(tmp_path, score_threshold=0.3) as client:
        for report in REPORTS:
            await client.upload(report)
        strong = await client.search("sales team revenue in 2023")
        everything = await client.search("sales team revenue in 2023", score_threshold=0.0)
        assert 0 < len(strong) <= len(everything) == len(REPORTS)
        assert all(p.score >= 0.3 for p in strong)
        assert await client.search("xylophone quasar zebra") == []
        assert await client.search("sales", score_threshold=1.0) == []


@pytest.mark.parametrize("fusion", ["min_max", "rrf"])
async def test_both_fusions_put_the_right_passage_first(tmp_path: Path, fusion: str) -> None:
    async with running(tmp_path, fusion=fusion) as client:
        for report in REPORTS:
            await client.upload(report)
        found = await client.search("support revenue 2024", limit=3)
        assert found[0].source == "reports/2024/support.md"
        fused = [p.score_parts.fused for p in found]
        assert fused == sorted(fused, reverse=True)


async def test_all_faults_of_a_request_are_named_at_once(client: Client) -> None:
    with pytest.raises(DocuQueryError) as caught:
        await client.call(pb.SearchRequest(query="", limit=0, filter=where("a", equals=1)))
    assert {v.field for v in caught.value.violations} == {"query", "limit", "filter.conditions[0].field"}


async def test_listings_come_newest_first_and_keep_their_place(client: Client) -> None:
    """Documents that arrive between two pages neither shift nor repeat what follows."""
    newest_first = [report.source for report in reversed(REPORTS)]
    first = await client.call(pb.ListDocumentsRequest(page_size=2))
    await client.upload(Draft("reports/late.md", ["Too late for this listing."]))
    second = await client.call(pb.ListDocumentsRequest(page_size=3, page_token=first.next_page_token))
    third = await client.call(pb.ListDocumentsRequest(page_size=3, page_token=second.next_page_token))
    sources = [d.source for page in (first, second, third) for d in page.documents]
    assert sources == newest_first
    assert third.next_page_token == ""


async def test_a_page_token_belongs_to_its_filter_and_tenant(client: Client) -> None:
    token = (await client.call(pb.ListDocumentsRequest(page_size=1))).next_page_token
    assert (await client.call(pb.ListDocumentsRequest(page_token=token))).documents
    other_filter = pb.ListDocumentsRequest(page_token=token, filter=where("type", equals="text"))
    for caller, request in (
        (client, other_filter),
        (client, pb.ListDocumentsRequest(page_token=token, statuses=[document_pb2.DOCUMENT_STATUS_FAILED])),
        (client.of("globex"), pb.ListDocumentsRequest(page_token=token)),
        (client, pb.ListDocumentsRequest(page_token=token[:-2])),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await caller.call(request)
        assert caught.value.reason_name == "INVALID_PAGE_TOKEN"


async def test_listings_filter_by_type_and_status(client: Client) -> None:
    page = Draft("site/index.html", ["Welcome."])
    await client.upload(page, type=document_pb2.DOCUMENT_TYPE_HTML)
    await client.begin(Draft("open.md", ["Not yet."]), version="")
    assert [d.source for d in await client.list(types=[document_pb2.DOCUMENT_TYPE_HTML])] == [
        "site/index.html"
    ]
    pending = await client.list(statuses=[document_pb2.DOCUMENT_STATUS_PENDING])
    assert [d.source for d in pending] == ["open.md"]
    with pytest.raises(DocuQueryError) as caught:
        await client.call(pb.ListDocumentsRequest(page_size=201, types=[99]))
    assert {v.field for v in caught.value.violations} == {"page_size", "types[0]"}


async def test_a_silent_attempt_shows_as_failed_and_is_ended(tmp_path: Path) -> None:
    """After its lease: FAILED with a reason that may be retried, and soon its token is worthless."""
    clock = ShiftedClock()
    async with running(tmp_path, clock, ingest_lease_seconds=600) as client:
        draft = REPORTS[0]
        begun = await client.begin(draft)
        await client.call(draft.piece(begun))
        clock.ahead = timedelta(seconds=601)
        document = await client.get(begun.document_id)
        assert document.status == document_pb2.DOCUMENT_STATUS_FAILED
        assert document.latest_attempt.error.retryable
        assert (await client.stats()).failed_document_count == 1
        failed = await client.list(statuses=[document_pb2.DOCUMENT_STATUS_FAILED])
        assert [d.document_id for d in failed] == [begun.document_id]
        lease_end = document.latest_attempt.update_time
        async with asyncio.timeout(20):  # the sweeper comes by and writes it down
            while document.latest_attempt.update_time == lease_end:
                await asyncio.sleep(0.05)
                document = await client.get(begun.document_id)
        assert document.status == document_pb2.DOCUMENT_STATUS_FAILED
        with pytest.raises(DocuQueryError) as caught:
            await client.call(draft.commit(begun))
        assert caught.value.reason_name == "ATTEMPT_SUPERSEDED"
        assert (await client.upload(draft)).result == document_pb2.UPLOAD_RESULT_CREATED


async def test_a_chunk_that_does_not_fit_its_text_is_refused(client: Client) -> None:
    """Wrong offsets would become wrong citations: each fault is named, nothing is stored."""
    draft = Draft("offsets.txt", ["Ärger im Büro.", "Nichts weiter."])
    begun = await client.begin(draft)
    piece = draft.piece(begun)
    piece.chunks[0].span.byte_end -= 1
    piece.chunks[1].span.char_end += 1
    with pytest.raises(DocuQueryError) as caught:
        await client.call(piece)
    assert {v.field for v in caught.value.violations} == {"chunks[0].span", "chunks[1].span"}
    piece = draft.piece(begun)
    piece.text_span.byte_end += 1
    with pytest.raises(DocuQueryError) as caught:
        await client.call(piece)
    assert [v.field for v in caught.value.violations] == ["text_span"]
    assert (await client.get(begun.document_id)).latest_attempt.chunks_written == 0


async def test_sparse_search_finds_identifiers(client: Client) -> None:
    await client.upload(Draft("codes.txt", ["Error ERR-4512 stops the pump.", "Error ERR-4513 starts it."]))
    found = await client.search("ERR-4513", mode=passage_pb2.SEARCH_MODE_SPARSE, limit=1)
    assert found[0].text == "Error ERR-4513 starts it."


MANUAL = Draft(
    "manual.md",
    [
        "The pump has a rotor. Grüße ✈",
        "The rotor turns in oil.",
        "The oil is changed each year.",
        "Bolts: M8.",
    ],
    title="Pump manual",
    pages=True,
)


async def test_expanded_passages_are_the_text_around_and_never_overlap(client: Client) -> None:
    await client.upload(MANUAL)
    plain = await client.search("oil rotor pump", filter=where("source", equals="manual.md"))
    assert len(plain) == 4
    found = await client.search(
        "oil rotor pump", limit=1, expand_chunks=1, filter=where("source", equals="manual.md")
    )
    (passage,) = found
    assert (passage.chunk_id, passage.ordinal, passage.score) == (
        plain[0].chunk_id,
        plain[0].ordinal,
        plain[0].score,
    )
    first, last = max(0, passage.ordinal - 1), min(3, passage.ordinal + 1)
    span = passage.span
    assert passage.text == "\n\n".join(MANUAL.paragraphs[first : last + 1])
    assert passage.text == MANUAL.text[span.char_start : span.char_end]
    assert passage.text.encode() == MANUAL.text.encode()[span.byte_start : span.byte_end]
    assert (passage.pages.first, passage.pages.last) == (first + 1, last + 1)
    assert [start.page for start in passage.page_starts] == list(range(first + 1, last + 2))
    assert [
        MANUAL.text[start.char_start :][: len(MANUAL.paragraphs[start.page - 1])]
        for start in passage.page_starts
    ] == list(MANUAL.paragraphs[first : last + 1])
    (whole,) = await client.search(
        "oil rotor pump", expand_chunks=3, filter=where("source", equals="manual.md")
    )
    assert whole.text == MANUAL.text
    assert whole.score == max(passage.score for passage in plain), "it holds what fits best"


async def test_no_document_gives_more_than_its_cap(client: Client) -> None:
    """Though one document has more hits than are looked at first, others follow."""
    await client.upload(Draft("much.txt", [f"Revenue of the sales team, line {i}." for i in range(300)]))
    crowded = await client.search("line of the sales team", limit=8)
    assert {passage.source for passage in crowded} == {"much.txt"}
    for cap, expected in ((1, 7), (2, 8)):
        found = await client.search("line of the sales team", limit=8, max_per_document=cap)
        assert len(found) == expected
        assert [passage.source for passage in found].count("much.txt") == cap


async def test_reranking_orders_and_is_reported(client: Client) -> None:
    request = pb.SearchRequest(query="which team grew its revenue in 2023", limit=6)
    plain = await client.call(request)
    request.rerank = True
    reranked = await client.call(request)
    assert not plain.rerank_skipped
    assert not reranked.rerank_skipped
    assert not any(passage.score_parts.HasField("rerank") for passage in plain.passages)
    given = [passage.score_parts.rerank for passage in reranked.passages]
    assert given == sorted(given, reverse=True)
    assert {"2023" in p.source for p in reranked.passages[:2]} == {True}
    scores = {passage.chunk_id: passage.score for passage in plain.passages}
    assert {p.chunk_id: p.score for p in reranked.passages} == scores, "the reported score stays absolute"


async def test_a_reranker_that_cannot_be_reached_is_skipped_and_said(tmp_path: Path) -> None:
    with RerankServer() as gone:
        url = gone.url
    async with running(tmp_path, enable_reranking=True, reranker="http", rerank_url=url) as service:
        await service.upload(REPORTS[0])
        reply = await service.call(pb.SearchRequest(query="revenue", limit=5))
        assert reply.rerank_skipped
        assert len(reply.passages) == 1
        assert not reply.passages[0].score_parts.HasField("rerank")
        reply = await service.call(pb.SearchRequest(query="revenue", limit=5, rerank=False))
        assert not reply.rerank_skipped


async def test_the_endpoint_decides_the_order_of_the_best(tmp_path: Path) -> None:
    """By ENABLE_RERANKING, without a word in the request; those behind RERANK_CANDIDATES follow."""
    with RerankServer() as server:
        async with running(
            tmp_path, enable_reranking=True, reranker="http", rerank_url=server.url, rerank_candidates=2
        ) as service:
            await service.upload(Draft("a.txt", ["one two three", "one two", "one", "four"]))
            server.answer = [{"index": 0, "score": -2.5}, {"index": 1, "score": 7.5}]
            reply = await service.call(pb.SearchRequest(query="one two three", limit=4))
    texts = [passage.text for passage in reply.passages]
    assert texts[:2] == [text.split("\n")[-1] for text in server.requests[0]["texts"][::-1]]
    assert [p.score_parts.rerank for p in reply.passages[:2]] == [7.5, -2.5]
    assert not any(p.score_parts.HasField("rerank") for p in reply.passages[2:])
    assert len(texts) == 4


async def test_search_options_out_of_range_are_named(client: Client) -> None:
    with pytest.raises(DocuQueryError) as caught:
        await client.search("x", max_per_document=201, expand_chunks=4)
    assert {v.field for v in caught.value.violations} == {"max_per_document", "expand_chunks"}
