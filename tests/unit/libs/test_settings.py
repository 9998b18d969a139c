"""Settings come from the environment, and every fault is named at once."""

import pytest
from pydantic import Field

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
