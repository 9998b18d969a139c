"""The sums and the progress of an ingest."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from docuquery.common.v1.document_pb2 import DocumentError, UploadResult
from docuquery.common.v1.upload_pb2 import UploadDone, UploadProgress
from docuquery_client.cli.ingest_view import ProgressView, Tally
from docuquery_client.resume import Pause
from docuquery_client.upload_files import UploadEvent, UploadFile
from libs.clock import ManualClock

FILE = UploadFile(Path("a.txt"))
DONE = UploadEvent(FILE, UploadProgress(done=UploadDone(result=UploadResult.UPLOAD_RESULT_CREATED)))
FAILED = UploadEvent(FILE, UploadProgress(failed=DocumentError(message="No.")))


def test_the_tally_counts_results_and_bytes_of_what_is_done() -> None:
    tally = Tally()
    assert tally.add(DONE, 3_000_000) == "created"
    assert tally.add(FAILED, 9_000_000) == "failed"
    assert (
        tally.summary(2.0) == "2 documents: 1 created, 1 failed. 3.0 MB in 2.0 s (1.5 MB/s, 1.0 documents/s)."
    )
    assert Tally().summary(0.0) == "0 documents: nothing done. 0.0 MB in 0.0 s (0.0 MB/s, 0.0 documents/s)."


def progress(width: int = 120) -> tuple[ProgressView, StringIO]:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None)
    return ProgressView(console, {FILE.path: 1000, Path("b.txt"): 1000}), screen


def test_the_bar_shows_documents_and_bytes_and_counts_a_resent_file_once() -> None:
    view, screen = progress()
    with view:
        view.sent(FILE, 600)
        view.pausing(Pause(None, 2, 1.5))
        view.sent(FILE, 600)
        view.finished(DONE)
        view._progress.refresh()
    shown = screen.getvalue()
    assert "0/2 documents" in shown or "1/2 documents" in shown
    assert "1.0/2.0 kB" in shown


def test_a_failed_file_fills_its_share_of_the_bar() -> None:
    view, screen = progress()
    with view:
        view.finished(FAILED)
        view._progress.refresh()
    assert "1/2 documents" in screen.getvalue()
    assert "1.0/2.0 kB" in screen.getvalue()


def test_where_there_is_no_terminal_a_line_now_and_then_shows_life() -> None:
    screen = StringIO()
    sizes = {Path(f"{n}.txt"): 1_000_000 for n in range(30)}
    clock = ManualClock()
    with ProgressView(Console(file=screen, width=120), sizes, clock.monotonic) as view:
        for path in list(sizes)[:15]:
            clock.advance(2.0)
            view.finished(UploadEvent(UploadFile(path), DONE.progress))
        view.pausing(Pause(None, 15, 0.5, ("OVERLOADED", "UPLOAD_INCOMPLETE")))
    assert screen.getvalue().splitlines() == [
        "5/30 documents (0.5/s), 5.0/30.0 MB (0.5 MB/s), about 50 s left",
        "10/30 documents (0.5/s), 10.0/30.0 MB (0.5 MB/s), about 40 s left",
        "15/30 documents (0.5/s), 15.0/30.0 MB (0.5 MB/s), about 30 s left",
        "OVERLOADED, UPLOAD_INCOMPLETE: 15 to send again in 0.5 s",
    ]
