"""Numbers that Word counts and never writes down."""

from __future__ import annotations

from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from services.ingest.parsers.docx import parse
from services.ingest.parsers.docx.numbering import LEVELS, Numbering

NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def level(number: int, text: str, form: str = "decimal", extra: str = "", start: str = "1") -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>{extra}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


LEGAL = level(0, "%1.") + level(1, "%1.%2") + level(2, "(%3)", "lowerLetter")


def part(definitions: str, instances: str = "") -> etree._Element:
    """A numbering part: definition 0 as given, and instance 1 of it."""
    return etree.fromstring(
        f'<w:numbering xmlns:w="{NAMESPACE}"><w:abstractNum w:abstractNumId="0">{definitions}</w:abstractNum>'
        f'<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>{instances}</w:numbering>'
    )


def numbers(root: etree._Element, *paragraphs: int | tuple[str, int]) -> list[str]:
    """What stands before paragraphs of these levels, or of these (instance, level)."""
    counting = Numbering(root)
    return [counting.next(*(("1", one) if isinstance(one, int) else one)) for one in paragraphs]


def test_levels_count_and_begin_again_below_their_parent() -> None:
    """Outer numbers stand in the text of inner levels."""
    assert numbers(part(LEGAL), 0, 1, 1, 2, 2, 0, 1, 2) == [
        "1.",
        "1.1",
        "1.2",
        "(a)",
        "(b)",
        "2.",
        "2.1",
        "(a)",
    ]


def test_an_inner_level_without_its_parent_shows_the_start_of_it() -> None:
    """As Word does; the parent then goes on from there."""
    assert numbers(part(LEGAL), 1, 1, 0) == ["1.1", "1.2", "2."]


@pytest.mark.parametrize(
    ("form", "start", "expected"),
    [
        ("decimal", "9", ["9", "10"]),
        ("decimalZero", "9", ["09", "10"]),
        ("lowerLetter", "26", ["z", "aa"]),
        ("upperLetter", "2", ["B", "C"]),
        ("lowerRoman", "3", ["iii", "iv"]),
        ("upperRoman", "1998", ["MCMXCVIII", "MCMXCIX"]),
        ("upperRoman", "4000", ["4000", "4001"]),
        ("none", "1", ["", ""]),
        ("bullet", "1", ["", ""]),
        ("chineseCounting", "1", ["1", "2"]),
        ("decimal", "-4", ["1", "2"]),
        ("decimal", "\u0663", ["1", "2"]),
        ("decimal", "9" * 5000, ["1000000", "1000000"]),
    ],
)
def test_numbers_are_written_in_the_form_of_their_level(form: str, start: str, expected: list[str]) -> None:
    """Unknown forms and starts count in plain digits from 1, within bounds."""
    assert numbers(part(level(0, "%1", form, start=start)), 0, 0) == expected


def test_instances_of_one_definition_count_on_unless_they_start_anew() -> None:
    """A list resumed after another paragraph goes on; one with an override begins where it says."""
    again = (
        '<w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
    )
    paragraphs = (("1", 0), ("2", 0), ("3", 0), ("3", 0), ("2", 0))
    assert numbers(part(LEGAL, again), *paragraphs) == ["1.", "2.", "7.", "8.", "9."]


def test_legal_numbering_writes_outer_levels_in_digits() -> None:
    """Below "Article II" stands "2.1"."""
    levels = level(0, "Article %1", "upperRoman") + level(1, "%1.%2", extra="<w:isLgl/>")
    assert numbers(part(levels), 0, 0, 1) == ["Article I", "Article II", "2.1"]


def test_a_level_that_never_restarts_goes_on() -> None:
    """`lvlRestart` 0."""
    levels = level(0, "%1") + level(1, "%2", extra='<w:lvlRestart w:val="0"/>')
    assert numbers(part(levels), 0, 1, 0, 1) == ["1", "1", "2", "2"]


