"""Certificates, folders and disks: what is well, what is not, and that advice comes with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.doctor import machine
from libs.doctor.finding import Level
from libs.rpc.tls_files import ServerTls
from tests.certificates import Authority

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("days", "level", "said"),
    [(90, Level.OK, "valid until"), (10, Level.WARNING, "valid until"), (-1, Level.ERROR, "valid until")],
)
def test_a_certificate_is_judged_by_its_end(tmp_path: Path, days: float, level: Level, said: str) -> None:
    pair = Authority(tmp_path).issue("server", hosts=("answer.internal",), days=days)
    found = machine.certificate(pair.cert, "TLS_CERT_FILE", NOW)
    assert (found.level, said in found.message, "answer.internal" in found.message) == (level, True, True)
    assert bool(found.advice) is (level is not Level.OK)


def test_one_that_is_not_valid_yet_points_at_the_clock(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server", days=90)
    found = machine.certificate(pair.cert, "TLS_CERT_FILE", NOW - timedelta(days=30))
    assert (found.level, "clock" in found.advice) == (Level.ERROR, True)


def test_what_is_no_certificate_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text("nonsense")
    assert machine.certificate(file, "X", NOW).level is Level.ERROR
    assert machine.certificate(tmp_path / "missing.pem", "X", NOW).level is Level.ERROR


def test_a_handshake_in_memory_tells_whether_the_authority_is_the_right_one(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs", "other")
    pair, late = ours.issue("server"), ours.issue("late", days=-1)
    assert machine.chain(ServerTls(pair.cert, pair.key, None), ours.ca).level is Level.OK
    assert machine.chain(ServerTls(pair.cert, pair.key, None), theirs.ca).level is Level.ERROR
    expired = machine.chain(ServerTls(late.cert, late.key, None), ours.ca)
    assert (expired.level, "expired" in expired.message) == (Level.ERROR, True)


def test_folders_are_looked_at_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "yet"
    assert machine.writable(missing, "the store", "DATA_DIR").level is Level.OK
    assert machine.disk(missing, "the store").check == "disk"
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("")
    found = machine.writable(file, "the store", "DATA_DIR")
    assert (found.level, "DATA_DIR" in found.advice) == (Level.ERROR, True)
