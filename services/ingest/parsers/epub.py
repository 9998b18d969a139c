"""EPUB books: the chapters in reading order, each read as HTML."""

from __future__ import annotations

import posixpath
import re
import zipfile
from pathlib import Path
from urllib.parse import unquote

from lxml import etree

from services.ingest.model import DocumentType, ParsedDocument, Section, Span
from services.ingest.parsers import html
from services.ingest.parsers.errors import ParseError, corrupt, encrypted, limit_exceeded
from services.ingest.parsers.headings import MAX_TITLE_CHARACTERS
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.xml_faults import xml_fault
from services.ingest.parsers.zip_limits import open_archive, read_member
from services.ingest.text.normalisation import one_line

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_OPF_TYPE = "application/oebps-package+xml"
_CHAPTER_TYPES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
MAX_CHAPTERS = 5000

# XHTML closes empty elements by a slash, which HTML readers overlook: `<title/>` would hide the chapter.
_SELF_CLOSED = re.compile(
    rb"<((?!(?:br|hr|img|input|meta|link|col|area|base|wbr|source|track|embed|param)\b)[a-z][a-z0-9]*)((?:\s[^<>]*)?)/>",
    re.IGNORECASE,
)


def parse(path: Path, limits: ParseLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """Every chapter of the spine, the table of contents left out; the title from the package.

    Nothing outside of the archive is opened, nor any entity of its own expanded.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED (digital rights management),
    PARSE_LIMIT_EXCEEDED, UNKNOWN_TEXT_ENCODING.
    """
    with open_archive(path, "EPUB", limits) as archive:
        names = frozenset(archive.namelist())
        if _ENCRYPTION in names and _encrypts_text(_xml(archive, _ENCRYPTION)):
            raise encrypted(password_given=False)
        package_name = _package_name(archive)
        package = _xml(archive, package_name)
        title = _first_text(package, "title")
        parts: list[str] = []
        sections: list[Section] = []
        code: list[Span] = []
        length = 0
        for name in _spine(package, posixpath.dirname(package_name)):
            if name not in names:
                continue
            source = _SELF_CLOSED.sub(rb"<\1\2></\1>", read_member(archive, name))
            chapter = html.parse(source, limits, whole=True)
            if not chapter.text:
                continue
            if parts:
                parts.append("\n\n")
                length += 2
            if sections and not (chapter.sections and chapter.sections[0].char_start == 0):
                # What begins before the chapter's first heading does not belong to the chapter before.
                sections.append(Section(length, ()))
            code.extend(Span(length + span.start, length + span.end) for span in chapter.unbroken)
            sections.extend(Section(length + part.char_start, part.headings) for part in chapter.sections)
            parts.append(chapter.text)
            length += len(chapter.text)
            limits.check_characters(length)
    return ParsedDocument(
        DocumentType.EPUB,
        "".join(parts),
        title=one_line(title, MAX_TITLE_CHARACTERS),
        sections=tuple(sections),
        unbroken=tuple(code),
    )


def _xml(archive: zipfile.ZipFile, name: str) -> etree._Element:
    """The root of a member. Raises ParseError DOCUMENT_CORRUPT for damaged XML and any DOCTYPE."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(read_member(archive, name), parser)
    except (etree.LxmlError, ValueError) as error:
        raise xml_fault(error, "EPUB") from error
    if root.getroottree().docinfo.doctype:
        raise ParseError(
            "DOCUMENT_CORRUPT",
            f"The EPUB file's {posixpath.basename(name)} has a document type declaration, which is not read. "
            "Convert the book to EPUB 3, then upload the new file.",
        )
    return root


def _package_name(archive: zipfile.ZipFile) -> str:
    for rootfile in _xml(archive, _CONTAINER).iter("{*}rootfile"):
        name = str(rootfile.get("full-path", ""))
        if name and rootfile.get("media-type", _OPF_TYPE) == _OPF_TYPE:
            return posixpath.normpath(name)
    raise corrupt("EPUB")


def _spine(package: etree._Element, folder: str) -> list[str]:
    """The names of the chapters' members, in reading order, each once."""
    items: dict[str, str] = {}
    for item in package.iter("{*}item"):
        is_contents = "nav" in item.get("properties", "").split()
        if item.get("media-type") in _CHAPTER_TYPES and not is_contents:
            # Names inside the archive, never of a file system: the archive is asked for them, nobody else.
            name = posixpath.join(folder, unquote(item.get("href", "").partition("#")[0]))
            items[item.get("id", "")] = posixpath.normpath(name)
    wanted = (items.get(reference.get("idref", "")) for reference in package.iter("{*}itemref"))
    names = list(dict.fromkeys(name for name in wanted if name))
    if len(names) > MAX_CHAPTERS:
        raise limit_exceeded("chapters", MAX_CHAPTERS, f"It has more than {MAX_CHAPTERS} chapters.")
    return names


def _first_text(package: etree._Element, name: str) -> str:
    found = package.find(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
    return "" if found is None else "".join(found.itertext())


def _encrypts_text(encryption: etree._Element) -> bool:
    """Whether more than fonts is encrypted."""
    methods = (method.get("Algorithm", "") for method in encryption.iter("{*}EncryptionMethod"))
    return any(method not in _FONT_OBFUSCATION for method in methods)
