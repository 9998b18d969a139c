"""Archives are checked before they are opened."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from services.ingest.parsers.errors import ParseError
from services.ingest.parsers.limits import MIB, ParseLimits
from services.ingest.parsers.zip_limits import check_office_file, open_archive, read_member

LIMITS = ParseLimits(max_archive_members=5, max_archive_bytes=20 * MIB, max_decompression_ratio=20)


def archive_of(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "upload"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refusal(path: Path) -> ParseError:
    with pytest.raises(ParseError) as caught:
        check_office_file(path, "Word", LIMITS)
    return caught.value


STORED = zipfile.ZIP_STORED


@pytest.mark.parametrize(
    ("members", "method", "name"),
    [
        ({str(number): b"" for number in range(6)}, STORED, "archive_members"),
        ({"a": b"x" * 10 * MIB, "b": b"x" * (10 * MIB + 1)}, STORED, "archive_bytes"),
        ({"a": b"\0" * 17 * MIB}, zipfile.ZIP_DEFLATED, "archive_ratio"),
        ({"a/" * 33 + "b": b""}, STORED, "archive_nesting"),
        ({"n" * 1025: b""}, STORED, "archive_nesting"),
    ],
)
def test_an_archive_over_a_limit_is_refused_by_its_name(
    members: dict[str, bytes], method: int, name: str, tmp_path: Path
) -> None:
    """The caller hears which limit and how much it allows."""
    error = refusal(archive_of(tmp_path, members, method))
    assert error.reason == "PARSE_LIMIT_EXCEEDED"
    assert error.metadata["limit_name"] == name
    assert int(error.metadata["limit"]) > 0


def test_a_directory_that_lies_about_sizes_gains_nothing(tmp_path: Path) -> None:
    """No more than the promised bytes are taken, and the checksum then tells."""
    path = archive_of(tmp_path, {"a.xml": b"y" * 90_000})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 90_000), struct.pack("<I", 10)))
    assert refusal(path).reason == "DOCUMENT_CORRUPT"


def test_an_xml_part_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """A tree of it would take several times as much memory."""
    path = archive_of(tmp_path, {"a.xml": b"<a/>"})
    claimed = path.read_bytes().replace(struct.pack("<II", 6, 4), struct.pack("<II", 6, 193 * MIB))
    path.write_bytes(claimed)
    with pytest.raises(ParseError) as caught:
        check_office_file(path, "Word", ParseLimits(max_decompression_ratio=10**9))
    assert caught.value.metadata == {"limit_name": "archive_bytes", "limit": str(192 * MIB)}


def test_archives_in_archives_are_not_opened(tmp_path: Path) -> None:
    """An inner bomb stays as it is packed."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 10_000_000)
    check_office_file(archive_of(tmp_path, {"embeddings/x.zip": inner.getvalue()}, STORED), "Word", LIMITS)


def test_encrypted_members_need_a_password_that_cannot_be_given(tmp_path: Path) -> None:
    """By the flag in the directory."""
    path = archive_of(tmp_path, {"a": b"text"}, STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refusal(path).reason == "DOCUMENT_ENCRYPTED"


@pytest.mark.parametrize("declared", ["utf-8", "utf-16"])
def test_declared_entities_are_refused_in_any_encoding(declared: str, tmp_path: Path) -> None:
    """Office formats forbid document type declarations."""
    attack = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(declared)
    assert refusal(archive_of(tmp_path, {"a.xml": attack})).reason == "DOCUMENT_CORRUPT"


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_what_is_cut_off_is_corrupt(kept: int, tmp_path: Path) -> None:
    """The directory stands at the end."""
    path = archive_of(tmp_path, {"a": b"x" * 1000}, STORED)
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(path).reason == "DOCUMENT_CORRUPT"


def test_a_missing_member_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    """Others are read whole."""
    path = archive_of(tmp_path, {"a": b"x" * 100_000}, STORED)
    with open_archive(path, "EPUB", LIMITS) as archive:
        assert read_member(archive, "a") == b"x" * 100_000
    with pytest.raises(ParseError), open_archive(path, "EPUB", LIMITS) as archive:
        read_member(archive, "b")


def test_a_member_placed_before_the_file_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    """The directory's end says where the directory stands, and may be wrong about it."""
    path = archive_of(tmp_path, {"a": b"x" * 1000}, STORED)
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    offset = struct.unpack_from("<I", data, end + 16)[0]
    struct.pack_into("<I", data, end + 16, offset + 500)
    path.write_bytes(data)
    assert refusal(path).reason == "DOCUMENT_CORRUPT"
