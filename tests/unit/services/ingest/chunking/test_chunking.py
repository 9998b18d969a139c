"""Chunking: exact offsets and bounded lengths on any text, structure kept on real ones."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.chunking.chunking import chunk
from services.ingest.model import Chunk, DocumentType, PageStart, ParsedDocument, Section, Span

# Text in which every kind of boundary is frequent, beside arbitrary Unicode.
AWKWARD = st.text(
    alphabet=st.sampled_from(
        'aB1 \t\n.!?,;|-。，、؟।…"」\u0301\u200d\U0001f468\U0001f1e9\U0001f3fd汉ก\u1100\u1161é'
    ),
    max_size=400,
)
SCRIPTS = st.one_of(
    *(
        st.text(alphabet=letters, max_size=400)
        for letters in (
            "会议在星期二上午九点举行，。！？；「」",  # Chinese: no spaces
            "การประชุมเริ่มวันอังคารเวลาเก้าโมง ",  # Thai: no spaces, no full stops, marks above and below
            "الاجتماعيومالثلاثاءَُِّْ ،؛؟.",  # Arabic: vowel marks, its own punctuation
            "बैठकमंगलवारकोहै।्ि ",  # Devanagari: joined letters
            "회의는화요일 ᄒᆞᆫᄀᆨ.",  # Korean, with letters in parts
        )
    )
)
PIECES = ("a", "b. ", " | ", "\n", "\n\n", "- ", "1. ", "H: ")
TABLES = st.lists(st.sampled_from(PIECES), max_size=200).map("".join)
TEXTS = st.one_of(AWKWARD, st.text(max_size=400), SCRIPTS, TABLES)


def document(
    text: str,
    sections: tuple[Section, ...] = (),
    pages: tuple[PageStart, ...] = (),
    unbroken: tuple[Span, ...] = (),
) -> ParsedDocument:
    return ParsedDocument(DocumentType.TEXT, text, sections=sections, pages=pages, unbroken=unbroken)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    text = draw(TEXTS)
    places = st.lists(st.integers(0, len(text)), max_size=8)
    paths = st.lists(st.sampled_from("ABC"), max_size=3).map(tuple)
    sections = tuple(Section(start, draw(paths)) for start in sorted(set(draw(places))))
    pages = tuple(PageStart(i + 1, start) for i, start in enumerate([0, *sorted(draw(places))]))
    ends = sorted(set(draw(places)))
    unbroken = tuple(map(Span, ends[::2], ends[1::2]))
    return document(text, sections, draw(st.sampled_from([(), pages])), unbroken)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 60))
    return size, draw(st.integers(0, size // 2))


@settings(deadline=None)  # a busy machine is no fault
@given(documents(), sizes())
def test_chunks_of_any_text_keep_every_promise(parsed: ParsedDocument, limits: tuple[int, int]) -> None:
    """Cap, coverage, order, overlap, byte offsets and pages hold whatever the text and the limits."""
    size, overlap = limits
    text, data = parsed.text, parsed.text.encode()
    chunks = list(chunk(parsed, size, overlap))
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    covered = bytearray(len(text))
    previous: Chunk | None = None
    for c in chunks:
        piece = text[c.char_start : c.char_end]
        assert 0 < len(piece) <= size
        assert piece == piece.strip()
        assert data[c.byte_start : c.byte_end] == piece.encode()
        covered[c.char_start : c.char_end] = b"x" * len(piece)
        assert c.page_starts == tuple(p for p in parsed.pages if c.char_start <= p.char_start < c.char_end)
        if parsed.pages:
            assert c.first_page == max(p.page for p in parsed.pages if p.char_start <= c.char_start)
            assert c.last_page == max(p.page for p in parsed.pages if p.char_start < c.char_end)
        else:
            assert (c.first_page, c.last_page) == (0, 0)
        if previous is not None:
            assert previous.char_start < c.char_start
            assert previous.char_end < c.char_end
            assert previous.char_end - c.char_start <= overlap
        previous = c
    assert all(mark or letter.isspace() for letter, mark in zip(text, covered, strict=True))


@settings(deadline=None)  # a busy machine is no fault
@given(documents(), sizes())
def test_a_chunk_names_headings_that_are_above_all_of_its_text(
    parsed: ParsedDocument, limits: tuple[int, int]
) -> None:
    """A chunk's path leads to the section of its last character, or (a bare heading's) on to a deeper one."""
    for c in chunk(parsed, *limits):
        above = [s.headings for s in parsed.sections if s.char_start < c.char_end]
        last = above[-1] if above else ()
        shorter = min(len(last), len(c.headings))
        assert last[:shorter] == c.headings[:shorter]


def texts(parsed: ParsedDocument, size: int = 100, overlap: int = 20) -> list[str]:
    return [parsed.text[c.char_start : c.char_end] for c in chunk(parsed, size, overlap)]


def test_a_short_document_is_one_chunk() -> None:
    """Nothing is cut that fits."""
    assert texts(document("  One line.\n\nAnother.  ")) == ["One line.\n\nAnother."]


def test_a_blank_document_has_no_chunks() -> None:
    """White space of every kind is not text."""
    assert texts(document(" \n\t\u3000\n ")) == []


def test_paragraphs_are_kept_whole_where_they_fit() -> None:
    """A cut falls on a blank line when one stands in the second half of the window, without overlap."""
    first, second = "First paragraph. " * 4, "Second paragraph. " * 4
    assert texts(document(f"{first.strip()}\n\n{second.strip()}")) == [first.strip(), second.strip()]


def test_a_torn_paragraph_overlaps_from_a_word_boundary() -> None:
    """The second chunk begins with whole words of the first."""
    chunks = texts(document("alpha beta gamma delta " * 12))
    for before, after in pairwise(chunks):
        shared = next(n for n in range(20, 0, -1) if before.endswith(after[:n]))
        assert before[-shared - 1] == " "


@pytest.mark.parametrize(
    ("sentence", "gap"),
    [
        ("The meeting is on Tuesday at nine.", " "),
        ("会议在星期二上午九点举行，请准时到场，谢谢。", ""),
        ("会議は火曜日の午前九時に始まります！", ""),
        ("هل الاجتماع يوم الثلاثاء الساعة التاسعة؟", " "),
        ("बैठक मंगलवार को सुबह नौ बजे है।", " "),
        ("ስብሰባው ማክሰኞ ጠዋት ሦስት ሰዓት ነው።", " "),
        ("And then… “It was over.”", " "),
    ],
)
def test_sentences_of_every_script_stay_whole(sentence: str, gap: str) -> None:
    """Every chunk of a long paragraph ends where a sentence ends."""
    text = gap.join([sentence] * 12)
    for piece in texts(document(text), size=100, overlap=0):
        assert piece.endswith(sentence)
        assert piece.startswith(sentence)


def test_chinese_without_any_stop_respects_the_limit() -> None:
    """No separator at all still gives chunks of at most the limit."""
    chunks = texts(document("汉" * 1050), size=100, overlap=10)
    assert max(map(len, chunks)) == 100
    assert len(chunks) <= 13


@pytest.mark.parametrize(
    "letter", ["e\u0301\u0323", "👩\u200d👩\u200d👧", "👍🏽", "🇩🇪", "\u1100\u1161\u11a8", "กำ"]
)
def test_a_hard_cut_does_not_tear_a_letter(letter: str) -> None:
    """User-perceived letters of several code points stay whole where nothing else can be cut."""
    for piece in texts(document(letter * 60), size=50, overlap=10):
        assert piece == letter * (len(piece) // len(letter))


def test_a_letter_longer_than_any_real_one_is_cut() -> None:
    """A thousand combining marks do not break the limit."""
    assert max(map(len, texts(document("a" + "\u0301" * 1000), size=50, overlap=10))) <= 50


def test_sections_are_not_mixed() -> None:
    """Two sections of some length go to two chunks although they would fit in one."""
    first, second = "# A\n\n" + "aaaa " * 8, "\n\n# B\n\n" + "bbbb " * 8
    parsed = document(first + second, (Section(0, ("A",)), Section(len(first) + 2, ("B",))))
    assert [c.headings for c in chunk(parsed, 100, 20)] == [("A",), ("B",)]


def test_a_heading_without_text_stays_with_what_follows() -> None:
    """`# A` directly above `## B` goes into B's first chunk, under B's path."""
    text = "# A\n\n## B\n\n" + "word " * 60
    parsed = document(text, (Section(0, ("A",)), Section(5, ("A", "B"))))
    chunks = list(chunk(parsed, 100, 20))
    assert texts(parsed)[0].startswith("# A\n\n## B\n\nword")
    assert {c.headings for c in chunks} == {("A", "B")}


def test_tiny_sections_share_a_chunk_under_their_common_headings() -> None:
    """Two lines of text each are not worth two chunks."""
    text = "## B\n\nbb\n\n## C\n\ncc"
    parsed = document(text, (Section(0, ("A", "B")), Section(10, ("A", "C"))))
    assert [(c.char_start, c.char_end, c.headings) for c in chunk(parsed, 100, 20)] == [
        (0, len(text), ("A",))
    ]


def test_a_little_more_than_one_chunk_is_cut_into_similar_halves() -> None:
    """No scrap of a few words is left over."""
    assert min(map(len, texts(document("word " * 24), overlap=0))) > 30


def test_list_items_and_table_rows_are_kept_whole() -> None:
    """A line of a list is not torn when it can be kept."""
    rows = [f"- item number {i} costs {i} euro and {i} cent" for i in range(10)]
    for piece in texts(document("\n".join(rows)), overlap=0):
        assert set(piece.split("\n")) <= set(rows)


@pytest.mark.parametrize("marker", ["- ", "* ", "{}. ", "{}) ", "(b) ", "3.{}.1 ", "iv. ", "  • "])
def test_a_list_item_of_several_sentences_and_lines_is_kept_whole(marker: str) -> None:
    """A cut falls between items, not after a sentence inside one."""
    items = [f"{marker.format(i)}Step {i} is done. Then wait for\n   one hour. Go on." for i in range(1, 10)]
    pieces = texts(document("\n".join(items)), size=130, overlap=0)
    assert len(pieces) > 3
    assert all(piece.count("Step") == piece.count("Go on.") for piece in pieces)


def test_code_that_fits_is_kept_whole() -> None:
    """Blank lines inside of it tempt in vain; the text around it is cut elsewhere."""
    code = "```\nfirst = 1\n\nsecond = 2\n\nthird = 3\n```"
    for words in range(1, 40):
        before, after = "word " * words, "more text " * 20
        text = f"{before}\n\n{code}\n\n{after}".strip()
        at = text.index(code)
        parsed = document(text, unbroken=(Span(at, at + len(code) + 1),))
        assert any(code in piece for piece in texts(parsed, size=100, overlap=20))


def test_code_longer_than_a_chunk_is_cut_at_its_lines() -> None:
    """The limit holds for code as well."""
    lines = [f"line_{number:03} = {number}" for number in range(50)]
    text = "\n".join(lines)
    for piece in texts(document(text, unbroken=(Span(0, len(text)),)), overlap=0):
        assert set(piece.split("\n")) <= set(lines)


def test_a_row_longer_than_a_chunk_is_cut_between_cells() -> None:
    """Every piece begins with a column's name; sentences inside a cell do not tear it."""
    row = " | ".join(f"Column {n}: Value {n} is long. It has two sentences" for n in range(12))
    pieces = texts(document(row), size=120, overlap=30)
    assert len(pieces) > 5
    assert all(piece.startswith("Column ") for piece in pieces)
    assert " ".join(pieces) == row


