"""What `docuquery admin reindex` says, to people and to programs."""

from __future__ import annotations

import json

import pytest

from libs.clock import ManualClock
from services.retrieval.admin.reindex_report import JsonLines, Sentences, progress_line
from services.retrieval.store.progress import FillProgress
from services.retrieval.store.spaces import VectorSpace

A, B = VectorSpace("test/a", 8, "t"), VectorSpace("test/b", 16, "t")
HALF = FillProgress(1200, 3000, 41_200, 100_000, 3400.0)


def test_a_line_says_how_far_it_is_how_fast_and_how_long() -> None:
    assert progress_line(HALF) == "  1,200 of 3,000 documents, 41,200 of 100,000 chunks, 3,400/s, 17 s left"
    assert progress_line(FillProgress(0, 3, 0, 9)) == "  0 of 3 documents, 0 of 9 chunks"


def test_people_read_results_on_one_stream_and_progress_on_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = ManualClock()
    report = Sentences(clock)
    report.started(A, B)
    for _ in range(25):
        clock.advance(1)
        report.progress(HALF)
    report.waits("The embedder is away.")
    report.switched(A, B, keeps_former=True)
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "Embedding anew: from test/a (8 dimensions) and t to test/b (16 dimensions) and t.",
        progress_line(HALF),
        progress_line(HALF),
        "The embedder is away.",
    ]
    assert "Switched over: the store is searched by test/b (16 dimensions) and t now." in said.out
    assert "--finish" in said.out
    report.switched(A, B, keeps_former=False)
    report.is_current(B)
    report.finished(B)
    said = capsys.readouterr()
    assert "--finish" not in said.out
    assert said.out.splitlines()[1:] == [
        "The store is by test/b (16 dimensions) and t already.",
        "The store is by test/b (16 dimensions) and t alone.",
    ]


def test_programs_read_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    report = JsonLines(clock)
    report.started(A, B)
    for _ in range(5):
        report.progress(HALF)
        clock.advance(0.4)
    report.progress(HALF, at_once=True)
    report.waits("Away.")
    report.switched(A, B, keeps_former=True)
    report.is_current(B)
    report.finished(B)
    said = capsys.readouterr()
    events = [json.loads(line) for line in said.out.splitlines()]
    assert [event["event"] for event in events] == [
        "started",
        *["progress"] * 3,
        "waiting",
        "switched",
        "nothing_to_do",
        "finished",
    ]
    assert events[1] == {
        "event": "progress",
        "documents": 1200,
        "document_count": 3000,
        "chunks": 41_200,
        "chunk_count": 100_000,
        "chunks_per_second": 3400.0,
        "seconds_left": HALF.seconds_left,
    }
    assert events[0]["wanted"] == {"embedder": "test/b", "dimensions": 16, "sparse": "t"}
    assert said.err == ""
