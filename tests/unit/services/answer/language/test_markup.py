"""Texts without their Markdown, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.language.markup import Plain

_SIGNS = [
    "a",
    "b c",
    "*",
    "**",
    "_",
    "`",
    "```",
    "[",
    "](x)",
    "]",
    "<!--",
    "-->",
    "\n",
    "\n\n",
    "> ",
    "!",
    " ",
    "é",
]
_MARKED = st.lists(st.sampled_from(_SIGNS), max_size=25).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Read the [ferry plan](plan.md) of **Harwick** and the _night_ plan.",
         "Read the ferry plan of Harwick and the night plan."),
        ('And [one](https://a.example/b_c(d) "Title").', "And one."),
        ("See [the **wide\npier**][piers]<!-- a note --> there.", "See the wide\npier there."),
        ("![the pier](pier.png) is closed", "the pier is closed"),
        ("```console\n$ sail *now* [1](x)\n```\nThen *rest*.", "$ sail *now* [1](x)\nThen rest."),
        ("Type `*now*` or ``a ` b`` and *wait*.", "Type `*now*` or ``a ` b`` and wait."),
        ("> The pier\n> is closed.\n1 > 0", "The pier\nis closed.\n1 > 0"),
        ("码头**关闭**了", "码头关闭了"),
    ],
)  # fmt: skip
def test_what_shapes_the_words_goes(text: str, expected: str) -> None:
    assert Plain(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "2**3**4 and 5 * 3 * 2",
        "snake_case_name and __name__",
        "*args and **kwargs",
        "A **bold word that never\n\nends** here",
        "Ferries[3][4] run daily.[citation needed][3]",
        "rows[i][j], article 3[1](a) and the [Tenant](herein)",
        "an open `tick and [an open link](",
        "Option<i32> | x -> y",
    ],
)
def test_what_only_looks_like_markup_stays(text: str) -> None:
    assert Plain(text).text == text


def test_pieces_are_found_again_with_the_markup_that_touches_them() -> None:
    text = "The **night [ferry](f.md)** sails."
    plain = Plain(text)
    start = plain.text.index("night")
    begin, end = plain.origin(start, start + len("night ferry"))
    assert text[begin:end] == "**night [ferry](f.md)**"
    assert plain.between(begin, end) == "night ferry"
    assert plain.origin(0, len(plain.text)) == (0, len(text))


def test_a_piece_may_begin_within_what_is_in_bold() -> None:
    text = "**First. Second** third."
    assert Plain(text).between(text.index("Second"), len(text)) == "Second third."


@given(st.one_of(st.text(max_size=80), _MARKED), st.data())
def test_any_piece_of_any_text_is_found_again(text: str, data: st.DataObject) -> None:
    plain = Plain(text)
    start = data.draw(st.integers(0, len(plain.text)))
    end = data.draw(st.integers(start, len(plain.text)))
    begin, finish = plain.origin(start, end)
    assert 0 <= begin <= finish <= len(text)
    assert plain.between(begin, finish) == plain.text[start:end]
