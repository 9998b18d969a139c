"""The usage log only grows, is private, and is put aside when it is large."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from services.answer.usage.log_file import UsageLogFile, files_of
from services.answer.usage.record import from_line, to_line
from tests.unit.services.answer.usage.support import record

SIZE = len(to_line(record()))


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "usage.jsonl"
    for name in ("a", "b"):
        UsageLogFile(path, rotate_bytes=10_000).record(record(tenant=name))
    assert [from_line(line).tenant for line in path.read_text().splitlines()] == ["a", "b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_file_is_put_aside_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    log = UsageLogFile(path, rotate_bytes=SIZE * 2)
    for number in range(7):
        log.record(record(query_id=f"q-{number}", time=record().time + timedelta(seconds=number // 4)))
    found = files_of(path)
    assert [len(file.read_text().splitlines()) for file in found] == [2, 2, 2, 1]
    kept = [from_line(line).query_id for file in found for line in file.read_text().splitlines()]
    assert kept == [f"q-{number}" for number in range(7)]


def test_a_file_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    log = UsageLogFile(path, rotate_bytes=10_000)
    log.record(record())
    path.rename(tmp_path / "moved")
    log.record(record())
    assert len(path.read_text().splitlines()) == 1


def test_many_writers_never_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    logs = [UsageLogFile(path, rotate_bytes=10_000_000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: logs[n % 4].record(record(query_id=f"{n}")), range(400)))
    assert {from_line(line).query_id for line in path.read_text().splitlines()} == set(map(str, range(400)))


def test_a_file_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="USAGE_LOG_FILE"):
        UsageLogFile(tmp_path / "file" / "usage.jsonl", rotate_bytes=10_000)


def test_a_write_that_fails_later_is_logged_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    log = UsageLogFile(path, rotate_bytes=10_000)
    path.unlink()
    path.mkdir()
    with structlog.testing.capture_logs() as logs:
        log.record(record())
    assert [line["event"] for line in logs] == ["usage_log_failed"]
