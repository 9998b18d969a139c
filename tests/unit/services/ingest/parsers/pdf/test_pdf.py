"""PDF: pages, titles, passwords, damage, scans, running lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

from services.ingest.model import PageStart
from services.ingest.parsers import pdf, read
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.pdf import DocumentType
from services.ingest.parsers.pdf import pages as pdf_pages


def make(path: Path, pages: list[str], title: str = "", width: float = 0) -> Path:
    """Writes a PDF with one page a text."""
    document = FPDF()
    document.set_title(title)
    document.set_font("Helvetica", size=11)
    for text in pages:
        document.add_page()
        if text:
            document.multi_cell(width, 6, text)
    path.write_bytes(bytes(document.output()))
    return path


def encrypt(path: Path, user: str) -> Path:
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.encrypt(user_password=user, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    path.write_bytes(out.getvalue())
    return path


def test_pages_are_kept_with_exact_offsets(tmp_path: Path) -> None:
    """Every page's start points at its first character; empty pages begin where the next one does."""
    parsed = pdf.parse(make(tmp_path / "a.pdf", ["", "One ends here.", "", "Two runs", "on and ends.", ""]))
    assert parsed.text == "One ends here.\n\nTwo runs\non and ends."
    starts = [page.char_start for page in parsed.pages]
    assert [page.page for page in parsed.pages] == [1, 2, 3, 4, 5, 6]
    assert starts == [0, 0, 16, 16, 25, len(parsed.text)]
    assert parsed.text[16:].startswith("Two")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Annual  Report 2024", "Annual Report 2024"),
        ("untitled", ""),
        ("Microsoft Word - letter.docx", ""),
        ("0000012927-23-000007", ""),
        ("report_final.pdf", ""),
        ("", ""),
    ],
)
def test_a_title_is_taken_when_somebody_wrote_it(tmp_path: Path, title: str, expected: str) -> None:
    """Numbers and file names are no titles."""
    assert pdf.parse(make(tmp_path / "a.pdf", ["x"], title)).title == expected


def test_an_owner_password_alone_does_not_lock_the_text(tmp_path: Path) -> None:
    """A file anybody can open is read."""
    path = encrypt(make(tmp_path / "a.pdf", ["Open to all."]), "")
    assert pdf.parse(path).text == "Open to all."


def test_a_user_password_is_needed(tmp_path: Path) -> None:
    """The right one reads it, none and a wrong one are told apart."""
    path = encrypt(make(tmp_path / "a.pdf", ["Locked."]), "sesame")
    assert pdf.parse(path, "sesame").text == "Locked."
    messages = []
    for password in ("", "mellon"):
        with pytest.raises(ParseError) as caught:
            pdf.parse(path, password)
        assert caught.value.reason == "DOCUMENT_ENCRYPTED"
        messages.append(caught.value.message)
    assert messages[0] != messages[1]


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\n", b"%PDF-1.7\nrubbish" * 100, b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF"],
)
def test_a_damaged_file_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """What neither library can read is said to be damaged."""
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    with pytest.raises(ParseError) as caught:
        pdf.parse(path)
    assert caught.value.reason == "DOCUMENT_CORRUPT"


def test_wrong_cross_references_are_mended(tmp_path: Path) -> None:
    """The parsers rebuild what can be rebuilt."""
    path = make(tmp_path / "a.pdf", ["Still here."])
    path.write_bytes(b"\n" * 7 + path.read_bytes().replace(b"xref\n0", b"xrxx\n0"))
    assert pdf.parse(path).text == "Still here."


@pytest.mark.parametrize(("count", "pages"), [(1, "1"), (3, "1-3"), (12, "1-12")])
def test_pages_without_text_are_named_in_the_refusal(tmp_path: Path, count: int, pages: str) -> None:
    """A scan is told from an empty file."""
    with pytest.raises(ParseError) as caught:
        read(make(tmp_path / "a.pdf", [""] * count), DocumentType.PDF)
    assert caught.value.reason == "NO_TEXT"
    assert caught.value.metadata == {"page_count": str(count), "pages_without_text": pages}
    assert pages in caught.value.message


def test_a_document_that_is_scanned_in_part_is_read(tmp_path: Path) -> None:
    """The pages with text are all that can be found."""
    parsed = pdf.parse(make(tmp_path / "a.pdf", ["Typed.", "", "", "Typed again."]))
    assert parsed.text == "Typed.\n\nTyped again."
    assert [page.char_start for page in parsed.pages] == [0, 8, 8, 8]


def test_running_heads_and_page_numbers_are_left_out(tmp_path: Path) -> None:
    """Sentences run on over page breaks; offsets are those of what is left."""
    texts = [f"A Running Head\nSentence {name} goes\non and on\n{9 + i}" for i, name in enumerate("abcd")]
    parsed = pdf.parse(make(tmp_path / "a.pdf", texts))
    assert parsed.text == "A Running Head\n" + "\n".join(
        f"Sentence {name} goes\non and on" for name in "abcd"
    )
    assert [parsed.text[page.char_start :][:10] for page in parsed.pages[1:]] == [
        f"Sentence {name}" for name in "bcd"
    ]


def test_the_second_reader_reads_what_the_first_cannot_open(tmp_path: Path) -> None:
    """Pages and title come from pypdf alone."""
    path = make(tmp_path / "a.pdf", ["Second opinion."])
    pages, title = pdf_pages.read_by_pypdf(path, "")
    assert pages == ["Second opinion."]
    assert title == ""


def test_words_divided_at_line_ends_are_whole(tmp_path: Path) -> None:
    """A narrow column with typeset hyphens reads as if it had none."""
    text = "The com-\nmittee agreed. Its committee had a long-\nterm plan, a long and a term."
    parsed = pdf.parse(make(tmp_path / "a.pdf", [text]))
    assert "The committee agreed" in parsed.text
    assert "long-term plan" in parsed.text


def test_one_start_a_page() -> None:
    """The joining alone: pages that are all empty begin at 0."""
    assert pdf._join_pages(["", ""]) == ("", (PageStart(1, 0), PageStart(2, 0)))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_lines_keep_their_order_on_turned_pages(tmp_path: Path, turn: int, angle: int) -> None:
    """Whichever way the page is turned, and whichever way the text runs on it."""
    document = FPDF()
    document.set_font("Helvetica", size=11)
    document.add_page()
    with document.rotation(angle, 100, 150):
        for row, line in enumerate(("The first line", "goes before the second", "and the third")):
            document.text(60, 120 + 6 * row, line)
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(bytes(document.output()))))
    writer.pages[0].rotate(turn)
    writer.write(tmp_path / "a.pdf")
    assert pdf.parse(tmp_path / "a.pdf").text == "The first line\ngoes before the second\nand the third"
