"""Settings come from the environment, and every fault is named at once."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from libs.profiles import PROFILES, RULES
from libs.settings import ServiceSettings, load_settings


class Example(ServiceSettings):
    """Settings of a service that exists in this test only."""

    size: int = Field(1, ge=1, validation_alias="EXAMPLE_SIZE")


def test_the_environment_wins_and_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_SIZE", "7")
    monkeypatch.setenv("LOG_LEVEL", "")
    settings = load_settings(Example)
    assert (settings.size, settings.log_level) == (7, "INFO")
    assert Example(size=2, debug=True, _env_file=None).effective_log_level == "DEBUG"


def test_every_fault_is_reported_by_name_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXAMPLE_SIZE", "sk-secret")
    monkeypatch.setenv("LOG_FORMAT", "xml-secret")
    with pytest.raises(SystemExit) as caught:
        load_settings(Example)
    printed = capsys.readouterr().err
    assert caught.value.code == 2
    assert "EXAMPLE_SIZE" in printed
    assert "LOG_FORMAT" in printed
    assert "secret" not in printed


class Pair(ServiceSettings):
    """Two settings of which one must not exceed the other."""

    low: int = Field(1, ge=0, validation_alias="EXAMPLE_LOW")
    high: int = Field(9, ge=0, validation_alias="EXAMPLE_HIGH")

    def faults_together(self) -> list[str]:
        faults = super().faults_together()
        if self.low > self.high:
            faults.append("EXAMPLE_LOW must not exceed EXAMPLE_HIGH")
        return faults


def test_faults_of_settings_together_are_told_with_those_of_single_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("EXAMPLE_LOW", "10")
    monkeypatch.setenv("TLS_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(SystemExit):
        load_settings(Pair)
    printed = capsys.readouterr().err
    assert "LOG_LEVEL" in printed
    assert "EXAMPLE_LOW must not exceed EXAMPLE_HIGH" in printed
    assert "TLS_CERT_FILE and TLS_KEY_FILE must be set together" in printed


def test_a_profile_lies_below_everything_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert ServiceSettings().log_format == "auto"
    monkeypatch.setenv("PROFILE", "prod")
    assert (ServiceSettings().log_format, ServiceSettings().environment) == ("json", "production")
    assert ServiceSettings(log_format="console").log_format == "console"
    (tmp_path / ".env").write_text("ENVIRONMENT=staging\nPROFILE=dev\n")
    assert ServiceSettings().environment == "staging"
    monkeypatch.setenv("LOG_FORMAT", "console")
    assert ServiceSettings().log_format == "console"
    monkeypatch.delenv("PROFILE")
    monkeypatch.delenv("LOG_FORMAT")
    assert ServiceSettings().log_format == "auto", "the profile may stand in .env"


def test_off_loopback_means_tls_or_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="plain text"):
        ServiceSettings(_env_file=None, host="0.0.0.0")
    assert ServiceSettings(_env_file=None, host="0.0.0.0", allow_plaintext=True).server_tls is None
    with pytest.raises(ValidationError, match="prod needs TLS"):
        ServiceSettings(_env_file=None, host="0.0.0.0", allow_plaintext=True, profile="prod")


def test_every_profile_sets_what_exists_and_says_so() -> None:
    assert PROFILES.keys() == RULES.keys()


def test_an_env_file_that_is_no_text_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(b"EXAMPLE_SIZE=\xff\xfe\n")
    with pytest.raises(SystemExit) as caught:
        load_settings(Example)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "The configuration is not valid:\n  .env: not UTF-8 text\n"
