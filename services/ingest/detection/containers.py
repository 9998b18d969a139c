"""What a container file holds: Office and EPUB archives (ZIP), old and encrypted Office files (OLE)."""

from __future__ import annotations

import re
import struct
from pathlib import Path

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

ENCRYPTED_OFFICE = "encrypted office"
"""An OLE file around an encrypted Office file: Office writes one when a document has a password."""

LEGACY = {"doc": "docx", "xls": "xlsx", "ppt": "pptx", "xlsb": "xlsx", "docm": "docx", "xlsm": "xlsx"}
"""Types that are not read → what their programs can save them as."""

_TAIL_BYTES = 256 * 1024
"""Of an archive's end: its directory, thousands of names."""

# A name in a member's own header, and in the directory at the archive's end (APPNOTE.TXT, 4.3.7 and 4.3.12).
# An archive inside the archive has such names too; its own come after the member that holds it, and its
# directory before the outer one.
_FOLDER = rb"(word|xl|ppt|META-INF)/"
_LOCAL_FOLDER = re.compile(rb"PK\x03\x04.{26}" + _FOLDER, re.DOTALL)
_DIRECTORY_FOLDER = re.compile(rb"PK\x01\x02.{42}" + _FOLDER, re.DOTALL)
_FOLDERS = {b"word": "docx", b"xl": "xlsx", b"ppt": "pptx"}
_BINARY_WORKBOOK = b"xl/workbook.bin"
_EPUB_CONTAINER = b"META-INF/container.xml"
_CONTENT_TYPES = b"[Content_Types].xml"
_OFFICE_SUFFIXES = {".docx": "docx", ".pptx": "pptx", ".xlsx": "xlsx"}

# The first member of an EPUB or OpenDocument file is its media type, stored as it is.
_MIMETYPE = re.compile(
    rb"PK\x03\x04.{26}mimetype.{0,64}?(application/[a-z0-9.+-]+?)(?=PK|\s|\0|\Z)", re.DOTALL
)
_MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}

# Streams that tell OLE files apart ([MS-CFB] directory entries; names in UTF-16).
_STREAMS = (
    ("EncryptedPackage", ENCRYPTED_OFFICE),
    ("DRMEncryptedDataSpace", ENCRYPTED_OFFICE),
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("PowerPoint Document", "ppt"),
)
_DIRECTORY_BYTES = 64 * 1024


def container_kind(head: bytes, suffix: str, path: Path | None) -> str | None:
    """What the container that begins with `head` holds (`docx`, `zip`, `doc`, ...); None for no container.

    `suffix` (`.docx`) decides only for an Office archive too damaged to tell. `path` is the whole file;
    without it only `head` is looked at.
    """
    if head.startswith(OLE_SIGNATURE):
        return _ole_kind(head, path)
    if head.startswith(ZIP_SIGNATURES):
        return _zip_kind(head, suffix, path)
    return None


def _zip_kind(head: bytes, suffix: str, path: Path | None) -> str:
    declared = _MIMETYPE.match(head)
    if declared:
        return _MIMETYPES.get(declared[1], "zip")
    tail = _read(path, -_TAIL_BYTES, _TAIL_BYTES)
    first = _LOCAL_FOLDER.search(head)
    folders = [first[1]] if first else _DIRECTORY_FOLDER.findall(tail)[-1:]
    for folder in folders:
        if folder == b"xl" and (_BINARY_WORKBOOK in head or _BINARY_WORKBOOK in tail):
            return "xlsb"
        if folder in _FOLDERS:
            return _FOLDERS[folder]
        if _EPUB_CONTAINER in head or _EPUB_CONTAINER in tail:
            return "epub"
    if _CONTENT_TYPES in head:
        return _OFFICE_SUFFIXES.get(suffix, "zip")
    return "zip"


def _ole_kind(head: bytes, path: Path | None) -> str:
    places = [head]
    if len(head) >= 52:
        shift, first_sector = struct.unpack_from("<H", head, 30)[0], struct.unpack_from("<I", head, 48)[0]
        # Sectors have 512 or 4,096 bytes.
        if shift in (9, 12):
            places.append(_read(path, (first_sector + 1) << shift, _DIRECTORY_BYTES))
    for name, kind in _STREAMS:
        if any(name.encode("utf-16-le") in place for place in places):
            return kind
    return "ole2 (old Microsoft Office)"


def _read(path: Path | None, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`, counted from the end when negative; what there is of them."""
    if path is None:
        return b""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end + offset) if offset < 0 else min(offset, end))
        return file.read(size)
