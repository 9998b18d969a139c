"""PDFs made here whose text is known to the letter: columns, tables, turned pages, right-to-left and more.

fpdf2 draws most; right-to-left pages are written by hand, glyph by glyph from left to right, as programs
draw them, with the letters in the font's table: no font file is needed.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable

from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

_LEFT = (
    "The harbour office opens at seven on working days. Ships report their draught by radio before they "
    "pass the outer light. A pilot boards every vessel longer than ninety metres. Fees are due within thirty "
    "days of the departure. The tide table hangs beside the door of the watch room."
)
_RIGHT = (
    "Barometers are checked twice a year against the reference instrument. The checker writes the deviation "
    "into the blue ledger. Deviations above one hectopascal are reported to the workshop. Repaired "
    "instruments come back sealed. Broken seals make a calibration void at once."
)
_DIVIDED = (
    "The com-\nmittee agreed on a long-\nterm plan for the har-\nbour. Its committee had a plan for the long "
    "and the short term,\nand the harbour paid for all of the in-\nstruments."
)
_WHOLE = (
    "The committee agreed on a long-term plan for the harbour. Its committee had a plan for the long and the "
    "short term, and the harbour paid for all of the instruments."
)
_ROWS = (
    ("Instrument", "Range", "Price"),
    ("Gannet anemometer", "75 metres per second", "1,840"),
    ("Curlew rain gauge", "400 millimetres per hour", "620"),
    ("Merlin barometer", "1,100 hectopascal", "390"),
)
_HEBREW = "מזג האוויר נעים היום והשמש זורחת מעל הנמל הישן"
_HEBREW_BEFORE, _HEBREW_AFTER = "אנחנו כותבים בשפת", "תוכנה לספינות"
_LAM_ALEF = "\u0644\u0627"
_ARABIC = f"\u0643{_LAM_ALEF}\u0645 \u0627\u0644\u0643\u062a\u0627\u0628 \u0633{_LAM_ALEF}\u0645"


def samples() -> dict[str, tuple[bytes, str]]:
    """What each sample shows → the PDF and its text."""
    return {
        "two columns, one after the other": (_drawn(_columns(row_by_row=False)), f"{_LEFT} {_RIGHT}"),
        "two columns, line by line": (_drawn(_columns(row_by_row=True)), f"{_LEFT} {_RIGHT}"),
        "words divided at line ends": (_drawn(lambda pdf: pdf.multi_cell(0, 6, _DIVIDED)), _WHOLE),
        "table": (_drawn(_table), " ".join(cell for row in _ROWS for cell in row)),
        **{
            f"page turned by {turn}°, text drawn at {angle}°": (_turned(_drawn(_at(angle)), turn), _LEFT)
            for turn, angle in ((0, 90), (0, 270), (90, 0), (90, 90), (180, 90))
        },
        "running head and page numbers": _framed(),
        "Hebrew": (glyphs_from_left_to_right(_HEBREW[::-1]), _HEBREW),
        "Hebrew with a Latin name": (
            glyphs_from_left_to_right([*_HEBREW_AFTER[::-1], " ", *"Python", " ", *_HEBREW_BEFORE[::-1]]),
            f"{_HEBREW_BEFORE} Python {_HEBREW_AFTER}",
        ),
        "Arabic with ligatures": (glyphs_from_left_to_right(_arabic_glyphs()), _ARABIC),
    }


def glyphs_from_left_to_right(glyphs: Iterable[str]) -> bytes:
    """A PDF of one line: `glyphs` as they are drawn, each standing for its letters; at most 54 kinds."""
    drawn = list(glyphs)
    codes = {glyph: 0x41 + index for index, glyph in enumerate(dict.fromkeys(drawn))}
    mapping = "\n".join(f"<{code:02x}> <{glyph.encode('utf-16-be').hex()}>" for glyph, code in codes.items())
    streams = (
        "BT /F 12 Tf 72 700 Td <" + "".join(f"{codes[glyph]:02x}" for glyph in drawn) + "> Tj ET",
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /M def /CMapType 2 def\n"
        "1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{mapping}\nendbfchar endcmap end end",
    )
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        " /Resources << /Font << /F 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /ToUnicode 6 0 R >>",
        *(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream" for stream in streams),
    )
    body = "%PDF-1.4\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    for number, content in enumerate(objects, start=1):
        table += f"{len(body):010} 00000 n \n"
        body += f"{number} 0 obj\n{content}\nendobj\n"
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return (body + table + trailer).encode("ascii")


def _arabic_glyphs() -> list[str]:
    """Lam and alef are one glyph wherever they meet; the article, alef and lam, is two."""
    glyphs: list[str] = []
    for letter in _ARABIC:
        if glyphs and glyphs[-1] + letter == _LAM_ALEF:
            glyphs[-1] += letter
        else:
            glyphs.append(letter)
    return glyphs[::-1]


def _drawn(*pages: Callable[[FPDF], object]) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=11)
    for draw in pages:
        document.add_page()
        draw(document)
    return bytes(document.output())


def _columns(*, row_by_row: bool) -> Callable[[FPDF], None]:
    def draw(document: FPDF) -> None:
        columns = [
            [(left, 20.0 + 6 * row, line) for row, line in enumerate(textwrap.wrap(text, 44))]
            for left, text in ((10, _LEFT), (110, _RIGHT))
        ]
        lines = [line for column in columns for line in column]
        for left, top, line in sorted(lines, key=lambda place: place[1]) if row_by_row else lines:
            document.text(left, top, line)

    return draw


def _table(document: FPDF) -> None:
    with document.table() as table:
        for row in _ROWS:
            table.row(row)


def _at(angle: int) -> Callable[[FPDF], None]:
    """Draws lines at an angle, in degrees anticlockwise."""

    def draw(document: FPDF) -> None:
        with document.rotation(angle, 100, 150):
            for row, line in enumerate(textwrap.wrap(_LEFT, 60)):
                document.text(40, 100 + 6 * row, line)

    return draw


def _framed() -> tuple[bytes, str]:
    """Six pages between a running head and page numbers, which are no part of the text but for the first."""
    sentences = [f"{sentence.strip()}." for sentence in f"{_LEFT} {_RIGHT}".split(".")[:6]]
    pages = [f"Handbook of the harbour\n{text}\nPage {i + 1} of 6" for i, text in enumerate(sentences)]

    def page(text: str) -> Callable[[FPDF], object]:
        return lambda document: document.multi_cell(0, 6, text)

    return _drawn(*map(page, pages)), " ".join(["Handbook of the harbour", *sentences])


def _turned(pdf: bytes, degrees: int) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    for page in writer.pages:
        page.rotate(degrees)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
