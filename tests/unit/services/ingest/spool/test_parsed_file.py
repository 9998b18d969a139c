"""What workers leave on disk comes back whole, in batches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.chunking.chunking import chunk
from services.ingest.model import DocumentType, PageStart, ParsedDocument, Section
from services.ingest.spool import parsed_file


@given(
    st.text(st.sampled_from("aé汉🎉 \n."), max_size=600),
    st.integers(1, 5),
    st.integers(1, 400),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_cover_the_text_and_hold_their_chunks(
    tmp_path: Path, text: str, max_chunks: int, max_bytes: int
) -> None:
    """Pieces touch or overlap, chunks come back as saved, limits hold."""
    half = len(text) // 2
    document = ParsedDocument(
        DocumentType.PDF,
        text,
        title="T",
        pages=(PageStart(1, 0), PageStart(2, half)),
        sections=(Section(0, ("A",)), Section(half, ("A", "B"))),
    )
    chunks = list(chunk(document, 40, 10))
    upload = tmp_path / "upload"
    summary = parsed_file.save(upload, document, chunks)
    assert summary == parsed_file.ParsedSummary("T", 2, len(chunks), len(text), len(text.encode()))
    batches = list(parsed_file.batches(upload, summary, max_chunks=max_chunks, max_bytes=max_bytes))
    assert [c for batch in batches for c in batch.chunks] == chunks
    for batch in batches:
        assert 1 <= len(batch.chunks) <= max_chunks
        assert text[batch.char_start :].startswith(batch.text)
        assert text.encode()[batch.byte_start : batch.byte_end].decode() == batch.text
        for c in batch.chunks:
            assert batch.char_start <= c.char_start < c.char_end <= batch.char_start + len(batch.text)
    for first, second in pairwise(batches):
        assert second.char_start <= first.char_start + len(first.text)
    if batches:
        assert batches[0].char_start == 0
        assert batches[-1].char_start + len(batches[-1].text) == len(text)


def test_long_headings_count_for_the_size_of_a_batch(tmp_path: Path) -> None:
    """A message stays small although each of its chunks carries a long path."""
    text = "word " * 200
    document = ParsedDocument(DocumentType.TEXT, text, sections=(Section(0, ("h" * 500,)),))
    summary = parsed_file.save(tmp_path / "u", document, chunk(document, 50, 0))
    sizes = [
        len(b.chunks) for b in parsed_file.batches(tmp_path / "u", summary, max_chunks=99, max_bytes=1500)
    ]
    assert max(sizes) == 2
