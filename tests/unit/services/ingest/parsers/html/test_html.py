"""HTML: main text with structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest.model import ParsedDocument
from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.html import parse
from services.ingest.parsers.limits import ParseLimits

PARAGRAPH = "This is a sentence of the article that says something of interest to its readers. " * 6


def text_of(body: str) -> str:
    return parse(f"<!doctype html><html><body>{body}</body></html>".encode()).text


def outline(parsed: ParsedDocument) -> list[tuple[str, tuple[str, ...]]]:
    return [(parsed.text[s.char_start :].split("\n")[0], s.headings) for s in parsed.sections]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>One\n  two</p><p>three</p>", "One two\n\nthree"),
        ("<p>a<br>b<br/>c</p>", "a\nb\nc"),
        ("<ul><li>a</li><li>b <b>c</b></li></ul>", "- a\n- b c"),
        ("<ol><li><p>a</p></li><li>b<ul><li>c</li></ul></li></ol>", "1. a\n2. b\n- c"),
        ("<ol start=42><li>a</li><li value=7>b</li><li>c</li></ol>", "42. a\n7. b\n8. c"),
        ("<ol start=x><li>a<ol><li>b</li></ol></li><li>c</li></ol>", "1. a\n1. b\n2. c"),
        ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>", "a: 1 | b: 2"),
        ("<pre>x = 1\n\n  y</pre>", "x = 1\n\n  y"),
        ("<dl><dt>Coffee</dt><dd>black</dd></dl>", "Coffee\n\nblack"),
        ("<nav>Home</nav><p>x</p><footer>(c)</footer><script>s()</script><style>p{}</style>", "x"),
        ("<p>a<span hidden>b</span>c</p><div aria-hidden=true>d</div><div role=navigation>e</div>", "ac"),
        ("<form><label>Name</label><input value=v><p>x</p><button>Go</button></form>", "Name\n\nx"),
        ("<p>a<!-- no -->b</p><noscript>no</noscript><template>no</template><p>c</p>", "ab\n\nc"),
        ("text <i>without</i> any block", "text without any block"),
        (
            "<table><tr><td><h1>T</h1><p>a</p><p>b</p></td><td><table><tr><td>1</td><td>2</td></tr></table>"
            "</td></tr></table>",
            "T\n\na\n\nb\n\n1 | 2",
        ),
        ("<p>&lt;b&gt; &amp; &eacute;&nbsp;x</p>", "<b> & é x"),
    ],
)
def test_elements_become_lines(body: str, expected: str) -> None:
    """Paragraphs, lists, rows, code; without what is not the page's text."""
    assert text_of(body) == expected


def test_headings_make_paths_and_the_title() -> None:
    """The first h1 is the title, whatever the site writes into its title element."""
    parsed = parse(
        b"<html><head><title>Leave | Intranet</title></head><body><header>Intranet</header>"
        b"<main><h1>Leave</h1><p>x</p><h2>Sick  <b>leave</b></h2><p>y</p><h4>Deep</h4><h2></h2><h2>Other</h2>"
        b"</main></body></html>"
    )
    assert parsed.title == "Leave"
    assert outline(parsed) == [
        ("Leave", ("Leave",)),
        ("Sick leave", ("Leave", "Sick leave")),
        ("Deep", ("Leave", "Sick leave", "Deep")),
        ("Other", ("Leave", "Other")),
    ]


def test_the_title_element_serves_without_a_top_heading() -> None:
    """Also when the page has no body at all."""
    assert parse(b"<title>T</title><p>x").title == "T"
    assert parse(b"<!-- nothing -->").text == ""


def test_of_a_page_full_of_links_the_article_is_kept() -> None:
    """Link lists around an article go, its headings and paragraphs stay."""
    links = "".join(f"<li><a href='/{i}'>Another story number {i}</a></li>" for i in range(60))
    page = (
        f"<!doctype html><html><body><div><ul>{links}</ul></div><article><h1>News</h1><p>{PARAGRAPH}</p>"
        f"<h2>More</h2><p>{PARAGRAPH}</p></article><div><ul>{links}</ul></div></body></html>"
    )
    parsed = parse(page.encode())
    assert "Another story" not in parsed.text
    assert parsed.text.count("something of interest") == 12
    assert ("More", ("News", "More")) in outline(parsed)


def test_a_page_of_nothing_but_links_is_kept_whole() -> None:
    """When the extractor finds nothing, the page is better than nothing."""
    assert "Alpha" in text_of("<a href=a>Alpha</a> <a href=b>Beta</a>")


