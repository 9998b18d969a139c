"""What reaches the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery_client.cli.console import clean, one_line, output, plain_table, print_rows


@given(st.text())
def test_cleaned_text_holds_nothing_that_acts_on_a_terminal(text: str) -> None:
    cleaned = clean(text)
    assert all(c in "\n\t" or ord(c) >= 32 for c in cleaned)
    assert not any(0x7F <= ord(c) <= 0x9F or 0x202A <= ord(c) <= 0x202E for c in cleaned)
    cleaned.encode("utf-8")


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    text = "Zeile 1\nשלום, नमस्ते,\t日本語 👩‍👩‍👧 Ω"
    assert clean(text) == text
    assert clean("a\r\nb") == "a\nb"
    assert clean("\ud800") == "\ufffd"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


def test_output_that_is_no_terminal_is_wide_and_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console = output()
    assert console.width == 160
    console.print("[red]x[/red] 12 :smile:", style="bold")
    assert capsys.readouterr().out == "[red]x[/red] 12 :smile:\n"


def test_a_row_that_goes_into_a_pipe_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = plain_table("id", "source")
    table.add_row("1", "folder/" * 100)
    table.add_row("2", "b.txt")
    print_rows(table)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["id", "source"], ["1", "folder/" * 100], ["2", "b.txt"],
    ]  # fmt: skip
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40