def test_rows_without_a_header_are_cut_between_rows() -> None:
    """Not between the cells of a row that fits."""
    rows = [f"cell {n} | another one. Of two | third" for n in range(12)]
    for piece in texts(document("\n".join(rows)), overlap=0):
        assert set(piece.split("\n")) <= set(rows)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (10, -1), (10, 6)])
def test_impossible_limits_are_refused_at_once(size: int, overlap: int) -> None:
    """A size below 1, a negative overlap, or one above half the size."""
    with pytest.raises(ValueError, match="max_characters"):
        chunk(document("x"), size, overlap)


@pytest.mark.parametrize(
    "unit",
    [
        "汉",
        "x",
        "!",
        '."',
        "e\u0301",
        "a ",
        "a\n",
        "a\n\n",
        "🇩",
        "| a | b |\n",
        "a | ",
        "Name: x. y | ",
        "1. a\n",
        "1.1.1.",
        " " * 50 + "x",
        "\u1100\u1161",
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    """Four times the text takes about four times as long, whatever the text is made of."""

    def seconds(count: int) -> float:
        parsed = document(unit * (count // len(unit)))
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            assert sum(1 for _ in chunk(parsed)) >= 1
            best = min(best, time.process_time() - begin)
        return best

    seconds(10_000)
    assert seconds(120_000) < 4 * max(seconds(30_000), 0.002) * 3