def test_encodings_are_found_in_the_page() -> None:
    """A meta declaration, an XML declaration, or the bytes themselves."""
    for source in (
        "<meta charset=cp865><p>Ødegård",
        '<meta http-equiv="Content-Type" content="text/html; charset=cp865"><p>Ødegård',
        '<?xml version="1.0" encoding="cp865"?><html><body><p>Ødegård</p></body></html>',
    ):
        assert parse(source.encode("cp865")).text == "Ødegård"
    assert parse("<p>Ødegård".encode("utf-16")).text == "Ødegård"


def test_nothing_outside_of_the_file_is_read(tmp_path: Path) -> None:
    """External entities and frames stay closed."""
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    page = (
        f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file://{secret}">]>'
        f'<html><body><p>a &x; b</p><iframe src="file://{secret}">no</iframe>'
        f'<object data="file://{secret}"></object></body></html>'
    )
    assert "SECRET" not in parse(page.encode()).text


def test_entities_do_not_explode() -> None:
    """A billion laughs are a few characters."""
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    page = f'<!DOCTYPE html [<!ENTITY l0 "lol">{levels}]><html><body><p>x &l9;</p></body></html>'
    assert len(parse(page.encode()).text) < 2000


def test_deep_nesting_is_read_or_refused_never_cut_in_silence() -> None:
    """A thousand levels are read; more than the library reads are refused."""
    assert parse(b"<div>" * 1000 + b"deep").text == "deep"
    with pytest.raises(ParseError) as caught:
        parse(b"<p>before</p>" + b"<div>" * 5000 + b"deep")
    assert caught.value.reason == "PARSE_LIMIT_EXCEEDED"
    assert caught.value.metadata == {"limit_name": "nesting", "limit": "2048"}
    with pytest.raises(ParseError) as caught:
        parse(b"<div>" * 1000 + b"deep", ParseLimits(max_nesting=500))
    assert caught.value.metadata == {"limit_name": "nesting", "limit": "500"}


@pytest.mark.parametrize("unit", ["<p>x</p>", "<li>x", "<tr><td>x", "<b>x</b> ", "<a href=x>y</a> "])
def test_many_elements_are_read(unit: str) -> None:
    """Twenty thousand of anything."""
    assert text_of(unit * 20_000).count("y" if "href" in unit else "x") == 20_000


HEADER = "<tr><th>Name<th>Age<th>Town</tr>"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (f"{HEADER}<tr><td>Ann<td>3<td>Ulm</tr>", "Name: Ann | Age: 3 | Town: Ulm"),
        (f"<thead>{HEADER}</thead><tbody><tr><td>Ann<td><td>Ulm</tbody>", "Name: Ann | Town: Ulm"),
        ("<tr><th>Born<td>1950</tr><tr><th>Died<td>2001</tr>", "Born | 1950\nDied | 2001"),
        (f"{HEADER}<tr><td colspan=2>Ann<td>Ulm</tr>", "Name: Ann | Town: Ulm"),
        (
            f"{HEADER}<tr><td rowspan=2>Ann<td>3<td>Ulm</tr><tr><td>4<td>Bonn</tr>",
            "Name: Ann | Age: 3 | Town: Ulm\n\nName: Ann | Age: 4 | Town: Bonn",
        ),
        (
            "<tr><th rowspan=2>Item<th colspan=2>Cost</tr><tr><th>2023<th>2024</tr><tr><td>Tea<td>1<td>2",
            "Item: Tea | Cost 2023: 1 | Cost 2024: 2",
        ),
        (HEADER, "Name | Age | Town"),
        ("<tr><td rowspan=3>Ann<td>3</tr><tr></tr><tr><td>4</tr>", "Ann | 3\nAnn | 4"),
        (f"{HEADER}<tr><td>Ann<td>3</tr><tr><th>Pet<th>Kind</tr><tr><td>Rex<td>dog</tr>",
         "Name: Ann | Age: 3\n\nPet: Rex | Kind: dog"),
        ("<tr>stray<td>a<td>b</tr>", "stray | a | b"),
        (f"{HEADER}<tr><td colspan=99999999999 rowspan=x>Ann<td>3</tr>", "Name: Ann | 3"),
    ],
)  # fmt: skip
def test_rows_of_a_table_name_their_columns(rows: str, expected: str) -> None:
    """Header cells name columns, over spans too; the first column's header cells do not."""
    assert text_of(f"<table>{rows}</table>") == expected


def test_preformatted_text_is_unbroken() -> None:
    """Its span is exact."""
    parsed = parse(b"<p>before</p><pre>x\n\ny</pre><p>after</p>")
    assert [parsed.text[span.start : span.end] for span in parsed.unbroken] == ["x\n\ny"]
