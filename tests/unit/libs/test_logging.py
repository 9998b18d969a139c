"""Log lines are JSON off a terminal, carry the service, and never a secret."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from libs.logging import configure_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def test_a_line_is_json_with_service_and_masked_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "auto", "answer")
    structlog.get_logger().info("opened", api_key="sk-123", provider="x")
    structlog.get_logger().debug("unseen")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event["service"] == "answer"
    assert event["level"] == "info"
    assert event["api_key"] == "***"
    assert "sk-123" not in line


def test_a_library_warning_joins_our_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json", "ingest")
    logging.getLogger("some.library").warning("odd %s", "thing")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "odd thing"
    assert event["service"] == "ingest"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_personal_data_is_masked_in_every_text_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json", "answer")
    log = structlog.get_logger()
    log.warning(
        "failed for ann@example.com", detail={"seen": ["+49 30 1234567", 7]}, request_id="212-555-0100"
    )
    try:
        raise ValueError("key sk-abcdefghij0123456789 refused")
    except ValueError:
        log.exception("broken")
    logging.getLogger("some.library").warning("Bearer %s", "abcdefgh12345678")
    first, second, third = lines(capsys)
    assert first["event"] == "failed for [email]"
    assert first["detail"] == {"seen": ["[phone]", 7]}
    assert first["request_id"] == "212-555-0100"
    assert "key [key] refused" in str(second["exception"])
    assert third["event"] == "[token]"


def test_masking_can_be_switched_off_but_secret_fields_stay_hidden(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO", "json", "answer", masking=False)
    structlog.get_logger().info("for ann@example.com", password="x")
    [line] = lines(capsys)
    assert (line["event"], line["password"]) == ("for ann@example.com", "***")


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "console", "ingest")
    structlog.get_logger().info("hello", n=1)
    assert "hello" in capsys.readouterr().err


def test_a_closed_stderr_takes_nobody_down(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    configure_logging("INFO", "json", "ingest")
    monkeypatch.setattr("sys.stderr", Broken())
    structlog.get_logger().info("unheard")
    logging.getLogger("some.library").warning("unheard")
