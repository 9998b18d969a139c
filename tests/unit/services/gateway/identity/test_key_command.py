"""`docuquery admin key`: a key that the gateway then knows."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.gateway.identity.api_keys import load_api_keys
from services.gateway.identity.key_command import main


def make(file: Path, name: str, *options: str) -> int:
    return main([str(file), "--tenant", "acme", "--name", name, *options], make=lambda: f"key-of-{name}")


def test_the_printed_key_is_that_of_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.json"
    assert make(file, "me", "--scopes", "read,write") == 0
    told = capsys.readouterr()
    assert told.out == "key-of-me\n"
    assert "key-of-me" not in told.err + file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    assert make(file, "batch", "--rate-class", "slow") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    first, second = load_api_keys("", file)
    assert (first.tenant, first.name, first.scopes) == ("acme", "me", {"read", "write"})
    assert (second.name, second.scopes, second.rate_class) == ("batch", {"read"}, "slow")
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--name", "me"], "each name may stand only once: me"),
        (["--name", "you", "--scopes", "read,rule"], "unknown: rule"),
        (["--name", "you", "--tenant", "a b"], "tenant: must be"),
    ],
)
def test_what_the_gateway_would_refuse_changes_nothing(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    make(file, "me")
    before = file.read_text()
    capsys.readouterr()
    assert main([str(file), "--tenant", "acme", *options]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert file.read_text() == before


def test_a_file_that_is_no_list_of_keys_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.json"
    file.write_text("not a list")
    assert make(file, "me") == 1
    assert file.read_text() == "not a list"
    assert make(tmp_path / "none" / "keys.json", "me") == 1
    assert capsys.readouterr().out == ""


def test_keys_are_random(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        main([str(tmp_path / "keys.json"), "--tenant", "acme", "--name", name])
    one, other = capsys.readouterr().out.split()
    assert one != other
    assert len(one) == len("dq_") + 64
