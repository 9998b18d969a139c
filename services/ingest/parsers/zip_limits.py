"""What an archive must be before any of it is opened: whole, unencrypted, and of bounded size."""

from __future__ import annotations

import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.ingest.parse_error import ParseError, corrupt, encrypted, limit_exceeded

MIB = 1024 * 1024
_BLOCK = 64 * 1024
_ENCRYPTED_FLAG = 0x1
# ECMA-376 part 2 forbids document type declarations in Office files. The libraries neither expand nor fetch
# entities; a file that declares some was made to attack those that do.
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_XML_SUFFIXES = (".xml", ".rels", ".vml")


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """How much an archive may hold. Sizes are those after decompression."""

    max_members: int = 10_000
    max_total_bytes: int = 512 * MIB
    max_member_bytes: int = 256 * MIB
    max_xml_bytes: int = 192 * MIB
    """One XML part. Trees of it take several times as much memory, which the worker's own cap bounds."""
    max_ratio: int = 200
    """Uncompressed to compressed bytes of the whole; XML of real spreadsheets stays below 100."""
    ratio_from_bytes: int = 16 * MIB
    """An archive smaller than this may have any ratio: it harms nobody."""
    max_depth: int = 32
    """Folders inside each other."""
    max_name: int = 1024
    """Characters of a member's name."""


DEFAULT_LIMITS = ZipLimits()


@contextmanager
def open_archive(path: Path, kind: str, limits: ZipLimits = DEFAULT_LIMITS) -> Iterator[zipfile.ZipFile]:
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


def check_office_file(path: Path, kind: str, limits: ZipLimits = DEFAULT_LIMITS) -> None:
    """Reads every member of an Office file once, so that a library may then read them without surprises.

    A directory may lie about sizes; here every member is decompressed in small blocks and must have the
    size and the checksum the directory promises.
    Raises ParseError: as `open_archive`, and DOCUMENT_CORRUPT for declared entities.
    """
    with open_archive(path, kind, limits) as archive:
        for member in archive.infolist():
            is_xml = member.filename.lower().endswith(_XML_SUFFIXES)
            if is_xml and member.file_size > limits.max_xml_bytes:
                raise _too_large(limits.max_xml_bytes)
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


def _check(members: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    if len(members) > limits.max_members:
        raise limit_exceeded(
            "archive_members", limits.max_members, f"It holds more than {limits.max_members} parts."
        )
    total = packed = 0
    for member in members:
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise encrypted(password_given=False)
        depth = member.filename.replace("\\", "/").count("/")
        if depth > limits.max_depth or len(member.filename) > limits.max_name:
            raise limit_exceeded("archive_nesting", limits.max_depth, "Its folders are nested too deeply.")
        if member.file_size > limits.max_member_bytes:
            raise _too_large(limits.max_member_bytes)
        total += member.file_size
        packed += member.compress_size
    if total > limits.max_total_bytes:
        raise _too_large(limits.max_total_bytes)
    if total > limits.ratio_from_bytes and total > packed * limits.max_ratio:
        raise limit_exceeded(
            "archive_ratio", limits.max_ratio, "It decompresses to far more than its own size."
        )


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
    return limit_exceeded("archive_bytes", limit, "Its parts are too large when decompressed.")
