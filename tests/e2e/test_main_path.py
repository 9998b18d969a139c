"""The whole path on four real processes: upload, search, answer, replace, delete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docuquery.common.v1 import answer_pb2, document_pb2
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_SPARSE
from docuquery_client import ApiError, where
from tests.e2e.support import QUESTIONS, SAMPLES, files_in, ingest_all, running_system


async def test_a_document_becomes_a_checked_cited_answer(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        client = system.client
        ids = await ingest_all(client, SAMPLES)

        hotel = await client.ask("What is the hotel limit per night in Paris?", request_id="trace-me-1")
        assert "185" in hotel.answer
        assert hotel.outcome == answer_pb2.OUTCOME_ANSWERED
        assert hotel.provider == "extractive"
        [citation, *_] = hotel.citations
        assert citation.filename == "expenses-and-travel.md"
        assert citation.verdict == answer_pb2.CITATION_VERDICT_VERBATIM
        cited = await client.get_passage(
            citation.document_id,
            citation.source_span.char_start,
            citation.source_span.char_end,
            version=citation.version,
        )
        assert cited.text == citation.quote
        assert cited.before or cited.after

        # With the neighbours of its passages, the answer's citations still point at what they quote.
        question = "What is the hotel limit per night in Paris?"
        narrow = await client.ask(question, top_k=2, expand_chunks=0, max_per_document=1)
        wide = await client.ask(question, top_k=2, expand_chunks=2, max_per_document=1)
        assert len({source.document_id for source in wide.sources}) == len(wide.sources)
        assert max(len(s.text) for s in wide.sources) > max(len(s.text) for s in narrow.sources)
        assert "185" in wide.answer
        for citation in wide.citations:
            span = citation.source_span
            cited = await client.get_passage(citation.document_id, span.char_start, span.char_end)
            assert cited.text == citation.quote
            assert (cited.span.byte_start, cited.span.byte_end) == (span.byte_start, span.byte_end)

        report = await client.ask("How many instruments did Tarnquill ship in 2024?")
        assert report.sources[0].filename == "annual-report.pdf"
        assert report.citations[0].pages.first >= 1

        nothing = await client.ask("What is the capital of Mongolia?")
        assert nothing.outcome == answer_pb2.OUTCOME_NO_EVIDENCE
        assert not nothing.citations
        assert nothing.answer

        # The request id stands in the lines of every service the call went through.
        for service in ("gateway", "retrieval", "answer"):
            lines = [line for line in system.log_lines(service) if line.get("request_id") == "trace-me-1"]
            assert lines, service
            assert {line["tenant"] for line in lines if line["event"] == "call"} == {"default"}

        stats = await client.get_stats()
        assert stats.indexed_document_count == len(ids)


ELSEWHERE = (
    "Who painted the ceiling of the Sistine Chapel?",
    "What is the boiling point of nitrogen?",
    "Which river flows through Baghdad?",
    "How do I prune an apple tree in winter?",
    "Who won the football world cup in 1998?",
    "What does a sommelier do in a restaurant?",
)


async def test_what_the_documents_hold_is_never_refused_and_what_they_do_not_touch_is(tmp_path: Path) -> None:
    questions = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    answerable = [q["question"] for q in questions if not q["is_impossible"] and q["kind"] != "follow_up"]
    async with running_system(tmp_path) as system:
        await ingest_all(system.client, SAMPLES)
        outcomes = {q: (await system.client.ask(q)).outcome for q in (*answerable, *ELSEWHERE)}
    refused = {q for q, outcome in outcomes.items() if outcome == answer_pb2.OUTCOME_NO_EVIDENCE}
    assert refused == set(ELSEWHERE)


async def test_the_same_bytes_are_no_work_others_replace_and_delete_is_immediate(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        client = system.client
        old, new = b"The mascot of the firm is a heron.", b"The mascot of the firm is an otter."
        created = await client.upload_document("mascot.txt", old, metadata={"team": "brand"})
        assert created.result == document_pb2.UPLOAD_RESULT_CREATED
        again = await client.upload_document("mascot.txt", old, request_id="trace-me-2")
        assert again.result == document_pb2.UPLOAD_RESULT_UNCHANGED
        assert again.document.live_version == created.document.live_version
        wrote = [
            line["method"]
            for line in system.log_lines("retrieval")
            if line.get("request_id") == "trace-me-2" and "method" in line
        ]
        assert wrote == ["/docuquery.retrieval.v1.RetrievalService/BeginAttempt"]
        assert any(line.get("request_id") == "trace-me-2" for line in system.log_lines("ingest"))

        retold = await client.upload_document("mascot.txt", old, metadata={"team": "press"})
        assert retold.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
        assert retold.document.live_version == created.document.live_version
        assert (await client.search("mascot", filter=where(team="press"))).passages
        assert not (await client.search("mascot", filter=where(team="brand"))).passages

        replaced = await client.upload_document("mascot.txt", new)
        assert replaced.document.metadata["team"] == "press", "nothing was said of it"
        assert replaced.result == document_pb2.UPLOAD_RESULT_REPLACED
        assert replaced.document.document_id == created.document.document_id
        found = (await client.search("mascot")).passages
        assert [passage.text for passage in found] == [new.decode()]

        deleted = await client.delete_document(created.document.document_id)
        assert deleted.deleted_chunk_count == 1
        assert not (await client.search("mascot")).passages
        with pytest.raises(ApiError) as caught:
            await client.get_document(created.document.document_id)
        assert caught.value.reason == "DOCUMENT_NOT_FOUND"


GERMAN = (
    "Die Beschäftigten reichen Rechnungen über Dienstreisen innerhalb von vier Wochen bei der Buchhaltung "
    "ein. Diese erstattet die Beträge mit dem nächsten Gehalt."
)


async def test_a_document_is_found_by_other_forms_of_its_words_in_its_own_language(tmp_path: Path) -> None:
    """Among the English handbook; told from the text, named, and named otherwise."""
    async with running_system(tmp_path) as system:
        client = system.client
        await ingest_all(client, SAMPLES)
        told = await client.upload_document("spesen.txt", GERMAN.encode())
        assert told.document.language == "de"
        english = await client.list_documents(filter=where(language="en"), page_size=200)
        assert len(english.documents) == len(files_in(SAMPLES))

        async def found() -> list[str]:
            reply = await client.search("Rechnung Dienstreise Betrag", mode=SEARCH_MODE_SPARSE, limit=5)
            return [passage.filename for passage in reply.passages]

        assert (await found())[0] == "spesen.txt"
        renamed = await client.upload_document("spesen.txt", GERMAN.encode(), language="english")
        assert renamed.result == document_pb2.UPLOAD_RESULT_REPLACED
        assert renamed.document.language == "en"
        assert "spesen.txt" not in await found()
        again = await client.upload_document("spesen.txt", GERMAN.encode(), language="de-AT")
        assert again.document.language == "de"
        assert (await found())[0] == "spesen.txt"
        with pytest.raises(ApiError) as caught:
            await client.upload_document("spesen.txt", GERMAN.encode(), language="deutsch")
        assert [violation.field for violation in caught.value.violations] == ["language"]
