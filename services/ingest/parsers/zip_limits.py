"""What an archive must be before any of it is opened: whole, unencrypted, and of bounded size."""

from __future__ import annotations

import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.ingest.parsers.errors import ParseError, corrupt, encrypted, limit_exceeded
from services.ingest.parsers.limits import DEFAULT_LIMITS, MIB, ParseLimits

_BLOCK = 64 * 1024
_ENCRYPTED_FLAG = 0x1
# ECMA-376 part 2 forbids document type declarations in Office files. The libraries neither expand nor fetch
# entities; a file that declares some was made to attack those that do.
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_XML_SUFFIXES = (".xml", ".rels", ".vml")

_MAX_XML_BYTES = 192 * MIB
"""One XML part. Trees of it take several times as much memory, which the worker's own cap bounds."""
_RATIO_FROM_BYTES = 16 * MIB
"""An archive that decompresses to less may have any ratio: it harms nobody."""
_MAX_FOLDERS = 32
"""Folders inside each other."""
_MAX_NAME = 1024
"""Characters of a member's name."""


@contextmanager
def open_archive(path: Path, kind: str, limits: ParseLimits = DEFAULT_LIMITS) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`, checked by its directory alone; `kind` names the format to people (`Word`).

    Faults that show while members are read inside the block become ParseErrors too.
    Raises ParseError: DOCUMENT_CORRUPT, DOCUMENT_ENCRYPTED, PARSE_LIMIT_EXCEEDED (`archive_members`,
    `archive_bytes`, `archive_ratio`, `archive_nesting`).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive.infolist(), limits)
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise corrupt(kind) from error
    except OSError as error:
        # The directory places a member before the file's beginning; any other fault is the disk's.
        if error.errno != errno.EINVAL:
            raise
        raise corrupt(kind) from error
    except KeyError as error:
        # A member that others refer to does not exist.
        raise corrupt(kind) from error


def check_office_file(path: Path, kind: str, limits: ParseLimits = DEFAULT_LIMITS) -> None:
    """Reads every member of an Office file once, so that a library may then read them without surprises.

    A directory may lie about sizes; here every member is decompressed in small blocks and must have the
    size and the checksum the directory promises.
    Raises ParseError: as `open_archive`, and DOCUMENT_CORRUPT for declared entities.
    """
    with open_archive(path, kind, limits) as archive:
        for member in archive.infolist():
            is_xml = member.filename.lower().endswith(_XML_SUFFIXES)
            if is_xml and member.file_size > _MAX_XML_BYTES:
                raise _too_large(_MAX_XML_BYTES)
            _check_content(archive, member, kind, is_xml=is_xml)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, at most as many as the directory promises, taken in small blocks.

    Raises KeyError when there is none of this name, zipfile.BadZipFile and zlib.error when it is damaged
    (`open_archive` translates them).
    """
    parts: list[bytes] = []
    with archive.open(name) as member:
        while block := member.read(_BLOCK):
            parts.append(block)
    return b"".join(parts)


def _check(members: list[zipfile.ZipInfo], limits: ParseLimits) -> None:
    allowed = limits.max_archive_members
    if len(members) > allowed:
        raise limit_exceeded("archive_members", allowed, f"It holds more than {allowed} parts.")
    total = packed = 0
    for member in members:
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise encrypted(password_given=False)
        depth = member.filename.replace("\\", "/").count("/")
        if depth > _MAX_FOLDERS or len(member.filename) > _MAX_NAME:
            raise limit_exceeded(
                "archive_nesting", _MAX_FOLDERS, f"Its folders are nested more than {_MAX_FOLDERS} deep."
            )
        total += member.file_size
        packed += member.compress_size
    if total > limits.max_archive_bytes:
        raise _too_large(limits.max_archive_bytes)
    ratio = limits.max_decompression_ratio
    if total > _RATIO_FROM_BYTES and total > packed * ratio:
        raise limit_exceeded("archive_ratio", ratio, f"It decompresses to more than {ratio} times its size.")


def _check_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kind: str, *, is_xml: bool) -> None:
    with archive.open(member) as content:
        first = content.read(_BLOCK)
        # UTF-16 shows the same letters with zeros between them.
        if is_xml and _DECLARATION.search(first.replace(b"\0", b"")):
            raise ParseError(
                "DOCUMENT_CORRUPT",
                f"The {kind} file declares XML entities, which its format forbids. Open it in an office "
                "program, save it again, then upload the new file.",
            )
        while content.read(_BLOCK):
            continue


def _too_large(limit: int) -> ParseError:
    return limit_exceeded("archive_bytes", limit, f"Decompressed, its parts take more than {limit} bytes.")