@pytest.mark.parametrize("paragraph", [("9", 0), ("1", 7), ("1", 9), ("1", -1), ("5", 0), ("", 0)])
def test_what_is_not_defined_has_no_number(paragraph: tuple[str, int]) -> None:
    """Instances and levels that do not exist, an instance of a definition that does not."""
    dangling = '<w:num w:numId="5"><w:abstractNumId w:val="8"/></w:num>'
    assert numbers(part(LEGAL, dangling), paragraph) == [""]


def test_a_definition_may_point_to_a_style_and_a_ring_of_them_ends() -> None:
    """Two definitions that point to each other give no number."""
    ring = etree.fromstring(
        f'<w:numbering xmlns:w="{NAMESPACE}">'
        + "".join(
            f'<w:abstractNum w:abstractNumId="{n}"><w:numStyleLink w:val="S{n}"/></w:abstractNum>'
            f'<w:num w:numId="{n}"><w:abstractNumId w:val="{n}"/></w:num>'
            for n in (1, 2)
        )
        + '<w:abstractNum w:abstractNumId="3">'
        + LEGAL
        + "</w:abstractNum>"
        + '<w:num w:numId="3"><w:abstractNumId w:val="3"/></w:num></w:numbering>'
    )
    assert Numbering(ring, {"S1": "2", "S2": "1"}).next("1", 0) == ""
    assert Numbering(ring, {"S1": "3"}).next("1", 1) == "1.1"


XML = st.recursive(
    st.just(""),
    lambda inner: st.builds(
        lambda tag, key, value, content: f'<w:{tag} w:{key}="{value}">{content}</w:{tag}>',
        st.sampled_from(
            ["abstractNum", "num", "lvl", "start", "numFmt", "lvlText", "lvlOverride", "startOverride",
             "abstractNumId", "isLgl", "numStyleLink"]
        ),
        st.sampled_from(["val", "ilvl", "numId", "abstractNumId"]),
        st.sampled_from(["0", "1", "8", "99", "-1", "x", "%1.%9", "lowerRoman", "\u0664", "%"]),
        st.lists(inner, max_size=3).map("".join),
    ),
    max_leaves=20,
)  # fmt: skip


@given(XML, st.lists(st.tuples(st.sampled_from("01x"), st.integers(-1, LEVELS)), max_size=10))
def test_damaged_numbering_is_harmless(xml: str, paragraphs: list[tuple[str, int]]) -> None:
    """Short numbers or none, never an error."""
    root = etree.fromstring(f'<w:numbering xmlns:w="{NAMESPACE}">{xml}</w:numbering>')
    assert all(len(number) < 200 for number in numbers(root, *paragraphs))


def numbered(
    document: Document, text: str, depth: int, instance: str = "77", style: str | None = None
) -> None:
    properties = document.add_paragraph(text, style=style)._p.get_or_add_pPr()
    properties.append(
        parse_xml(
            f'<w:numPr xmlns:w="{NAMESPACE}"><w:ilvl w:val="{depth}"/><w:numId w:val="{instance}"/></w:numPr>'
        )
    )


def test_numbers_of_headings_and_items_can_be_found_in_the_text(tmp_path: Path) -> None:
    """`see section 1.2` has something to find, in the text and in the path of headings."""
    document = docx.Document()
    root = document.part.numbering_part.element
    for element in part(LEGAL):
        element.set(
            f"{{{NAMESPACE}}}{'abstractNumId' if element.tag.endswith('abstractNum') else 'numId'}", "77"
        )
        if element.tag.endswith("}num"):
            element[0].set(f"{{{NAMESPACE}}}val", "77")
        root.append(element)
    numbered(document, "Travel", 0, style="Heading 1")
    numbered(document, "Trains", 1, style="Heading 2")
    numbered(document, "Planes", 1, style="Heading 2")
    document.add_paragraph("Ask first.")
    numbered(document, "Seat", 2)
    numbered(document, "Class", 2)
    path = tmp_path / "numbered"
    document.save(str(path))
    parsed = parse(path)
    assert parsed.text == (
        "1. Travel\n\n1.1 Trains\n\n1.2 Planes\n\nAsk first.\n\n    (a) Seat\n    (b) Class"
    )
    assert parsed.sections[-1].headings == ("1. Travel", "1.2 Planes")
    assert parsed.title == "1. Travel"
