"""Running heads, running feet and page numbers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parsers.pdf.running_lines import drop_running_lines
from services.ingest.text.normalisation import clean


def bodies(count: int) -> list[str]:
    """Pages of text in which no line comes twice."""
    return [
        f"{chr(97 + page)} begins here\nand says {chr(97 + page)} again\nending {page}x"
        for page in range(count)
    ]


@pytest.mark.parametrize(
    "number",
    [
        "{}",
        "- {} -",
        "Page {}",
        "Page {} of 12",
        "p. {}",
        "Seite {} von 12",
        "pagina {} di 12",
        "第{}页 共12页",
        "{} / 12",
        "[{}]",
    ],
)
def test_page_numbers_go_on_every_page(number: str) -> None:
    """Whatever words for "page" stand beside them."""
    pages = bodies(6)
    assert drop_running_lines([f"{page}\n{number.format(i + 3)}" for i, page in enumerate(pages)]) == pages
    assert drop_running_lines([f"{number.format(i + 3)}\n{page}" for i, page in enumerate(pages)]) == pages


def test_roman_page_numbers_go_too() -> None:
    """As in forewords."""
    pages = bodies(6)
    numbers = ["iii", "iv", "v", "VI", "vii", "viii"]
    numbered = [f"{page}\n{number}" for page, number in zip(pages, numbers, strict=True)]
    assert drop_running_lines(numbered) == pages


def test_running_heads_stay_on_their_first_page() -> None:
    """Their words are not lost from the document."""
    pages = bodies(5)
    heads = [f"Annual Report 2024\n{page}" for page in pages]
    assert drop_running_lines(heads) == [heads[0], *pages[1:]]


def test_heads_with_page_numbers_and_several_lines() -> None:
    """All lines between the edge and the number go."""
    pages = bodies(5)
    framed = [
        f"ACME Corporation\n{i + 7} | Annual Report 2024\n{page}\nConfidential draft\nPage {i + 7} of 90"
        for i, page in enumerate(pages)
    ]
    kept = drop_running_lines(framed)
    assert kept[1:] == [f"{page}\nConfidential draft" for page in pages[1:]]
    assert kept[0] == f"ACME Corporation\n7 | Annual Report 2024\n{pages[0]}\nConfidential draft"


def test_left_and_right_pages_may_differ() -> None:
    """Book title on the left, chapter on the right."""
    pages = bodies(12)
    heads = [f"{'The Whole Book' if i % 2 else 'A Chapter'}\n{page}" for i, page in enumerate(pages)]
    assert drop_running_lines(heads) == [*heads[:2], *pages[2:]]


def test_the_head_of_a_table_stays() -> None:
    """It repeats over a table's pages, below the running head or at the very edge, and names the columns."""
    rows = [f"bolt {chr(97 + page)} 12 3.50\nnut {chr(97 + page)} 7 1.20" for page in range(8)]
    below = [f"Price list of ACME\nItem Quantity Price\n{row}" for row in rows]
    assert drop_running_lines(below)[1:] == [f"Item Quantity Price\n{row}" for row in rows[1:]]
    at_the_edge = [f"Item Quantity Price\n{row}" for row in rows]
    assert drop_running_lines(at_the_edge) == at_the_edge


@pytest.mark.parametrize(
    "pages",
    [
        bodies(3),
        [f"{page}\n{number}" for page, number in zip(bodies(6), (7, 9, 2, 2024, 11, 4), strict=True)],
        [f"{page}\n2024 {i}" for i, page in enumerate(bodies(6))],
        [f"Exercise {i + 1}\n{page}" for i, page in enumerate(bodies(6))],
        [f"Sample {i}" for i in range(6)],
        ["The same page\nagain"] * 6,
        [f"{page}\n${i + 1}.50" for i, page in enumerate(bodies(6))],
        [f"Same head\n{page}" if i in (0, 3, 6, 9) else page for i, page in enumerate(bodies(10))],
        [f"{page}\nmiddle line\n1\n2\n3\nend {chr(97 + i)}" for i, page in enumerate(bodies(6))],
    ],
    ids=["short", "numbers", "years", "exercises", "bare", "identical", "amounts", "too rare", "inside"],
)
def test_nothing_is_dropped_when_unsure(pages: list[str]) -> None:
    """Too few pages, numbers that do not grow, headings of their own, pages of nothing else."""
    assert drop_running_lines(pages) == pages


words = st.text(st.characters(categories=("L", "N", "P", "Zs"), include_characters="\n"), max_size=60)


@given(st.lists(words, min_size=0, max_size=12))
def test_pages_without_repeated_edges_come_out_unchanged(texts: list[str]) -> None:
    """Every edge line has a word of its own, and no line is a number alone."""
    pages = []
    for index, text in enumerate(texts):
        lines = [f"{line} w{chr(97 + index)}q" for line in clean(text).split("\n")]
        pages.append(clean("\n".join(lines)))
    assert drop_running_lines(pages) == pages


@given(st.lists(words, min_size=4, max_size=12), st.integers(1, 300))
def test_frames_come_off_and_bodies_stay(texts: list[str], first: int) -> None:
    """Whatever the bodies are, a running head and a page number around them are what is dropped."""
    pages = []
    for index, text in enumerate(texts):
        lines = [f"{line} w{chr(97 + index)}q" for line in clean(text).split("\n")]
        pages.append(clean("\n".join(lines)))
    framed = [f"Whole Book | {first + i}\n{page}\n- {first + i} -" for i, page in enumerate(pages)]
    assert drop_running_lines(framed) == [f"Whole Book | {first}\n{pages[0]}", *pages[1:]]


def test_time_is_linear() -> None:
    """Many pages, and pages of one endless line or of very many lines."""
    begin = time.process_time()
    drop_running_lines([f"Head {'i' * 50_000}\n{i}\n{'x ' * 50_000}" for i in range(50)])
    drop_running_lines(["i\n" * 50_000 + str(i) for i in range(20)])
    drop_running_lines([f"A head\n{i} 1 2 3\nbody {i} text\n{i}" for i in range(5_000)])
    assert time.process_time() - begin < 5
