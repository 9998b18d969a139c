"""`docuquery admin cost`: a table for people, JSON for programs, whatever lies in the files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from services.answer.usage.command import main
from services.answer.usage.record import to_line
from tests.unit.services.answer.usage.support import record


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # no .env of this machine
    path = tmp_path / "usage.jsonl"
    path.write_text(
        to_line(record(tenant="acme", cost_micro_usd=1_500_000))
        + to_line(record(tenant="[bold]other", model="local-7b", cost_micro_usd=None))
    )
    rotated = tmp_path / "usage.jsonl.20260401T000000"
    earlier = record(time=record().time - timedelta(days=30), cost_micro_usd=7)
    rotated.write_text(to_line(earlier) + to_line(record())[:50])
    return path


def test_the_configured_log_and_what_was_put_aside_are_summed(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("USAGE_LOG_FILE", str(log))
    assert main([]) == 0
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["2026-04-04", "acme", "openai", "m-1", "1", "0", "100", "10", "0.000007"] in rows
    assert ["2026-05-04", "acme", "openai", "m-1", "1", "0", "100", "10", "1.500000"] in rows
    assert ["2026-05-04", "[bold]other", "openai", "local-7b", "1", "0", "100", "10", "0.000000+"] in rows
    assert ["total", "3", "0", "300", "30", "1.500007+"] in rows
    assert "no known price" in shown.out
    assert "1 lines could not be read" in shown.err


def test_programs_get_whole_numbers(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(log), "--by", "tenant", "--json", "--since", "2026-05-01", "--until", "2026-05-31"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["by"] == ["tenant"]
    assert [(row["tenant"], row["cost_micro_usd"]) for row in document["rows"]] == [
        ("[bold]other", 0),
        ("acme", 1_500_000),
    ]
    assert document["total"]["cost_usd"] == 1.5
    assert document["total"]["unpriced"] == 1
    assert document["skipped_lines"] == 0


def test_days_outside_are_left_out(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(log), "--json", "--until", "2026-05-03"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["attempts"] == 0


@pytest.mark.parametrize("arguments", [["--by", "colour"], ["--since", "yesterday"]])
def test_what_is_not_understood_is_a_usage_error(arguments: list[str], capsys: object) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_without_a_log_it_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("USAGE_LOG_FILE", raising=False)
    assert main([]) == 1
    assert "USAGE_LOG_FILE" in capsys.readouterr().err
    assert main(["nowhere.jsonl"]) == 1
