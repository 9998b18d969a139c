"""EPUB books: chapters in reading order."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from services.ingest.parsers.epub import parse
from services.ingest.parsers.errors import ParseError

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
    'full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The  Sea</dc:title></metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="out" href="../../../etc/hostname" media-type="application/xhtml+xml"/>
<item id="art" href="a.png" media-type="image/png"/>
</manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/><itemref idref="art"/>
<itemref idref="out"/><itemref idref="nowhere"/></spine></package>"""
ONE = (
    '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>'
    '<body><h1>Tides<a id="x"/></h1><p>They rise. <a href="two.xhtml">See there, it is a long link.</a></p>'
    "<h2>Moon</h2><p>It pulls.</p></body></html>"
)
TWO = "<html><body><p>Without a heading.</p></body></html>"


def book(folder: Path, **changed: str) -> Path:
    """A book with some of its members changed."""
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": "<html><body><nav>Tides</nav><p>Contents</p></body></html>",
        "OEBPS/one.xhtml": ONE,
        "OEBPS/text/two b.xhtml": TWO,
    }
    for name, text in changed.items():
        member = name.replace("META_INF", "META-INF").replace("__", "/").replace("_", ".")
        members[member] = text
    path = folder / "upload"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    """With their heading paths, without the table of contents; links of chapters are kept."""
    parsed = parse(book(tmp_path))
    assert parsed.title == "The Sea"
    assert parsed.text == (
        "Tides\n\nThey rise. See there, it is a long link.\n\nMoon\n\nIt pulls.\n\nWithout a heading."
    )
    assert [(parsed.text[s.char_start :].split("\n")[0], s.headings) for s in parsed.sections] == [
        ("Tides", ("Tides",)),
        ("Moon", ("Tides", "Moon")),
        ("Without a heading.", ()),
    ]


BOMB = '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("declaration", [BOMB, OUTSIDE])
def test_a_package_with_declarations_is_refused(declaration: str, tmp_path: Path) -> None:
    """No entity is expanded, none is fetched."""
    with pytest.raises(ParseError) as caught:
        parse(book(tmp_path, OEBPS__book_opf=declaration + PACKAGE.replace("The  Sea", "&a;")))
    assert caught.value.reason == "DOCUMENT_CORRUPT"


def test_a_chapter_with_an_external_entity_shows_nothing_of_it(tmp_path: Path) -> None:
    """Chapters are read as HTML, which has no entities of its own."""
    attack = OUTSIDE + "<html><body><p>before &a; after</p></body></html>"
    assert "before &a; after" in parse(book(tmp_path, OEBPS__one_xhtml=attack)).text


def test_protected_books_are_encrypted(tmp_path: Path) -> None:
    """Fonts may be obfuscated without harm to the text."""
    form = '<e><EncryptionMethod Algorithm="{}"/></e>'
    with pytest.raises(ParseError) as caught:
        parse(
            book(
                tmp_path, META_INF__encryption_xml=form.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
            )
        )
    assert caught.value.reason == "DOCUMENT_ENCRYPTED"
    fonts = form.format("http://www.idpf.org/2008/embedding")
    assert parse(book(tmp_path, META_INF__encryption_xml=fonts)).text


def test_a_book_without_a_package_is_corrupt(tmp_path: Path) -> None:
    """The container names a member that is not there."""
    with pytest.raises(ParseError) as caught:
        parse(book(tmp_path, META_INF__container_xml=CONTAINER.replace("book.opf", "gone.opf")))
    assert caught.value.reason == "DOCUMENT_CORRUPT"
