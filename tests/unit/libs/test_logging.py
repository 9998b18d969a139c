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
